"""What to install where a package is missing."""

from __future__ import annotations


def missing_package(error: ModuleNotFoundError) -> str:
    """Return what to install for a module that is not found; raise it again if it is our own."""
    package = (error.name or "").partition(".")[0]
    if package in ("", "fuseboard", "fuseboard_tui"):
        raise error
    return f"{package} is not installed; `pip install 'fuseboard[board]'` brings all that it needs"
