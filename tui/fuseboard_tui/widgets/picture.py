"""Widgets that draw a value, and draw it again only when it has changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import events
from textual.content import Content
from textual.visual import VisualType
from textual.widget import Widget


class Picture(Widget):
    """Draws text of a fixed extent; what it is made of has classes in the style sheet."""

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
        self._content = Content("")
        self._title = ""
        self.entitle(title)

    def entitle(self, title: str) -> None:
        """Write `title`, literally, on the border."""
        if title != self._title:
            self._title = title
            self.border_title = Content(title)

    def draw(self, content: Content) -> None:
        """Show `content` from now on."""
        if not content.is_same(self._content):
            self._content = content
            self.refresh()

    def render(self) -> VisualType:
        """Give what is shown."""
        return self._content

    def styled(self, text: str, name: str) -> Content:
        """Give a text the looks of one of the component classes."""
        return Content.styled(text, self.get_visual_style(name, partial=True))


class Rows(Picture):
    """Draws as many rows as fit; the wheel moves through the others."""

    def __init__(self, *, id: str | None = None, title: str = "") -> None:  # noqa: A002
        super().__init__(id=id, title=title)
        self._make: Callable[[int], Content] = lambda _: Content("")
        self._count = 0
        self._top = 0

    @property
    def top(self) -> int:
        """The first row that is shown."""
        return self._top

    def draw_rows(
        self,
        rows: Sequence[Content] | Callable[[int], Content],
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
        self.draw(Content("\n").join([self._make(number) for number in seen]))

    def move(self, rows: int) -> None:
        """Move through the rows."""
        self._top += rows
        self.draw_rows(self._make, count=self._count)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Go down with the wheel."""
        event.stop()
        self.move(1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Go up with the wheel."""
        event.stop()
        self.move(-1)
