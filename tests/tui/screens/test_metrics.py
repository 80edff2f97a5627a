"""The live exposition on a screen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from fuseboard_tui.board.screen import BoardScreen
from fuseboard_tui.screens.metrics import Exposition, MetricsScreen
from fuseboard_tui.widgets.lines import ScrollableLines
from tests.core.serving import served
from tests.tui.board.test_keys import RunningBoard, running_board
from tests.tui.fake_source import running_snapshot


class Metrics:
    """An endpoint whose answer the test changes."""

    def __init__(self) -> None:
        self.text = '# HELP calls Calls.\ncalls{name="[red]a"} 1.0\nother 7.0\n'
        self.status = 200

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse(self.text, self.status)(scope, receive, send)


@asynccontextmanager
async def opened(metrics: Metrics) -> AsyncIterator[RunningBoard]:
    async with (
        served(metrics) as url,
        running_board(replace(running_snapshot(), metrics_url=url)) as it,
    ):
        await it.pilot.press("m")
        yield it


def rows(it: RunningBoard) -> ScrollableLines:
    assert isinstance(it.app.screen, MetricsScreen)
    return it.app.screen.query_one(ScrollableLines)


async def until(is_reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_reached():  # noqa: ASYNC110 (a scrape comes once a second)
            await asyncio.sleep(0.02)


async def test_shows_the_exposition_literally_and_marks_what_changed() -> None:
    metrics = Metrics()
    async with opened(metrics) as it:
        await until(lambda: 'calls{name="[red]a"} 1.0' in str(rows(it).render()))
        metrics.text = metrics.text.replace("1.0", "2.0")
        await until(lambda: '▸calls{name="[red]a"} 2.0' in str(rows(it).render()))
        assert "▸other" not in str(rows(it).render())


async def test_searching_and_leaving() -> None:
    async with opened(Metrics()) as it:
        await until(lambda: "other" in str(rows(it).render()))
        await it.pilot.press("slash", *"OTH", "enter")
        assert str(rows(it).render()).strip() == "other 7.0"
        await it.pilot.press("escape")
        assert "calls" in str(rows(it).render())
        await it.pilot.press("escape")
        assert isinstance(it.app.screen, BoardScreen)


async def test_a_failing_scrape_is_shown_and_the_last_one_stays() -> None:
    metrics = Metrics()
    async with opened(metrics) as it:
        await until(lambda: "other" in str(rows(it).render()))
        metrics.status, metrics.text = 503, "metrics are off"
        await until(lambda: "HTTP 503: metrics are off" in str(rows(it).border_title))
        assert "ago" in str(rows(it).border_title)
        assert "other" in str(rows(it).render())


async def test_without_an_endpoint_a_message_is_shown() -> None:
    async with running_board(replace(running_snapshot(), metrics_url="")) as it:
        await it.pilot.press("m")
        await until(lambda: "there is no /metrics" in str(rows(it).border_title))


def test_a_value_that_appears_has_not_changed() -> None:
    exposition = Exposition()
    exposition.update("a 1\n", 1.0)
    exposition.update("a 1\nb 1\n", 2.0)
    assert exposition.changed_since(0.0) == set()
    exposition.update("a 2\nb 1\n", 3.0)
    assert exposition.changed_since(3.0) == {"a"}
    assert exposition.changed_since(3.5) == set()


async def test_no_proxy_is_asked_about_this_computer(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    async with opened(Metrics()) as it:
        await until(lambda: 'calls{name="[red]a"} 1.0' in str(rows(it).render()))


def test_samples_that_are_gone_are_forgotten() -> None:
    exposition = Exposition()
    for number in range(1_000):
        for value in (1, 2):
            exposition.update(f'calls{{name="b{number}"}} {value}\nother {number}', now=number)
    assert exposition.changed_since(0) == {'calls{name="b999"}', "other"}
    assert len(exposition._changed) == 2
