"""One animated SVG out of pictures that Textual has drawn.

What stays the same from one picture to the next is written once.
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
_CELL = 12.2  # the width of a character in these pictures; a row is twice as high
_TITLE = "fill: #c5c8c6; font-weight: bold"

_Run = tuple[int, int]  # the first frame that shows it, and the first that does no more


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture, what stands above it, and for how many seconds it is shown."""

    svg: str
    title: str
    seconds: float


@dataclass(frozen=True, slots=True)
class _Piece:
    """A text, or a filled area; equal pieces look the same and are in the same place."""

    looks: str
    x: float
    y: float
    width: float
    text: str = ""


def animated(frames: Sequence[Frame]) -> str:
    """Give an SVG that shows the frames one after the other, again and again."""
    pictures = [ElementTree.fromstring(frame.svg) for frame in frames]  # noqa: S314 (our own)
    areas = _runs([list(_areas(picture)) for picture in pictures])
    texts = _runs(
        [
            [
                *_texts(picture),
                _Piece(_TITLE, 9 * _CELL, -14, _CELL * len(frame.title), frame.title),
            ]
            for picture, frame in zip(pictures, frames, strict=True)
        ]
    )
    starts = [0.0, *accumulate(frame.seconds for frame in frames)]
    pieces = [piece for layer in (areas, texts) for run in layer.values() for piece in run]
    names = {looks: f"l{n}" for n, looks in enumerate(sorted({each.looks for each in pieces}))}
    view = pictures[0].attrib["viewBox"]
    return "\n".join(
        [
            f'<svg viewBox="{view}" xmlns="http://www.w3.org/2000/svg">',
            "<style>",
            "text { font: 20px 'Fira Code', monospace }",
            *(f".{name} {{ {looks} }}" for looks, name in names.items()),
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


def _areas(picture: ElementTree.Element) -> Iterator[_Piece]:
    """Give the backgrounds, those of one colour beside each other as one."""
    before: _Piece | None = None
    for area in picture.iter(f"{_SVG}rect"):
        if "shape-rendering" not in area.attrib:
            continue
        x, y, width = (float(area.attrib[name]) for name in ("x", "y", "width"))
        looks = f"fill: {area.attrib['fill']}"
        if before and (before.looks, before.y) == (looks, y) and abs(_end(before) - x) < 1:
            before = replace(before, width=round(before.width + width, 1))
            continue
        if before:
            yield before
        before = _Piece(looks, x, y, width)
    if before:
        yield before


def _end(piece: _Piece) -> float:
    return piece.x + piece.width


def _texts(picture: ElementTree.Element) -> Iterator[_Piece]:
    looks = dict(_RULE.findall(picture.findtext(f"{_SVG}style", "")))
    for text in picture.iter(f"{_SVG}text"):
        words = (text.text or "").strip("\n")
        if words.strip("\xa0 ") and "textLength" in text.attrib:
            x, y, width = (float(text.attrib[name]) for name in ("x", "y", "textLength"))
            yield _Piece(looks[text.attrib["class"]], x, y, width, words)


def _runs(pictures: Sequence[Iterable[_Piece]]) -> Mapping[_Run, list[_Piece]]:
    """Sort the pieces by the frames that show them; one that comes back is there twice."""
    runs: dict[_Run, list[_Piece]] = defaultdict(list)
    since: dict[_Piece, int] = {}
    for number, pieces in enumerate([*pictures, ()]):
        here = dict.fromkeys(pieces, number)
        for piece in [piece for piece in since if piece not in here]:
            runs[since.pop(piece), number].append(piece)
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
        # What shows no animations shows the first frame.
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
    layer: Mapping[_Run, Iterable[_Piece]], names: Mapping[str, str], frames: int
) -> Iterator[str]:
    for run, pieces in sorted(layer.items()):
        yield "<g>" if run == (0, frames) else f'<g class="{_name(run)}">'
        for piece in pieces:
            place = f'class="{names[piece.looks]}" x="{piece.x:g}" y="{piece.y:g}"'
            if piece.text:
                length = f'textLength="{piece.width:g}"'
                yield f"<text {place} {length}>{escape(piece.text)}</text>"
            else:
                # A bit higher than a row, so that no line is seen between two.
                yield f'<rect {place} width="{piece.width:g}" height="{2 * _CELL + 0.25:g}"/>'
        yield "</g>"
