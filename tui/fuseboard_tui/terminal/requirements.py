"""What a terminal must be able to do to be drawn on."""

from __future__ import annotations

import os

from fuseboard.invalid_input import InvalidInputError

_CANNOT_DRAW = ("dumb", "unknown")


def check_terminal() -> None:
    """Raise `InvalidInputError` if the terminal says of itself that it cannot draw a screen."""
    kind = os.environ.get("TERM", "")
    if kind.lower() in _CANNOT_DRAW and "TEXTUAL_DRIVER" not in os.environ:
        raise InvalidInputError(
            f"TERM is {kind}: nothing can be drawn on such a terminal. `fuseboard serve` runs"
            " without one; if it can do more than that, set TERM=xterm-256color"
        )
