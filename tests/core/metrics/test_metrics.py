"""The metrics contract: what is counted, how it is named, how it is served."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text

from fuseboard import (
    BreakerSnapshot,
    CircuitBreaker,
    CircuitOpenError,
    ConsecutiveFailures,
    Permit,
    Registry,
    State,
)
from fuseboard.breaker.counters import CallCounts, DurationHistogram, Durations
from fuseboard.breaker.outcome import Verdict
from fuseboard.breaker.registry import REGISTRY
from fuseboard.breaker.snapshot import CacheSnapshot, PoolSnapshot
from fuseboard.metrics import report as metrics
from fuseboard.metrics.collector import BreakerCollector, collector_registry, write_exposition
from fuseboard.metrics.endpoint import endpoint_app
from fuseboard.metrics.report import (
    record_circuit_breaker_call,
    record_circuit_breaker_transition,
    update_circuit_breaker_failures,
    update_circuit_breaker_state,
)
from tests.core.clock import ManualClock
from tests.core.serving import served

PREFIX = "ollama_rag_circuit_breaker_"

BREAKER_CONTRACT = {
    "state": "gauge",
    "calls": "counter",
    "transitions": "counter",
    "consecutive_failures": "gauge",
    "last_state_change_timestamp": "gauge",
    "last_state_change_timestamp_seconds": "gauge",
    "call_duration_seconds": "histogram",
    "state_seconds": "counter",
    "late_results": "counter",
    "unsent_calls": "counter",
    "calls_in_flight": "gauge",
}
CONTRACT = {f"circuit_breaker_{name}": kind for name, kind in BREAKER_CONTRACT.items()} | {
    "connection_pool_active_connections": "gauge",
    "connection_pool_max_connections": "gauge",
    "connection_pool_utilization_percent": "gauge",
    "connection_pool_utilization_ratio": "gauge",
    "connection_pool_wait_seconds": "histogram",
    "cache_hits": "counter",
    "cache_misses": "counter",
    "cache_hit_rate": "gauge",
    "cache_hit_ratio": "gauge",
    "cache_entries": "gauge",
    "cache_max_entries": "gauge",
}


class Scraped:
    """The metrics of a registry's breakers."""

    def __init__(self, registry: Registry) -> None:
        self._collectors = CollectorRegistry()
        self._collectors.register(BreakerCollector(registry))

    def value(self, name: str, **labels: str) -> float | None:
        labels = {"breaker_name": "model", **labels}
        return self._collectors.get_sample_value(PREFIX + name, labels)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def breaker(clock: ManualClock, registry: Registry) -> CircuitBreaker:
    made = CircuitBreaker(
        "model",
        trip=ConsecutiveFailures(2),
        recovery_timeout=10,
        clock=clock,
        wall_clock=lambda: 1_700_000_000 + clock.now,
    )
    registry.add(made)
    return made


@pytest.fixture
def scraped(registry: Registry) -> Scraped:
    return Scraped(registry)


@pytest.fixture
def external() -> Iterator[Scraped]:
    metrics._logged.clear()
    yield Scraped(REGISTRY)
    REGISTRY.remove("model")


def fail(breaker: CircuitBreaker) -> None:
    with pytest.raises(ZeroDivisionError):
        breaker.call(divmod, 1, 0)


def test_metrics_recorded_on_success(
    breaker: CircuitBreaker, scraped: Scraped, clock: ManualClock
) -> None:
    assert scraped.value("calls_total", status="success") == 0
    breaker.call(clock.advance, 0.2)
    breaker.call(int)
    assert scraped.value("calls_total", status="success") == 2
    assert scraped.value("calls_total", status="failure") == 0
    assert scraped.value("call_duration_seconds_count", status="success") == 2
    assert scraped.value("call_duration_seconds_sum", status="success") == pytest.approx(0.2)
    assert scraped.value("call_duration_seconds_bucket", status="success", le="0.1") == 1


def test_metrics_recorded_on_failure(breaker: CircuitBreaker, scraped: Scraped) -> None:
    fail(breaker)
    assert scraped.value("calls_total", status="failure") == 1
    assert scraped.value("calls_total", status="success") == 0
    assert scraped.value("call_duration_seconds_count", status="failure") == 1


def test_state_transition_metrics(
    breaker: CircuitBreaker, scraped: Scraped, clock: ManualClock
) -> None:
    def transitions(from_state: str, to_state: str) -> float | None:
        return scraped.value("transitions_total", from_state=from_state, to_state=to_state)

    assert scraped.value("state") == 0
    assert transitions("CLOSED", "OPEN") == 0
    clock.advance(5)
    fail(breaker)
    fail(breaker)
    assert scraped.value("state") == 1
    assert transitions("CLOSED", "OPEN") == 1
    assert scraped.value("last_state_change_timestamp") == 1_700_000_000 + clock.now
    clock.advance(14)
    assert scraped.value("state") == 2, "a scrape must see the clock's transition by itself"
    assert transitions("OPEN", "HALF_OPEN") == 1
    assert scraped.value("state_seconds_total", state="OPEN") == pytest.approx(10)
    breaker.call(int)
    assert scraped.value("state") == 0
    assert transitions("HALF_OPEN", "CLOSED") == 1


def test_rejected_calls_tracked(breaker: CircuitBreaker, scraped: Scraped) -> None:
    breaker.force_open()
    for _ in range(3):
        with pytest.raises(CircuitOpenError):
            breaker.call(int)
    assert scraped.value("calls_total", status="rejected") == 3
    assert scraped.value("calls_total", status="failure") == 0


def test_consecutive_failures_gauge(breaker: CircuitBreaker, scraped: Scraped) -> None:
    fail(breaker)
    assert scraped.value("consecutive_failures") == 1
    breaker.call(int)
    assert scraped.value("consecutive_failures") == 0


def test_calls_in_flight_and_late_results(breaker: CircuitBreaker, scraped: Scraped) -> None:
    permit = breaker.acquire()
    assert scraped.value("calls_in_flight") == 1
    breaker.trip()
    permit.success()
    assert scraped.value("calls_in_flight") == 0
    assert scraped.value("late_results_total") == 1


def test_calls_that_were_never_sent(breaker: CircuitBreaker, scraped: Scraped) -> None:
    breaker.acquire().ignore(sent=False)
    assert scraped.value("unsent_calls_total") == 1
    assert scraped.value("calls_total", status="ignored") == 1


def test_record_circuit_breaker_call(external: Scraped) -> None:
    for status in ("success", "success", "failure", "rejected", "ignored"):
        record_circuit_breaker_call("model", status)
    counts = [
        external.value("calls_total", status=status)
        for status in ("success", "failure", "rejected", "ignored")
    ]
    assert counts == [2, 1, 1, 1]


def test_update_circuit_breaker_state(external: Scraped) -> None:
    for reported, exported in ((State.OPEN, 1), (2, 2), ("closed", 0), ("HALF_OPEN", 2)):
        update_circuit_breaker_state("model", reported)
        assert external.value("state") == exported


def test_record_circuit_breaker_transition(external: Scraped) -> None:
    record_circuit_breaker_transition("model", "CLOSED", "OPEN")
    assert external.value("transitions_total", from_state="CLOSED", to_state="OPEN") == 1
    assert external.value("transitions_total", from_state="OPEN", to_state="HALF_OPEN") == 0
    assert external.value("state") == 1
    (found,) = REGISTRY
    assert [step.to_state for step in found.snapshot().history] == [State.OPEN]


def test_update_circuit_breaker_failures(external: Scraped) -> None:
    update_circuit_breaker_failures("model", 4)
    assert external.value("consecutive_failures") == 4


def test_an_invalid_report_is_logged_and_does_not_raise(
    external: Scraped, caplog: pytest.LogCaptureFixture
) -> None:
    record_circuit_breaker_call("model", "splendid")
    update_circuit_breaker_state("model", 7)
    record_circuit_breaker_transition("model", "CLOSED", "HALF_OPEN")
    assert caplog.text.count("was not recorded") == 3


def test_a_breaker_of_fuseboard_cannot_be_reported(caplog: pytest.LogCaptureFixture) -> None:
    ours = CircuitBreaker("ours")
    REGISTRY.add(ours)
    try:
        record_circuit_breaker_call("ours", "failure")
    finally:
        REGISTRY.remove("ours")
    assert "counts for itself" in caplog.text
    assert ours.snapshot().calls.total == 0


def test_a_breaker_that_cannot_be_read_does_not_hide_the_others(
    breaker: CircuitBreaker, registry: Registry, scraped: Scraped, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(CircuitBreaker):
        def snapshot(self) -> BreakerSnapshot:
            raise RuntimeError

    registry.add(Broken("broken"))
    assert scraped.value("state") == 0
    assert "'broken' cannot be read: left out" in caplog.text


def test_two_collectors_on_one_registry_are_an_error(registry: Registry) -> None:
    collectors = CollectorRegistry()
    collectors.register(BreakerCollector(registry))
    with pytest.raises(ValueError, match="Duplicated"):
        collectors.register(BreakerCollector(registry))
    collectors.register(BreakerCollector(registry, namespace="mine"))


@pytest.mark.parametrize("namespace", ["", "9lives", "a-b", "a b", "ä"])
def test_an_invalid_namespace_is_refused(registry: Registry, namespace: str) -> None:
    with pytest.raises(ValueError, match="namespace"):
        collector_registry(registry, namespace)


def test_a_registry_can_be_exported_many_times_and_beside_others() -> None:
    registry = Registry()
    registry.breaker("model")
    for namespace in ("one", "two", "one"):
        exposition = generate_latest(collector_registry(registry, namespace)).decode()
        assert f'{namespace}_circuit_breaker_state{{breaker_name="model"}} 0.0' in exposition
    own = CollectorRegistry()
    Counter("orders", "Orders.", registry=own)
    own.register(BreakerCollector(registry))
    assert b"orders_total" in generate_latest(own)


def test_importing_again_is_harmless() -> None:
    code = """
import importlib, fuseboard.metrics.report, fuseboard.metrics.collector, fuseboard.metrics.endpoint
from fuseboard import REGISTRY
REGISTRY.breaker("model")
metrics = fuseboard.metrics
for module in (metrics.report, metrics.collector, metrics.endpoint) * 2:
    importlib.reload(module)
    metrics.endpoint.endpoint_app(REGISTRY)
from prometheus_client import generate_latest
assert generate_latest(metrics.collector.collector_registry(REGISTRY)).count(b"state{") == 1
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@dataclass
class Still:
    """A pool or cache with a fixed snapshot."""

    name: str
    value: Any

    def snapshot(self) -> Any:
        return self.value


def test_pools_and_caches_are_collected() -> None:
    registry = Registry()
    waits = DurationHistogram((0.1, 1.0))
    waits.take([0.05, 0.5, 5.0])
    registry.pools.add(Still("ollama", PoolSnapshot("ollama", 3, 12, waits.copy())))
    registry.caches.add(Still("answers", CacheSnapshot("answers", 3, 1, 1, 50)))
    collectors = collector_registry(registry)

    def value(name: str, **labels: str) -> float | None:
        return collectors.get_sample_value(f"ollama_rag_{name}", labels)

    assert value("connection_pool_active_connections", pool="ollama") == 3
    assert value("connection_pool_max_connections", pool="ollama") == 12
    assert value("connection_pool_utilization_percent", pool="ollama") == 25
    assert value("connection_pool_utilization_ratio", pool="ollama") == 0.25
    assert value("connection_pool_wait_seconds_bucket", pool="ollama", le="1.0") == 2
    assert value("connection_pool_wait_seconds_sum", pool="ollama") == pytest.approx(5.55)
    assert value("cache_hits_total", cache="answers") == 3
    assert value("cache_misses_total", cache="answers") == 1
    assert value("cache_hit_rate", cache="answers") == 0.75
    assert value("cache_hit_ratio", cache="answers") == 0.75
    assert value("cache_entries", cache="answers") == 1
    assert value("cache_max_entries", cache="answers") == 50
    registry.caches.add(Still("untouched", CacheSnapshot("untouched", 0, 0, 0, 50)))
    assert value("cache_hit_rate", cache="untouched") == 0


@given(st.lists(st.sampled_from(["good", "bad", "cancel", "late", "wait", "trip", "reset"])))
def test_every_figure_of_a_scrape_is_the_breakers_own(steps: list[str]) -> None:
    clock, registry = ManualClock(), Registry()
    breaker = CircuitBreaker(
        "model", trip=ConsecutiveFailures(2), recovery_timeout=3, clock=clock, wall_clock=clock
    )
    registry.add(breaker)
    held: list[Permit] = []
    for step in steps:
        with suppress(CircuitOpenError):
            match step:
                case "good":
                    breaker.call(clock.advance, 0.3)
                case "bad":
                    breaker.acquire().failure("bad")
                case "cancel":
                    breaker.acquire().ignore(sent=False)
                case "late":
                    held.append(breaker.acquire())
                case "wait":
                    clock.advance(1)
                    if held:
                        held.pop().success()
                case _:
                    getattr(breaker, step)()
    seen = breaker.snapshot()
    text = generate_latest(collector_registry(registry)).decode()
    scraped = {
        (sample.name.removeprefix(PREFIX), *sorted(sample.labels.items())): sample.value
        for family in parse_text(text)
        for sample in family.samples
    }
    expected: dict[tuple[object, ...], float] = {}

    def expect(value: float, name: str, **labels: str) -> None:
        expected[name, *sorted({"breaker_name": "model", **labels}.items())] = value

    expect(seen.state, "state")
    expect(seen.calls.success, "calls_total", status="success")
    expect(seen.calls.failure, "calls_total", status="failure")
    expect(seen.calls.rejected, "calls_total", status="rejected")
    expect(seen.calls.ignored, "calls_total", status="ignored")
    expect(seen.consecutive_failures, "consecutive_failures")
    expect(seen.changed_at, "last_state_change_timestamp")
    expect(seen.changed_at, "last_state_change_timestamp_seconds")
    expect(seen.late, "late_results_total")
    expect(seen.unsent, "unsent_calls_total")
    expect(seen.in_flight, "calls_in_flight")
    for state, seconds in seen.state_seconds.items():
        expect(seconds, "state_seconds_total", state=state.name)
    for (before, after), count in seen.transitions.items():
        expect(count, "transitions_total", from_state=before.name, to_state=after.name)
    for verdict, durations in seen.durations.items():
        status, name = verdict.value, "call_duration_seconds"
        expect(durations.count, f"{name}_count", status=status)
        expect(durations.sum, f"{name}_sum", status=status)
        for bound, count in [*durations.buckets, ("+Inf", durations.count)]:
            expect(count, f"{name}_bucket", status=status, le=str(bound))
    assert scraped == expected
    for permit in held:
        permit.ignore()


def test_what_is_reported_is_on_the_board_without_metrics(
    external: Scraped, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "METRICS_ENABLED", False)
    record_circuit_breaker_call("model", "failure")
    update_circuit_breaker_state("model", "open")
    (seen,) = REGISTRY.snapshots()
    assert (seen.name, seen.state, seen.calls.failure) == ("model", State.OPEN, 1)
    assert external.value("state") is None


@pytest.mark.parametrize(
    "report",
    [
        lambda: update_circuit_breaker_failures("model", "three"),  # type: ignore[arg-type]
        lambda: update_circuit_breaker_failures("model", True),
        lambda: update_circuit_breaker_failures("model", -1),
        lambda: update_circuit_breaker_failures("model", 10**400),
        lambda: update_circuit_breaker_failures("model", 2.5),  # type: ignore[arg-type]
        lambda: update_circuit_breaker_failures("model", float("nan")),  # type: ignore[arg-type]
        lambda: update_circuit_breaker_state("model", True),
        lambda: update_circuit_breaker_state("model", "ajar"),
        lambda: update_circuit_breaker_state("model", None),  # type: ignore[arg-type]
        lambda: record_circuit_breaker_transition("model", True, "OPEN"),
        lambda: record_circuit_breaker_transition("model", "CLOSED", []),  # type: ignore[arg-type]
        lambda: record_circuit_breaker_call("model", ["failure"]),  # type: ignore[arg-type]
        lambda: record_circuit_breaker_call("model"),  # type: ignore[call-arg]
        lambda: record_circuit_breaker_call(breaker_name="model", status="splendid"),
        lambda: record_circuit_breaker_call(5, "success"),  # type: ignore[arg-type]
        lambda: record_circuit_breaker_call(None, "success"),  # type: ignore[arg-type]
        lambda: record_circuit_breaker_call(["model"], "success"),  # type: ignore[arg-type]
        lambda: record_circuit_breaker_call(Unspeakable(), "success"),  # type: ignore[arg-type]
        lambda: record_circuit_breaker_call("mo\ud800del", "success"),
        lambda: record_circuit_breaker_call("mo\ndel", "success"),
        lambda: record_circuit_breaker_call("", "success"),
    ],
)
def test_a_bad_report_changes_nothing_and_is_logged_once(
    external: Scraped, report: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    record_circuit_breaker_call("model", "success")
    (before,) = REGISTRY.snapshots()
    for _ in range(3):
        report()
    assert caplog.text.count("was not recorded") == 1
    (after,) = REGISTRY.snapshots()
    assert (after.state, after.calls, after.history) == (before.state, before.calls, ())
    assert after.consecutive_failures == 0
    assert external.value("calls_total", status="success") == 1


class Unspeakable:
    """An object that has no text."""

    def __repr__(self) -> str:
        raise RuntimeError


ODD_VALUES: list[Any] = [None, "three", (), object(), 1j, 10**400, "\ud800"]
BREAKER = CircuitBreaker("odd").snapshot()
POOL = PoolSnapshot("odd", 1, 2, DurationHistogram((0.1, 1.0)).copy())
CACHE = CacheSnapshot("odd", 1, 1, 1, 50)
# What is written of a snapshot; the rest is for people.
EXPORTED: dict[str, Any] = {
    "state": BREAKER,
    "calls": BREAKER,
    "transitions": BREAKER,
    "consecutive_failures": BREAKER,
    "changed_at": BREAKER,
    "durations": BREAKER,
    "state_seconds": BREAKER,
    "late": BREAKER,
    "unsent": BREAKER,
    "in_flight": BREAKER,
    "active": POOL,
    "maximum": POOL,
    "waits": POOL,
    "hits": CACHE,
    "misses": CACHE,
    "entries": CACHE,
}
WITHIN: list[tuple[str, Callable[[Any], Any]]] = [
    ("calls", lambda odd: CallCounts(success=odd)),
    ("calls", lambda odd: CallCounts(ignored=odd)),
    ("transitions", lambda odd: {(State.CLOSED, State.OPEN): odd}),
    ("transitions", lambda odd: {(State.CLOSED, odd): 1}),
    ("state_seconds", lambda odd: {State.CLOSED: odd}),
    ("state_seconds", lambda odd: {str(odd): 1}),
    ("durations", lambda odd: {Verdict.SUCCESS: Durations(((0.1, odd),), 1, 1.0)}),
    ("durations", lambda odd: {Verdict.SUCCESS: Durations(((odd, 1),), 1, 1.0)}),
    ("durations", lambda odd: {Verdict.SUCCESS: Durations(((0.1, 1),), odd, 1.0)}),
    ("durations", lambda odd: {Verdict.SUCCESS: Durations(((0.1, 1),), 1, odd)}),
    ("waits", lambda odd: Durations(((0.1, odd),), 1, 1.0)),
]
ODD: list[tuple[str, Callable[[Any], Any]]] = [
    *((field, lambda odd: odd) for field in EXPORTED),
    *WITHIN,
]


@pytest.mark.parametrize("odd", ODD_VALUES, ids=lambda odd: repr(odd)[:8])
def test_exactly_what_cannot_be_exported_is_left_out_and_logged_once(
    odd: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for field, make in ODD:
        snapshot = replace(EXPORTED[field], **{field: make(odd)})
        registry = Registry()
        registry.breaker("before")
        collections: dict[type, Any] = {
            BreakerSnapshot: registry,
            PoolSnapshot: registry.pools,
            CacheSnapshot: registry.caches,
        }
        collections[type(snapshot)].add(Still("odd", snapshot))
        registry.breaker("after")
        registry.pools.add(Still("pool", replace(POOL, name="pool")))
        registry.caches.add(Still("cache", replace(CACHE, name="cache")))
        collectors = collector_registry(registry)
        caplog.clear()
        for accept in ("text/plain", "application/openmetrics-text; version=1.0.0", ""):
            exposition = write_exposition(collectors, accept)[0].decode()
            assert '"odd"' not in exposition, field
            for name in ("before", "after", "pool", "cache"):
                assert f'"{name}"' in exposition
        assert caplog.text.count("'odd' cannot be exported: left out") == 1, field


def test_what_is_mended_is_exported_again(caplog: pytest.LogCaptureFixture) -> None:
    registry = Registry()
    entry = Still("odd", replace(CACHE, hits=None))  # type: ignore[arg-type]
    registry.caches.add(entry)
    collectors = collector_registry(registry)
    assert b"odd" not in generate_latest(collectors)
    entry.value = CACHE
    assert b'cache_hits_total{cache="odd"} 1.0' in generate_latest(collectors)


@pytest.mark.parametrize("name", ["módel 模型 🙂", 'quo"te\\{}=,', "# HELP", "a\u00a0b", "\u200f"])
def test_odd_names_are_read_again_as_they_were(name: str) -> None:
    registry = Registry()
    registry.breaker(name)
    text = generate_latest(collector_registry(registry)).decode()
    names = {
        sample.labels["breaker_name"] for family in parse_text(text) for sample in family.samples
    }
    assert names == {name}


async def test_the_endpoint_survives_what_cannot_be_read() -> None:
    registry = Registry()
    registry.breaker("model")
    registry.add(Still("odd", None))
    async with served(endpoint_app(registry)) as url, httpx.AsyncClient(base_url=url) as http:
        assert (await http.get("/health")).json()["breakers"] == {"model": "CLOSED"}
        assert (await http.get("/metrics")).status_code == 200


async def test_metrics_endpoint_format(breaker: CircuitBreaker, registry: Registry) -> None:
    fail(breaker)
    async with served(endpoint_app(registry)) as url, httpx.AsyncClient(base_url=url) as http:
        text = await http.get("/metrics")
        assert text.headers["content-type"].startswith("text/plain; version=")
        families = {family.name: family.type for family in parse_text(text.text)}
        assert families == {f"ollama_rag_{name}": kind for name, kind in CONTRACT.items()}

        accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
        openmetrics = await http.get("/metrics", headers=accept)
        assert openmetrics.headers["content-type"].startswith("application/openmetrics-text")
        openmetrics_families = parse_openmetrics(openmetrics.text)  # type: ignore[no-untyped-call]
        families = {family.name: family.type for family in openmetrics_families}
        assert families == {f"ollama_rag_{name}": kind for name, kind in CONTRACT.items()}


async def test_metrics_endpoint_response(breaker: CircuitBreaker, registry: Registry) -> None:
    fail(breaker)
    async with served(endpoint_app(registry)) as url, httpx.AsyncClient(base_url=url) as http:
        scrape = await http.get("/metrics")
        assert scrape.status_code == 200
        line = f'{PREFIX}calls_total{{breaker_name="model",status="failure"}} 1.0'
        assert line in scrape.text.splitlines()
        assert (await http.head("/metrics")).text == ""
        assert (await http.post("/metrics")).status_code == 405
        assert (await http.get("/metric")).status_code == 404

        health = (await http.get("/health")).json()
        assert health["status"] == "ok"
        assert health["breakers"] == {"model": "CLOSED"}
        assert health["uptime_seconds"] >= 0
        assert health["version"]


async def test_metrics_can_be_disabled(
    breaker: CircuitBreaker, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "METRICS_ENABLED", False)
    fail(breaker)
    fail(breaker)
    assert breaker.state is State.OPEN
    async with served(endpoint_app(registry)) as url, httpx.AsyncClient(base_url=url) as http:
        answer = await http.get("/metrics")
        assert (answer.status_code, "METRICS_ENABLED" in answer.text) == (404, True)
        assert (await http.get("/health")).json()["breakers"] == {"model": "OPEN"}


@pytest.mark.parametrize("missing", [True, False])
def test_works_without_prometheus_client_and_with_metrics_disabled(missing: bool) -> None:
    hide = "import sys; sys.modules['prometheus_client'] = None\n" if missing else ""
    program = hide + (
        "import json\n"
        "from fuseboard import metrics, CircuitBreaker\n"
        "import fuseboard.engine.engine\n"
        "metrics.record_circuit_breaker_call('x', 'success')\n"
        "print(json.dumps([metrics.METRICS_ENABLED, CircuitBreaker('y').call(int, '7')]))\n"
    )
    switch = {} if missing else {"METRICS_ENABLED": "off"}
    ran = subprocess.run(
        [sys.executable, "-c", program], env=switch, capture_output=True, text=True, check=True
    )
    assert json.loads(ran.stdout) == [False, 7]


def test_names_without_end_do_not_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(metrics, "MAX_BREAKERS", len(REGISTRY) + 3)
    metrics._warn_of_too_many.cache_clear()
    names = [f"request-{number}" for number in range(5)]
    try:
        for _ in range(2):
            for name in names:
                record_circuit_breaker_call(name, "success")
        assert [name for name in names if REGISTRY.get(name)] == names[:3]
        warnings = [each for each in caplog.records if "were not recorded" in each.message]
        assert len(warnings) == 1
        known = REGISTRY.get(names[0])
        assert known is not None
        assert known.snapshot().calls.success == 2, "what is known is counted still"
    finally:
        for name in names:
            REGISTRY.remove(name)
