"""The live exposition: what Prometheus would scrape now."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar

import httpx
from textual import work
from textual.binding import Binding, BindingType

from fuseboard.breaker.durations import format_duration
from fuseboard_tui.screens.searched_lines import SearchedLinesScreen
from fuseboard_tui.text.sanitize import sanitize
from fuseboard_tui.widgets.lines import Line, Rows

_SCRAPE_SECONDS = 1.0  # from one scrape to the next
_PATIENCE = 5.0  # seconds
_FRESH_SECONDS = 3.0  # for which a changed value is marked


class MetricsScreen(SearchedLinesScreen):
    """Scrapes once a second while it is shown, and marks the values that changed.

    Args:
        where: Gives the address of `/metrics` now; empty if there is none.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("m", "back", "back", id="back", show=False)]

    def __init__(self, where: Callable[[], str]) -> None:
        super().__init__()
        self._where = where
        self._exposition = Exposition()
        self._problem = ""
        self._scraped_at: float | None = None

    def on_mount(self) -> None:
        """Begin to scrape."""
        self._scrape_on()

    @work(exclusive=True)
    async def _scrape_on(self) -> None:
        async with httpx.AsyncClient(timeout=_PATIENCE) as http:
            while True:
                await self._scrape(http)
                self.show()
                await asyncio.sleep(_SCRAPE_SECONDS)

    async def _scrape(self, http: httpx.AsyncClient) -> None:
        url = self._where()
        if not url:
            self._problem = "there is no /metrics to look at"
            return
        try:
            answer = await http.get(url)
            answer.raise_for_status()
        except httpx.HTTPStatusError as error:
            self._problem = f"HTTP {error.response.status_code}: {error.response.text}"
        except httpx.HTTPError as error:
            self._problem = f"{url} does not answer: {error or type(error).__name__}"
        else:
            self._problem = ""
            self._scraped_at = time.monotonic()
            self._exposition.take(answer.text, self._scraped_at)

    def show(self) -> None:
        """Draw the newest scrape."""
        found = self.query(Rows)
        if not found:
            return  # a scrape came while the screen was being left
        rows = found.first()
        rows.entitle(self._title())
        lines = [line for line in self._exposition.lines() if self.wanted in line.casefold()]
        fresh = self._exposition.changed_since(time.monotonic() - _FRESH_SECONDS)
        room = rows.size.width - 2  # for name and value

        def row(number: int) -> Line:
            line = lines[number]
            name, _, value = line.rpartition(" ")
            if line.startswith("#"):
                return ((f" {sanitize(line)}", "quiet"),)
            looks = "alarm" if name in fresh else "strong"
            mark = "▸" if name in fresh else " "
            value = sanitize(value)
            return f"{mark}{_end_of(sanitize(name), room - len(value))} ", (value, looks)

        rows.draw_rows(row, count=len(lines))

    def _title(self) -> str:
        if not self._problem:
            return "Metrics" + (f", lines with {sanitize(self.wanted, 30)}" if self.wanted else "")
        said = f"Metrics: {sanitize(self._problem, 80)}"
        if self._scraped_at is None:
            return said
        return (
            f"{said}; shown is what was {format_duration(time.monotonic() - self._scraped_at)} ago"
        )


class Exposition:
    """The lines of the newest scrape, and when each value changed."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._values: Mapping[str, str] = {}
        self._changed: dict[str, float] = {}

    def take(self, text: str, now: float) -> None:
        """Take a scrape; `now` is in seconds that only ever go forward."""
        self._lines = [line for line in text.split("\n") if line]
        values = dict(_samples(self._lines))
        for name, value in values.items():
            if self._values.get(name, value) != value:
                self._changed[name] = now
        self._values = values

    def lines(self) -> list[str]:
        """Give all lines."""
        return self._lines

    def changed_since(self, moment: float) -> set[str]:
        """Give the samples whose values have changed since then."""
        return {name for name, at in self._changed.items() if at >= moment}


def _end_of(name: str, width: int) -> str:
    """Cut a name where it begins: its labels tell it apart, and its value comes after them."""
    return name if len(name) <= width else f"…{name[len(name) - max(width, 2) + 1 :]}"


def _samples(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            yield name, value
