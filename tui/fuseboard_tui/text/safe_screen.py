"""The last step of every line of the screen: no unsafe character reaches the terminal."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from fuseboard_tui.text.sanitize import is_safe, sanitize


class SafeText(LineFilter):
    """A line filter that sanitises text, whichever widget draws it.

    A text that is sanitised only here keeps its width, because it is laid out already.
    """

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002
        """Return the segments, each without unsafe characters."""
        if all(map(_is_safe, segments)):
            return segments
        return [each if _is_safe(each) else _sanitized(each) for each in segments]


def _is_safe(segment: Segment) -> bool:
    return segment.control is not None or is_safe(segment.text)


def _sanitized(segment: Segment) -> Segment:
    text = sanitize(segment.text, len(segment.text))
    return Segment(set_cell_size(text, cell_len(segment.text)), segment.style)
