"""Screenshots of the screens: each at three sizes, and in a light theme and without colour."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from msgspec import structs
from textual.pilot import Pilot

from fuseboard import (
    Backoff,
    BreakerSettings,
    ConsecutiveFailures,
    FailureRate,
    Registry,
    TimeWindow,
)
from fuseboard.breaker.records import Failure
from fuseboard.breaker.snapshot import BreakerSnapshot
from fuseboard.breaker.tunables import tunables_of
from fuseboard.metrics.collector import collector_registry, write_exposition
from fuseboard.recording.replay import Replay
from fuseboard.snapshot.snapshot import Snapshot, TargetSnapshot
from fuseboard_tui.app import FuseboardApp
from fuseboard_tui.widgets.lines import ScrollableLines
from tests.core.clock import ManualClock
from tests.tui.board.test_timeline import recording
from tests.tui.fake_source import (
    HALF_OPEN,
    NOW,
    OPEN,
    STARTING,
    TRIPPED,
    FakeSource,
    breaker,
    running_snapshot,
)
from tests.tui.screens.test_ask import COMPLETE
from tests.tui.screens.test_log import LOG

Size = tuple[int, int]

pytestmark = pytest.mark.slow

USUAL_SIZE = (120, 36)
VIEWS = [
    ("dark", (80, 24)),
    ("dark", USUAL_SIZE),
    ("dark", (200, 50)),
    ("light", USUAL_SIZE),
    ("monochrome", USUAL_SIZE),
]

SCENES = {
    "closed": running_snapshot(),
    "half-open": running_snapshot(HALF_OPEN, on={"error500": 0.5}),
    "starting": STARTING,
    "simulated": structs.replace(
        running_snapshot(),
        target=TargetSnapshot("http://127.0.0.1:1", "llama3.2", simulated=True),
        notices=("port 9464 is taken: /metrics is on 9465",),
    ),
}

# A breaker in each state; the open one with all the failures that tripped it.
CAUSES = tuple(
    Failure(NOW - 9 + n, reason, seconds)
    for n, (reason, seconds) in enumerate(
        [("no first token within 5 s", 5.0), ("HTTP 500", 0.02)] * 2 + [("connect refused", 0.0)]
    )
)
SETTINGS = BreakerSettings(
    trip=ConsecutiveFailures(5) | FailureRate(0.5, TimeWindow(60)), recovery_timeout=Backoff(5)
)
OPENED = replace(
    OPEN,
    history=(*OPEN.history[:-1], replace(TRIPPED, causes=CAUSES)),
    tunables=tunables_of(SETTINGS),
)
EVERYTHING = running_snapshot(
    OPENED,
    replace(HALF_OPEN, name="ollama_chat"),
    breaker("payments"),
    on={"error500": 0.5},
    log=LOG,
    prompt=COMPLETE,
)

Compare = Callable[..., bool]


def app(source: FakeSource, theme: str = "textual-dark") -> FuseboardApp:
    return FuseboardApp(source, theme=theme, clock=ManualClock())


@pytest.mark.parametrize("scene", SCENES.values(), ids=list(SCENES))
def test_board(snap_compare: Compare, scene: Snapshot) -> None:
    assert snap_compare(app(FakeSource(scene)), terminal_size=USUAL_SIZE)


@pytest.fixture(params=VIEWS, ids=lambda view: f"{view[0]}-{view[1][0]}x{view[1][1]}")
def view(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Size]:
    """A theme and a size; without colour, only characters tell things apart."""
    theme, size = request.param
    if theme == "monochrome":
        monkeypatch.setenv("NO_COLOR", "1")
        return "textual-dark", size
    return f"textual-{theme}", size


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param([], id="board"),
        pytest.param(["?"], id="help"),
        pytest.param(["enter"], id="transition"),
        pytest.param(["d"], id="diagram"),
        pytest.param(["l"], id="log"),
        pytest.param(["a", "escape"], id="ask"),
        pytest.param(["s", *["down"] * 3, "enter", *"2.5"], id="settings"),
    ],
)
def test_screen(snap_compare: Compare, keys: list[str], view: tuple[str, Size]) -> None:
    theme, size = view
    assert snap_compare(app(FakeSource(EVERYTHING), theme), press=keys, terminal_size=size)


def test_replay(snap_compare: Compare, view: tuple[str, Size]) -> None:
    theme, size = view
    later = structs.replace(running_snapshot(OPEN, on={"error500": 0.5}), uptime=3740.0)
    end = structs.replace(running_snapshot(), uptime=3751.0)
    replay = Replay(recording(running_snapshot(), later, end), speed=2, clock=ManualClock())
    assert snap_compare(
        FuseboardApp(replay, theme=theme), press=["space", "end", "left"], terminal_size=size
    )


class FixedBreaker:
    """A breaker whose snapshot never changes."""

    def __init__(self, snapshot: BreakerSnapshot) -> None:
        self.name = snapshot.name
        self._snapshot = snapshot

    def snapshot(self) -> BreakerSnapshot:
        return self._snapshot


@pytest.fixture
def metrics_url() -> Iterator[str]:
    """The URL of an exposition that never changes, served by a thread."""
    registry = Registry()
    registry.add(FixedBreaker(OPENED))
    exposition, content_type = write_exposition(collector_registry(registry), accept="")

    class Exposition(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.end_headers()
            self.wfile.write(exposition)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Exposition) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/metrics"
        server.shutdown()
        thread.join()


def test_metrics(snap_compare: Compare, metrics_url: str, view: tuple[str, Size]) -> None:
    theme, size = view

    async def open_metrics(pilot: Pilot[str]) -> None:
        await pilot.press("m")
        while "circuit_breaker" not in str(pilot.app.screen.query_one(ScrollableLines).render()):
            await pilot.pause(0.02)

    source = FakeSource(structs.replace(EVERYTHING, metrics_url=metrics_url))
    assert snap_compare(app(source, theme), run_before=open_metrics, terminal_size=size)


def test_held_board(snap_compare: Compare) -> None:
    source = FakeSource(running_snapshot(OPEN, on={"error500": 0.5}))

    async def go_back(pilot: Pilot[str]) -> None:
        await pilot.pause()
        source.current = structs.replace(running_snapshot(), taken_at=NOW + 95, uptime=846.0)
        await pilot.press("p", "p", "home")

    assert snap_compare(app(source), run_before=go_back, terminal_size=USUAL_SIZE)


def test_window_that_is_too_small(snap_compare: Compare) -> None:
    assert snap_compare(app(FakeSource(running_snapshot(OPEN))), terminal_size=(50, 12))


def test_empty_board(snap_compare: Compare) -> None:
    async def press_keys(pilot: Pilot[str]) -> None:
        await pilot.press("down", "t", "r")

    source = FakeSource(structs.replace(running_snapshot(), breakers=(), rates={}))
    assert snap_compare(
        app(source),
        run_before=press_keys,
        terminal_size=USUAL_SIZE,
    )
    assert source.commands == []
