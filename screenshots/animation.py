"""One animated SVG made of Textual's screenshots.

What several successive screenshots share is written once.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from xml.etree import ElementTree
from xml.sax.saxutils import escape

_SVG = "{http://www.w3.org/2000/svg}"
_RULE = re.compile(r"\.([\w-]+-r\d+) \{ (.*?) \}")
_CELL = 12.2  # the width of a character in these screenshots; a row is twice as high
_TITLE = "fill: #c5c8c6; font-weight: bold"

_Run = tuple[int, int]  # the first frame that shows an element, and the first without it


@dataclass(frozen=True, slots=True)
class Frame:
    """A screenshot, its title, and for how many seconds it is shown."""

    svg: str
    title: str
    seconds: float


@dataclass(frozen=True, slots=True)
class _Element:
    """A text, or a filled area; equal elements have the same look and place."""

    style: str
    x: float
    y: float
    width: float
    text: str = ""


def animate(frames: Sequence[Frame]) -> str:
    """Return an SVG that shows the frames one after the other, in an endless loop."""
    screenshots = [ElementTree.fromstring(frame.svg) for frame in frames]  # noqa: S314 (our own)
    areas = _runs([list(_areas(screenshot)) for screenshot in screenshots])
    texts = _runs(
        [
            [
                *_texts(screenshot),
                _Element(_TITLE, 9 * _CELL, -14, _CELL * len(frame.title), frame.title),
            ]
            for screenshot, frame in zip(screenshots, frames, strict=True)
        ]
    )
    starts = [0.0, *accumulate(frame.seconds for frame in frames)]
    elements = [element for layer in (areas, texts) for run in layer.values() for element in run]
    names = {style: f"l{n}" for n, style in enumerate(sorted({each.style for each in elements}))}
    view = screenshots[0].attrib["viewBox"]
    return "\n".join(
        [
            f'<svg viewBox="{view}" xmlns="http://www.w3.org/2000/svg">',
            "<style>",
            "text { font: 20px 'Fira Code', monospace }",
            *(f".{name} {{ {style} }}" for style, name in names.items()),
            *_keyframes({*areas, *texts}, starts),
            "</style>",
            *_window(*view.split()[2:]),
            '<g transform="translate(9, 41)">',
            *(line for layer in (areas, texts) for line in _groups(layer, names, len(frames))),
            "</g>",
            "</svg>",
            "",
        ]
    )


def _areas(screenshot: ElementTree.Element) -> Iterator[_Element]:
    """Yield the backgrounds; neighbours of one colour are merged."""
    before: _Element | None = None
    for area in screenshot.iter(f"{_SVG}rect"):
        if "shape-rendering" not in area.attrib:
            continue
        x, y, width = (float(area.attrib[name]) for name in ("x", "y", "width"))
        style = f"fill: {area.attrib['fill']}"
        if before and (before.style, before.y) == (style, y) and abs(_end(before) - x) < 1:
            before = replace(before, width=round(before.width + width, 1))
            continue
        if before:
            yield before
        before = _Element(style, x, y, width)
    if before:
        yield before


def _end(element: _Element) -> float:
    return element.x + element.width


def _texts(screenshot: ElementTree.Element) -> Iterator[_Element]:
    style = dict(_RULE.findall(screenshot.findtext(f"{_SVG}style", "")))
    for text in screenshot.iter(f"{_SVG}text"):
        content = (text.text or "").strip("\n")
        if content.strip("\xa0 ") and "textLength" in text.attrib:
            x, y, width = (float(text.attrib[name]) for name in ("x", "y", "textLength"))
            yield _Element(style[text.attrib["class"]], x, y, width, content)


def _runs(screenshots: Sequence[Iterable[_Element]]) -> Mapping[_Run, list[_Element]]:
    """Group the elements by the frames that show them; one that comes back is in two groups."""
    runs: dict[_Run, list[_Element]] = defaultdict(list)
    since: dict[_Element, int] = {}
    for number, elements in enumerate([*screenshots, ()]):
        here = dict.fromkeys(elements, number)
        for element in [element for element in since if element not in here]:
            runs[since.pop(element), number].append(element)
        since = here | since
    return runs


def _keyframes(runs: Iterable[_Run], starts: Sequence[float]) -> Iterator[str]:
    whole = starts[-1]
    for first, end in sorted(runs):
        if (first, end) == (0, len(starts) - 1):
            continue
        name = _name((first, end))
        steps = {starts[first]: "visible", starts[end]: "hidden"}
        if first:
            steps = {0.0: "hidden"} | steps
        at = " ".join(f"{100 * t / whole:.2f}% {{visibility: {v}}}" for t, v in steps.items())
        yield f"@keyframes {name} {{ {at} }}"
        # A viewer without animations shows the first frame.
        still = "hidden" if first else "visible"
        yield f".{name} {{ visibility: {still}; animation: {name} {whole:g}s step-end infinite }}"


def _name(run: _Run) -> str:
    return f"f{run[0]}-{run[1]}"


def _window(width: str, height: str) -> Iterator[str]:
    yield (
        f'<rect x="1" y="1" width="{float(width) - 2:g}" height="{float(height) - 2:g}" rx="8"'
        ' fill="#292929" stroke="#6b6b6b"/>'
    )
    for x, colour in ((26, "#ff5f57"), (48, "#febc2e"), (70, "#28c840")):
        yield f'<circle cx="{x}" cy="22" r="7" fill="{colour}"/>'


def _groups(
    layer: Mapping[_Run, Iterable[_Element]], names: Mapping[str, str], frames: int
) -> Iterator[str]:
    for run, elements in sorted(layer.items()):
        yield "<g>" if run == (0, frames) else f'<g class="{_name(run)}">'
        for element in elements:
            place = f'class="{names[element.style]}" x="{element.x:g}" y="{element.y:g}"'
            if element.text:
                length = f'textLength="{element.width:g}"'
                yield f"<text {place} {length}>{escape(element.text)}</text>"
            else:
                # Slightly higher than a row, so that no gap is visible between two.
                yield f'<rect {place} width="{element.width:g}" height="{2 * _CELL + 0.25:g}"/>'
        yield "</g>"
