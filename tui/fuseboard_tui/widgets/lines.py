"""Widgets that draw a value, and draw it again only when it has changed."""

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
"""A text, or a text and the component class that gives it its looks."""

Line = tuple[Span, ...]
"""What stands beside each other; it knows nothing of colours, and is cheap to compare."""


class LinesWidget(Widget):
    """Draws lines of text; what they are made of has classes in the style sheet.

    A line that is too long ends in an ellipsis. Only lines that have changed are
    drawn again. The text cannot be selected with the mouse.
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
        self._looks: dict[str, Style] = {}
        self._title = ""
        self.entitle(title)

    def entitle(self, title: str) -> None:
        """Write `title`, literally, on the border."""
        if title != self._title:
            self._title = title
            self.border_title = Content(title)

    def draw(self, lines: Sequence[Line]) -> None:
        """Show `lines` from now on."""
        pairs = list(zip_longest(self._lines, lines))[: self.size.height]
        self._lines = lines
        # The border is drawn with its line: to leave it out costs more.
        left, width = -self.gutter.left, self.outer_size.width
        changed = [Region(left, y, width, 1) for y, (old, new) in enumerate(pairs) if old != new]
        if changed:
            self.refresh(*changed)

    def render(self) -> VisualType:
        """Give the text that is shown, without its looks."""
        return Content("\n".join(map(text_of, self._lines)))

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        line = self._lines[y] if y < len(self._lines) else ()
        parts = [(piece, "") if isinstance(piece, str) else piece for piece in line]
        strip = Strip([Segment(text, self._look(name)) for text, name in parts])
        width = self.size.width
        if strip.cell_length <= width:
            return strip
        cut = strip.crop(0, width - 1)
        return Strip([*cut, Segment("…", list(strip.crop(0, width))[-1].style)])

    def notify_style_update(self) -> None:
        """Forget what the pieces looked like: the theme may be another one."""
        super().notify_style_update()
        self._looks.clear()

    def _look(self, name: str) -> Style:
        if name not in self._looks:
            style = self.visual_style
            if name:
                style += self.get_visual_style(name, partial=True)
            self._looks[name] = style.rich_style
            if name:  # a visual style knows of no `reverse`
                self._looks[name] += self.get_component_styles(name).text_style
        return self._looks[name]


def text_of(line: Line) -> str:
    """Give the text of a line."""
    return "".join(piece if isinstance(piece, str) else piece[0] for piece in line)


def joined(separator: str, parts: Iterable[Line]) -> Line:
    """Put parts into one line, with a separator between them."""
    return tuple(piece for part in parts for piece in (separator, *part))[1:]


class Rows(LinesWidget):
    """Draws as many rows as fit; the wheel moves through the others."""

    def __init__(self, *, id: str | None = None, title: str = "") -> None:  # noqa: A002
        super().__init__(id=id, title=title)
        self._make: Callable[[int], Line] = lambda _: ()
        self._count = 0
        self._top = 0

    @property
    def top(self) -> int:
        """The first row that is shown."""
        return self._top

    @property
    def is_at_end(self) -> bool:
        """Whether the last row is shown."""
        return self._top + self.size.height >= self._count

    def draw_rows(
        self,
        rows: Sequence[Line] | Callable[[int], Line],
        *,
        count: int | None = None,
        visible: int | None = None,
    ) -> None:
        """Show rows, from a place where the row numbered `visible` can be seen.

        Of many rows only those that are seen need be made: then `rows` makes
        one by its number, and `count` says how many there are.
        """
        self._make = rows if callable(rows) else rows.__getitem__
        self._count = len(rows) if not callable(rows) else count or 0
        height = max(self.size.height, 1)
        if visible is not None:
            self._top = min(max(self._top, visible - height + 1), visible)
        self._top = max(min(self._top, self._count - height), 0)
        seen = range(self._top, min(self._top + height, self._count))
        self.draw([self._make(number) for number in seen])

    def move(self, rows: int) -> None:
        """Move through the rows."""
        self._top += rows
        self.draw_rows(self._make, count=self._count)

    def page(self, direction: int) -> None:
        """Move by a screenful, of which one row stays."""
        self.move(direction * max(self.size.height - 1, 1))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Go down with the wheel."""
        event.stop()
        self.move(1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Go up with the wheel."""
        event.stop()
        self.move(-1)
