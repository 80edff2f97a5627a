"""After random traffic and faults the board, `/metrics` and the breakers say the same numbers.

What the board says is read from what it has drawn, with patterns of its own.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from textual.pilot import Pilot

from fuseboard import CircuitBreaker, ConsecutiveFailures, FailureRate, Registry, TimeWindow
from fuseboard.breaker.external import ExternalBreaker
from fuseboard.breaker.permit import Permit
from fuseboard.breaker.snapshot import BreakerSnapshot
from fuseboard.breaker.state import Mode, State
from fuseboard.engine.commands import SetFault, SetRate, TripBreaker
from fuseboard.engine.engine import Engine
from fuseboard.engine.settings import EngineSettings
from fuseboard.faults.catalogue import BY_NAME
from fuseboard.snapshot.snapshot import BreakerRates, Snapshot
from fuseboard_tui.app import FuseboardApp
from fuseboard_tui.board.screen import BoardScreen
from fuseboard_tui.widgets.breaker_list import BreakerList
from fuseboard_tui.widgets.breaker_panel import BreakerPanel
from fuseboard_tui.widgets.fault_list import FaultList
from fuseboard_tui.widgets.header_line import HeaderLine
from fuseboard_tui.widgets.lines import LinesWidget
from fuseboard_tui.widgets.resource_panel import ResourcePanel
from fuseboard_tui.widgets.transition_list import TransitionList
from tests.core.clock import ManualClock
from tests.core.serving import FAST

_TIMEOUT = 20.0  # seconds
_SIZE = (330, 70)  # room for every word
_QUICK_FAULTS = (
    "latency",
    "error500",
    "busy503",
    "cut",
    "midreset",
    "errorline",
    "reset",
    "close",
    "missing404",
    "limit429",
    "garbage",
)  # those that end a call soon

pytestmark = pytest.mark.slow

Labels = tuple[str, ...]


class EngineWithBoard:
    """An engine with its board, and breakers of other kinds beside the engine's own."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.clock = ManualClock()
        self.registry = Registry()
        self.engine = Engine(
            EngineSettings(
                simulate=True,
                rate=200.0,
                concurrency=4,
                failure_threshold=3,
                metrics_port=0,
                simulator=FAST,
                seed=seed,
            ),
            registry=self.registry,
            environment=lambda _, other: other,
            clock=self.clock,
        )
        self.faults: dict[str, float] = {}
        """The probability of each fault that is on."""
        self.under_way: list[Permit] = []
        self.app = FuseboardApp(self.engine)
        self.pilot: Pilot[str]

    @property
    def screen(self) -> BoardScreen:
        screen = self.app.screen
        assert isinstance(screen, BoardScreen)
        return screen

    def drawn(self, kind: type[LinesWidget]) -> list[str]:
        """Return the lines of a widget as they are on the screen."""
        widget = self.screen.query_one(kind)
        return [widget.render_line(y).text for y in range(widget.size.height)]

    async def until(self, is_reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(_TIMEOUT):
            while not is_reached():  # noqa: ASYNC110 (the engine has a thread of its own)
                await asyncio.sleep(0.01)

    def ended(self) -> int:
        """Return the number of calls that have ended or were rejected."""
        return sum(breaker.calls.total for breaker in self.engine.snapshot().breakers)

    async def run_random_events(self, rounds: int) -> None:
        """Let random calls, faults, manual openings and recoveries happen."""
        for _ in range(rounds):
            name = self.random.choice(_QUICK_FAULTS)
            probability = self.random.choice([0.1, 0.2, 0.5])
            if self.faults.pop(name, None) is None:
                self.faults[name] = probability
            changes = {"seconds": 0.2} if name == "latency" else {}
            setting = BY_NAME[name].setting(probability=probability, **changes)
            self.engine.send(SetFault(name, name in self.faults, setting))
            if self.random.random() < 0.3:
                breaker = self.random.choice(self.engine.breakers)
                self.engine.send(TripBreaker(breaker.name))
            enough = self.ended() + self.random.randint(5, 40)
            await self.until(lambda enough=enough: self.ended() >= enough)  # type: ignore[misc]
            self.clock.advance(self.random.choice([0.3, 2.0, 11.0]))

    async def add_other_breakers(self) -> None:
        """Register breakers of every kind and state, with calls in flight."""
        several = FailureRate(0.5, TimeWindow(60), minimum_calls=10) | ConsecutiveFailures(9)
        for name in ("rated", "forced", "disabled", "measured", "half_open", "recovering"):
            self.registry.add(CircuitBreaker(name, trip=several, max_probes=2, clock=self.clock))
        reported = self.registry.get_or_add(
            "reported", lambda name: ExternalBreaker(name, clock=self.clock)
        )
        assert isinstance(reported, ExternalBreaker)
        # The rates begin with what is seen first.
        await self.until(lambda: "reported" in self.engine.snapshot().rates)
        for name in ("rated", "forced", "disabled", "measured", "half_open", "recovering"):
            breaker = self.registry.find(name)
            for _ in range(self.random.randint(1, 3)):
                breaker.acquire().failure("broken")
            for _ in range(self.random.randint(0, 5)):
                breaker.acquire().success()
            permits = [breaker.acquire() for _ in range(self.random.randint(1, 4))]
            if name != "rated":
                breaker.trip()
                permits.pop().success()
            self.under_way += permits
        self.registry.find("forced").force_open()
        self.registry.find("disabled").disable()
        self.registry.find("measured").only_measure()
        self.clock.advance(31)
        probed = self.registry.find("half_open")
        self.under_way.append(probed.acquire())
        self.registry.find("recovering").acquire().failure("still broken")
        self.clock.advance(self.random.randint(1, 20))
        for status in ("success", "failure", "rejected", "rejected", "ignored"):
            for _ in range(self.random.randint(1, 9)):
                reported.count_call(status)
        reported.count_transition(State.CLOSED, State.OPEN)

    def settle(self) -> None:
        """Settle the calls under way, so that no permit is lost."""
        for permit in self.under_way:
            permit.ignore()

    async def stop(self) -> None:
        """Stop the traffic with its key, and wait until no call is in flight."""
        await self.pilot.press("space")

        def is_still() -> bool:
            seen = self.engine.snapshot()
            still = seen.traffic is not None and not seen.traffic.running
            return still and not any(
                breaker.snapshot().in_flight for breaker in self.engine.breakers
            )

        await self.until(is_still)
        for _ in range(2):  # a second's sample of rates with the last calls, and one without
            last = self.engine.snapshot().rates
            await self.until(lambda last=last: self.engine.snapshot().rates is not last)  # type: ignore[misc]

    async def scraped(self) -> Mapping[Labels, float]:
        """Return the values on `/metrics`, by name and label values."""
        async with httpx.AsyncClient() as http:
            text = (await http.get(self.engine.snapshot().metrics_url)).text
        return {
            (sample.name.removeprefix("ollama_rag_"), *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }


@asynccontextmanager
async def engine_with_board(seed: int) -> AsyncIterator[EngineWithBoard]:
    it = EngineWithBoard(seed)
    it.engine.start()
    try:
        it.engine.wait_until_ready()
        async with it.app.run_test(size=_SIZE) as it.pilot:
            yield it
    finally:
        it.engine.stop()
        it.settle()


@dataclass(frozen=True)
class DrawnBreaker:
    """What the board has drawn of one breaker, and the rates at that moment."""

    row: str
    panel: str
    transitions: list[str]
    rates: BreakerRates


async def read(it: EngineWithBoard, place: int) -> DrawnBreaker:
    """Read what the board draws of the breaker at an index, while its rates do not change."""
    while True:
        before = it.engine.snapshot()
        it.screen.take_snapshot()
        await it.pilot.pause()
        row = it.drawn(BreakerList)[place]
        panel = "\n".join(it.drawn(BreakerPanel))
        transitions = [line for line in it.drawn(TransitionList) if line.strip()]
        if it.engine.snapshot().rates == before.rates:
            name = before.breakers[place].name
            return DrawnBreaker(row, panel, transitions, before.rates.get(name, BreakerRates()))


def number(pattern: str, text: str) -> float:
    """Return the only number in a text that matches a pattern."""
    (found,) = re.findall(pattern, text)
    return float(found.replace(",", ""))


def assert_agree(
    drawn: DrawnBreaker, breaker: BreakerSnapshot, scrape: Mapping[Labels, float]
) -> None:
    name = breaker.name
    in_row = re.fullmatch(
        r"▌(?P<glyph>\S) (?P<name>\S+) +(?P<state>\S+) +(?P<rate>[\d.]+)/s"
        r"(?: +(?P<failed>\d+)%)? +(?P<time>\S+) *",
        drawn.row,
    )
    assert in_row, drawn.row
    assert in_row["name"] == name
    assert {"●": 0, "■": 1, "◐": 2}[in_row["glyph"]] == scrape["circuit_breaker_state", name]
    automatic = breaker.mode is Mode.AUTOMATIC
    held = breaker.state.name if automatic else breaker.mode.value.upper()
    assert in_row["state"] == held.split()[0]
    assert f" {in_row['glyph']} {held}   for " in drawn.panel

    assert_calls_agree(drawn.panel, breaker, scrape)
    assert_times_agree(drawn.panel, in_row["time"], breaker, scrape)
    assert_gauges_agree(drawn.panel, breaker, scrape)
    assert_rates_agree(drawn, in_row["rate"], in_row["failed"], scrape, name)
    assert_transitions_agree(drawn.transitions, breaker, scrape)


def assert_calls_agree(
    panel: str, breaker: BreakerSnapshot, scrape: Mapping[Labels, float]
) -> None:
    name = breaker.name
    for verdict in ("success", "failure", "rejected", "ignored"):
        shown = number(rf"\b{verdict} ([\d,]+)", panel)
        assert shown == scrape["circuit_breaker_calls_total", name, verdict]
        assert shown == getattr(breaker.calls, verdict)
    shown = number(r"\bin flight ([\d,]+)", panel)
    assert shown == scrape["circuit_breaker_calls_in_flight", name] == breaker.in_flight
    late = number(r"\blate ([\d,]+)", panel) if "late" in panel else 0
    assert late == scrape["circuit_breaker_late_results_total", name] == breaker.late


def assert_times_agree(
    panel: str, short: str, breaker: BreakerSnapshot, scrape: Mapping[Labels, float]
) -> None:
    """All clocks stand still: what is left and what is over does not move."""
    for_seconds = seconds_in(re.findall(r"\bfor ((?:[\d.]+ (?:h|min|s) ?)+)", panel)[0])
    assert for_seconds == pytest.approx(breaker.seconds_in_state, abs=0.5)
    in_state = scrape["circuit_breaker_state_seconds_total", breaker.name, breaker.state.name]
    assert for_seconds <= in_state + 0.5
    if breaker.retry_after is not None:
        left = seconds_in(re.findall(r"probe in ((?:[\d.]+ (?:h|min|s) ?)+)", panel)[0])
        assert left == pytest.approx(breaker.retry_after, abs=0.5)
        assert seconds_in(short.removeprefix("▸")) == pytest.approx(left, abs=0.5)
    else:
        assert seconds_in(short) == pytest.approx(for_seconds, abs=0.5)
    assert ("probe under way" in panel) == bool(breaker.probes)


def seconds_in(text: str) -> float:
    units = {"h": 3600, "m": 60, "min": 60, "s": 1}
    found = re.findall(r"([\d.]+) ?(h|min|m|s)", text)
    return sum(float(amount) * units[unit] for amount, unit in found)


def assert_gauges_agree(
    panel: str, breaker: BreakerSnapshot, scrape: Mapping[Labels, float]
) -> None:
    shown = dict(re.findall(r"^ (.+?) ▕[^▏]+▏ (\S+) *$", panel.replace("▕█", "▕ "), re.MULTILINE))
    for gauge in breaker.gauges:
        value, limit = (
            float(part.rstrip("%")) / (100 if part.endswith("%") else 1)
            for part in shown.pop(gauge.name).split("/")
        )
        assert value == pytest.approx(gauge.value, abs=0.005)
        assert limit == gauge.limit
        if gauge.name == "consecutive failures":
            assert value == scrape["circuit_breaker_consecutive_failures", breaker.name]
    assert not shown


def assert_rates_agree(
    drawn: DrawnBreaker, rate: str, failed: str | None, scrape: Mapping[Labels, float], name: str
) -> None:
    """Nothing has been called for a second, and everything within the last minute."""
    assert float(rate) == 0
    successes, failures = (
        scrape["circuit_breaker_calls_total", name, verdict] for verdict in ("success", "failure")
    )
    assert (failed is None) == (successes + failures == 0)
    if failed is not None:
        share = failures / (successes + failures)
        assert float(failed) / 100 == pytest.approx(share, abs=0.0051)
    for text in ("ok/s", "failed/s", "rejected/s"):
        assert number(rf" {text} .* ([\d.]+)  p\d\d ", drawn.panel) == 0
    for percent in (50, 95, 99):
        (shown,) = re.findall(rf"\bp{percent} (–|[\d.]+)", drawn.panel)
        quantile = scraped_quantile(percent / 100, name, scrape)
        assert (shown == "–") == (quantile is None)
        if quantile is not None:
            assert float(shown) == pytest.approx(quantile, abs=0.051 if quantile >= 1 else 0.0051)


def scraped_quantile(share: float, name: str, scrape: Mapping[Labels, float]) -> float | None:
    """What `histogram_quantile()` would say of all answered calls."""
    at_most: Counter[float] = Counter()
    for labels, value in scrape.items():
        match labels:
            case ("circuit_breaker_call_duration_seconds_bucket", owner, le, "success" | "failure"):
                at_most[float(le)] += int(value) if owner == name else 0
    below, reached, bounds = 0.0, 0, sorted(at_most)
    rank = share * at_most[float("inf")]
    for bound in bounds:
        if at_most[bound] >= rank > 0 and at_most[bound] > reached:
            part = (rank - reached) / (at_most[bound] - reached)
            return below if bound == float("inf") else below + (bound - below) * part
        below, reached = bound, at_most[bound]
    return None


def assert_transitions_agree(
    rows: list[str], breaker: BreakerSnapshot, scrape: Mapping[Labels, float]
) -> None:
    shown = [
        found.groups()
        for row in rows
        if (found := re.fullmatch(r" \d\d:\d\d:\d\d +(\S+) → \S (\S+) +(.*?) *", row))
    ]
    assert len(shown) == len([row for row in rows if "none so far" not in row])
    assert shown == [
        (transition.from_state.name, transition.to_state.name, transition.reason)
        for transition in reversed(breaker.history)
    ]
    counted = {
        labels[2:]: value
        for labels, value in scrape.items()
        if labels[:2] == ("circuit_breaker_transitions_total", breaker.name) and value
    }
    # An open breaker that is tripped by hand stays open: told, but no change of state to count.
    assert Counter(row[:2] for row in shown if row[0] != row[1]) == counted


def assert_resources_agree(
    it: EngineWithBoard, seen: Snapshot, scrape: Mapping[Labels, float]
) -> None:
    drawn = "\n".join(it.drawn(ResourcePanel))
    assert seen.traffic is not None
    assert re.search(r"traffic +rag off, 0 in flight", drawn)
    skipped = number(r"([\d,]+) skipped", drawn) if "skipped" in drawn else 0
    assert skipped == seen.traffic.skipped
    assert number(r"(\d+)/\d+ in use", drawn) == seen.pools[0].active
    assert (
        number(r"(\d+)/\d+ in use", drawn) == scrape["connection_pool_active_connections", "ollama"]
    )
    assert number(r"\d+/(\d+) in use", drawn) == seen.pools[0].maximum
    assert number(r"\d+/(\d+) in use", drawn) == scrape["connection_pool_max_connections", "ollama"]
    hits, misses = (scrape[f"cache_{kind}_total", "ollama"] for kind in ("hits", "misses"))
    assert (hits, misses) == (seen.caches[0].hits, seen.caches[0].misses)
    assert number(r"(\d+)% hits", drawn) == pytest.approx(100 * hits / (hits + misses), abs=0.51)
    kept = number(r"([\d,]+) kept", drawn)
    assert kept == scrape["cache_entries", "ollama"] == seen.caches[0].entries


def assert_faults_agree(it: EngineWithBoard, seen: Snapshot) -> None:
    (header,) = it.drawn(HeaderLine)
    assert "traffic off" in header
    assert f"/metrics :{httpx.URL(seen.metrics_url).port} " in header
    active = re.search(r"faults: (.*?)  ?·", header)
    assert bool(active) == bool(it.faults)
    on = dict(re.findall(r"([^, ][^,]*) (\d+)%", active[1])) if active else {}
    assert on == {BY_NAME[name].label: f"{100 * share:.0f}" for name, share in it.faults.items()}
    listed = re.findall(r"(\S) ▲(\S+(?: \S+)?) +(\d+)%", "\n".join(it.drawn(FaultList)))
    assert {(key, label): share for key, label, share in listed} == {
        (BY_NAME[name].key, BY_NAME[name].label): f"{100 * share:.0f}"
        for name, share in it.faults.items()
    }


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_board_scrape_and_breakers_agree(seed: int) -> None:
    async with engine_with_board(seed) as it:
        await it.run_random_events(12)
        rate = it.random.randint(20, 90)
        it.engine.send(SetRate(rate))
        await it.until(lambda: f"traffic {rate}/s" in it.drawn(HeaderLine)[0])
        assert f"rag {rate}/s" in it.drawn(ResourcePanel)[0]
        await it.add_other_breakers()
        await it.stop()

        seen = it.engine.snapshot()
        scrape = await it.scraped()
        assert sum(breaker.calls.total for breaker in seen.breakers[:3]) > 100
        assert len(seen.breakers) == 10
        await it.pilot.press(*["k"] * len(seen.breakers))
        for place, breaker in enumerate(seen.breakers):
            drawn = await read(it, place)
            assert_agree(drawn, breaker, scrape)
            watched = it.registry.get(breaker.name)
            assert watched is not None
            assert watched.snapshot() == breaker
            await it.pilot.press("j")
        assert_resources_agree(it, seen, scrape)
        assert_faults_agree(it, seen)
