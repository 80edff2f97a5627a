"""The live exposition, as Prometheus would scrape it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar

import httpx
from textual import work
from textual.binding import Binding, BindingType

from fuseboard.breaker.durations import format_duration
from fuseboard_tui.screens.searchable_lines import SearchableLinesScreen
from fuseboard_tui.text.sanitize import sanitize
from fuseboard_tui.widgets.lines import Line, ScrollableLines

_SCRAPE_SECONDS = 1.0  # from one scrape to the next
_TIMEOUT = 5.0  # seconds
_FRESH_SECONDS = 3.0  # how long a changed value is marked


class MetricsScreen(SearchableLinesScreen):
    """Scrape once a second while this screen is shown, and mark the values that changed.

    Args:
        get_url: Returns the present address of `/metrics`; empty if there is none.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("m", "back", "back", id="back", show=False)]

    def __init__(self, get_url: Callable[[], str]) -> None:
        super().__init__()
        self._get_url = get_url
        self._exposition = Exposition()
        self._problem = ""
        self._scraped_at: float | None = None

    def on_mount(self) -> None:
        """Start scraping."""
        self._keep_scraping()

    @work(exclusive=True)
    async def _keep_scraping(self) -> None:
        async with httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False) as http:
            while True:
                await self._scrape(http)
                self.show()
                await asyncio.sleep(_SCRAPE_SECONDS)

    async def _scrape(self, http: httpx.AsyncClient) -> None:
        url = self._get_url()
        if not url:
            self._problem = "there is no /metrics to look at"
            return
        try:
            response = await http.get(url)
            response.raise_for_status()
        except httpx.HTTPStatusError as error:
            self._problem = f"HTTP {error.response.status_code}: {error.response.text}"
        except httpx.HTTPError as error:
            self._problem = f"{url} does not answer: {error or type(error).__name__}"
        else:
            self._problem = ""
            self._scraped_at = time.monotonic()
            self._exposition.update(response.text, self._scraped_at)

    def show(self) -> None:
        """Draw the latest scrape."""
        found = self.query(ScrollableLines)
        if not found:
            return  # the screen is closing
        rows = found.first()
        rows.set_title(self._title())
        lines = [line for line in self._exposition.lines() if self.search_text in line.casefold()]
        fresh = self._exposition.changed_since(time.monotonic() - _FRESH_SECONDS)
        room = rows.size.width - 2  # name and value

        def row(index: int) -> Line:
            line = lines[index]
            name, _, value = line.rpartition(" ")
            if line.startswith("#"):
                return ((f" {sanitize(line)}", "quiet"),)
            style = "alarm" if name in fresh else "strong"
            mark = "▸" if name in fresh else " "
            value = sanitize(value)
            return f"{mark}{_end_of(sanitize(name), room - len(value))} ", (value, style)

        rows.draw_rows(row, count=len(lines))

    def _title(self) -> str:
        if not self._problem:
            search = f", lines with {sanitize(self.search_text, 30)}" if self.search_text else ""
            return f"Metrics{search}"
        title = f"Metrics: {sanitize(self._problem, 80)}"
        if self._scraped_at is None:
            return title
        return (
            f"{title}; shown is what was {format_duration(time.monotonic() - self._scraped_at)} ago"
        )


class Exposition:
    """The lines of the latest scrape, and the time at which each value changed."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._values: Mapping[str, str] = {}
        self._changed: dict[str, float] = {}

    def update(self, text: str, now: float) -> None:
        """Replace the lines by those of a scrape; `now` is monotonic, in seconds."""
        self._lines = [line for line in text.split("\n") if line]
        values = dict(_samples(self._lines))
        for name, value in values.items():
            if self._values.get(name, value) != value:
                self._changed[name] = now
        self._changed = {name: at for name, at in self._changed.items() if name in values}
        self._values = values

    def lines(self) -> list[str]:
        """Return all lines."""
        return self._lines

    def changed_since(self, moment: float) -> set[str]:
        """Return the names of the samples whose values have changed since a moment."""
        return {name for name, at in self._changed.items() if at >= moment}


def _end_of(name: str, width: int) -> str:
    """Shorten a name at its beginning: its labels, at the end, identify the sample."""
    return name if len(name) <= width else f"…{name[len(name) - max(width, 2) + 1 :]}"


def _samples(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            yield name, value
