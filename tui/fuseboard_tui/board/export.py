"""What the user takes away from the board: exported files, screenshots, text on the clipboard."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import chain, count
from pathlib import Path

from textual.screen import Screen

from fuseboard.breaker.durations import format_duration
from fuseboard.breaker.records import Transition
from fuseboard.breaker.snapshot import BreakerSnapshot
from fuseboard.snapshot.snapshot import Snapshot
from fuseboard_tui.text.glyphs import state_label
from fuseboard_tui.text.sanitize import sanitize

_logger = logging.getLogger(__name__)


class Export:
    """Write files and copy text, and notify the user of the outcome.

    Args:
        screen: Shows the notifications.
        directory: Where the files are written.
    """

    def __init__(self, screen: Screen[None], directory: Path) -> None:
        self._screen = screen
        self._directory = directory

    async def write_snapshot(self, snapshot: Snapshot) -> None:
        """Write a snapshot as JSON, and its breakers and transitions as CSV."""
        from fuseboard.snapshot.codec import encode
        from fuseboard.snapshot.csv_export import breakers_table, transitions_table

        try:
            text = encode(snapshot, indented=True).decode() + "\n"
        except ValueError as error:
            self._screen.notify(sanitize(f"cannot write: {error}"), severity="error", markup=False)
            return
        await self._write(
            {
                ".json": text,
                "-breakers.csv": breakers_table(snapshot),
                "-transitions.csv": transitions_table(snapshot),
            }
        )

    async def write_screenshot(self) -> None:
        """Write an SVG of the screen."""
        await self._write({".svg": self._screen.app.export_screenshot(title="fuseboard")})

    def copy(self, breaker: BreakerSnapshot, transition: int) -> None:
        """Copy a breaker and one of its transitions to the clipboard, a line each.

        Args:
            breaker: The breaker.
            transition: The index of the transition, 0 for the newest; beyond
                the last one, none is copied.
        """
        newest_first = breaker.history[::-1]
        lines = [_breaker_line(breaker), *map(_transition_line, newest_first[transition:][:1])]
        self._screen.app.copy_to_clipboard("\n".join(lines))
        self._screen.notify(f"copied {sanitize(breaker.name, 40)}", markup=False)

    async def _write(self, contents: Mapping[str, str]) -> None:
        now = datetime.now().astimezone()
        try:
            paths = await asyncio.to_thread(write_new_files, self._directory, contents, now)
        except OSError as error:
            message = sanitize(f"cannot write {error.filename}: {error.strerror}")
            _logger.warning(message)
            self._screen.notify(message, severity="error", markup=False)
        else:
            first, *others = paths
            names = "".join(f", {path.name}" for path in others)
            self._screen.notify(sanitize(f"wrote {first}{names}"), markup=False)


def write_new_files(directory: Path, contents: Mapping[str, str], now: datetime) -> list[Path]:
    """Write texts to files named after the time, all or none; never overwrite a file.

    Args:
        directory: Where the files are written.
        contents: Texts by the end of their file's name, such as `-breakers.csv`.
        now: The time that the names begin with.

    Returns:
        The absolute paths of the files.

    Raises:
        OSError: If a file cannot be written; `filename` is its path.
    """
    paths = _free_paths(directory, list(contents), f"fuseboard-{now:%Y%m%d-%H%M%S}")
    created: list[Path] = []
    for path, text in zip(paths, contents.values(), strict=True):
        try:
            with path.open("x", encoding="utf-8", newline="") as file:
                created.append(path)
                file.write(text)
        except OSError as error:
            for incomplete in created:
                incomplete.unlink(missing_ok=True)
            raise OSError(error.errno, error.strerror, str(path)) from None
    return [path.absolute() for path in paths]


def _free_paths(directory: Path, endings: list[str], stem: str) -> list[Path]:
    stems = chain([stem], (f"{stem}-{number}" for number in count(2)))
    candidates = ([directory / f"{stem}{ending}" for ending in endings] for stem in stems)
    return next(paths for paths in candidates if not any(path.exists() for path in paths))


def _breaker_line(breaker: BreakerSnapshot) -> str:
    calls = breaker.calls
    return (
        f"{sanitize(breaker.name)}: {state_label(breaker)}"
        f" for {format_duration(breaker.seconds_in_state)}"
        f", {sanitize(breaker.why)}; success {calls.success}, failure {calls.failure}"
        f", rejected {calls.rejected}, ignored {calls.ignored}"
    )


def _transition_line(transition: Transition) -> str:
    at = datetime.fromtimestamp(transition.at, UTC)
    return (
        f"{at:%Y-%m-%d %H:%M:%S} UTC: {transition.from_state.name} → {transition.to_state.name}"
        f", {sanitize(transition.reason)}"
    )
