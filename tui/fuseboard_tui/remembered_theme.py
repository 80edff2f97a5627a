"""The theme that was chosen last, stored from run to run."""

from __future__ import annotations

import logging
from pathlib import Path

from platformdirs import user_state_path

from fuseboard_tui import themes

_logger = logging.getLogger(__name__)


def recall() -> str:
    """Return the theme that was chosen last; the default if none was or it no longer exists."""
    try:
        name = _file().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return themes.DEFAULT
    return name if name in themes.NAMES else themes.DEFAULT


def remember(name: str) -> None:
    """Store a theme for the next run; if that fails, only log it."""
    file = _file()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name + "\n", encoding="utf-8")
    except OSError as error:
        _logger.warning("the theme cannot be remembered in %s: %s", file, error.strerror)


def _file() -> Path:
    return user_state_path("fuseboard") / "theme"
