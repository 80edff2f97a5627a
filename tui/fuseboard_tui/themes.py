"""The themes that can be chosen."""

from __future__ import annotations

from textual.theme import BUILTIN_THEMES, Theme

from fuseboard.invalid_input import InvalidInputError

DEFAULT = "textual-dark"

# The palette of Okabe and Ito, which people with any colour blindness can tell apart
# (https://jfly.uni-koeln.de/color/). Closed is blue, open vermilion, half-open yellow.
_OKABE_ITO_DARK = Theme(
    name="okabe-ito-dark",
    primary="#0072B2",
    secondary="#CC79A7",
    success="#56B4E9",
    warning="#F0E442",
    error="#D55E00",
    accent="#E69F00",
    dark=True,
)
_OKABE_ITO_LIGHT = Theme(
    name="okabe-ito-light",
    primary="#0072B2",
    secondary="#CC79A7",
    success="#0072B2",
    warning="#8F6400",
    error="#B34D00",
    accent="#8A3F6B",
    background="#FFFFFF",
    surface="#F2F2F2",
    panel="#E4E4E4",
    dark=False,
    # Dark enough to be read; Textual would make them darker, and more alike.
    variables={
        "text-success": "#0072B2",
        "text-warning": "#8F6400",
        "text-error": "#B34D00",
        "text-accent": "#8A3F6B",
    },
)

OWN = (_OKABE_ITO_DARK, _OKABE_ITO_LIGHT)

NAMES = (*BUILTIN_THEMES, *(theme.name for theme in OWN))


def checked(name: str) -> str:
    """Return a theme's name.

    Raises:
        ValueError: If there is no such theme; the message lists them.
    """
    if name not in NAMES:
        raise InvalidInputError(f"there is no theme {name!r}; there are {', '.join(NAMES)}")
    return name
