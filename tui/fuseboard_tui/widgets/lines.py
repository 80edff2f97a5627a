"""Base classes of widgets that draw lines of styled text, and redraw only lines that change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.content import Content
from textual.geometry import Region
from textual.strip import Strip
from textual.visual import VisualType
from textual.widget import Widget

Span = str | tuple[str, str]
"""A text, or a text and the component class that styles it."""

Line = tuple[Span, ...]
"""The spans of one line, from left to right; without colours, so that it is cheap to compare."""


class LinesWidget(Widget):
    """Draw lines of text, styled by component classes of the style sheet.

    A line that is too long ends in an ellipsis. Text is drawn literally, never
    as markup, and cannot be selected with the mouse.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "state--closed",
        "state--open",
        "state--half-open",
        "quiet",
        "strong",
        "key",
        "badge",
        "alarm",
        "cursor",
        "plain",
    }

    def __init__(self, *, id: str | None = None, title: str = "") -> None:  # noqa: A002
        super().__init__(id=id)
        self._lines: Sequence[Line] = ()
        self._style_cache: dict[str, Style] = {}
        self._title = ""
        self.set_title(title)

    def set_title(self, title: str) -> None:
        """Show a title, literally, on the border."""
        if title != self._title:
            self._title = title
            self.border_title = Content(title)

    def draw(self, lines: Sequence[Line]) -> None:
        """Replace the lines, and refresh those that have changed."""
        pairs = list(zip_longest(self._lines, lines))[: self.size.height]
        self._lines = lines
        # Each region includes the border: leaving it out costs more.
        left, width = -self.gutter.left, self.outer_size.width
        changed = [Region(left, y, width, 1) for y, (old, new) in enumerate(pairs) if old != new]
        if changed:
            self.refresh(*changed)

    def render(self) -> VisualType:
        """Return the text without its styles."""
        return Content("\n".join(map(plain_text, self._lines)))

    def render_line(self, y: int) -> Strip:
        """Render one line with its styles."""
        line = self._lines[y] if y < len(self._lines) else ()
        spans = [(span, "") if isinstance(span, str) else span for span in line]
        strip = Strip([Segment(text, self._style_of(name)) for text, name in spans])
        width = self.size.width
        if strip.cell_length <= width:
            return strip
        if width < 1:
            return Strip([])
        cut = strip.crop(0, width - 1)
        return Strip([*cut, Segment("…", list(strip.crop(0, width))[-1].style)])

    def notify_style_update(self) -> None:
        """Clear the cached styles, which a new theme changes."""
        super().notify_style_update()
        self._style_cache.clear()

    def _style_of(self, name: str) -> Style:
        """Return the style of a component class; that of the widget if `name` is empty."""
        if name not in self._style_cache:
            style = self.visual_style
            if name:
                style += self.get_visual_style(name, partial=True)
            self._style_cache[name] = style.rich_style
            if name:  # a visual style does not include `reverse`
                self._style_cache[name] += self.get_component_styles(name).text_style
        return self._style_cache[name]


def plain_text(line: Line) -> str:
    """Return the text of a line without its styles."""
    return "".join(span if isinstance(span, str) else span[0] for span in line)


def join_spans(separator: str, parts: Iterable[Line]) -> Line:
    """Concatenate parts to one line, with a separator between them."""
    return tuple(span for part in parts for span in (separator, *part))[1:]


class ScrollableLines(LinesWidget):
    """Draw as many rows as fit; keys of the screen and the mouse wheel scroll to the others."""

    def __init__(self, *, id: str | None = None, title: str = "") -> None:  # noqa: A002
        super().__init__(id=id, title=title)
        self._make_row: Callable[[int], Line] = lambda _: ()
        self._count = 0
        self._top = 0

    @property
    def top(self) -> int:
        """The index of the first visible row."""
        return self._top

    @property
    def is_at_end(self) -> bool:
        """Whether the last row is visible."""
        return self._top + self.size.height >= self._count

    def draw_rows(
        self,
        rows: Sequence[Line] | Callable[[int], Line],
        *,
        count: int | None = None,
        visible: int | None = None,
    ) -> None:
        """Replace the rows.

        Args:
            rows: The rows, or a function that makes a row from its index and is
                called for visible rows only.
            count: The number of rows, if `rows` is a function.
            visible: The index of a row to scroll to, if it is not visible.
        """
        self._make_row = rows if callable(rows) else rows.__getitem__
        self._count = len(rows) if not callable(rows) else count or 0
        height = max(self.size.height, 1)
        if visible is not None:
            self._top = min(max(self._top, visible - height + 1), visible)
        self._top = max(min(self._top, self._count - height), 0)
        shown = range(self._top, min(self._top + height, self._count))
        self.draw([self._make_row(index) for index in shown])

    def move(self, rows: int) -> None:
        """Scroll by a number of rows; a negative one scrolls up."""
        self._top += rows
        self.draw_rows(self._make_row, count=self._count)

    def page(self, direction: int) -> None:
        """Scroll by the height of the widget less one row, down (1) or up (-1)."""
        self.move(direction * max(self.size.height - 1, 1))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Scroll down by one row."""
        event.stop()
        self.move(1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Scroll up by one row."""
        event.stop()
        self.move(-1)
