"""The metrics contract: what is counted, how it is named, how it is served."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text

from fuseboard import (
    BreakerSnapshot,
    CircuitBreaker,
    CircuitOpenError,
    ConsecutiveFailures,
    Registry,
    State,
    metrics,
)
from fuseboard.collector import BreakerCollector
from fuseboard.endpoint import endpoint_app
from fuseboard.metrics import (
    record_circuit_breaker_call,
    record_circuit_breaker_transition,
    update_circuit_breaker_failures,
    update_circuit_breaker_state,
)
from fuseboard.registry import REGISTRY
from tests.core.clock import ManualClock
from tests.core.serving import served

PREFIX = "ollama_rag_circuit_breaker_"

CONTRACT = {
    "state": "gauge",
    "calls": "counter",
    "transitions": "counter",
    "consecutive_failures": "gauge",
    "last_state_change_timestamp": "gauge",
    "call_duration_seconds": "histogram",
    "state_seconds": "counter",
    "late_results": "counter",
    "unsent_calls": "counter",
    "calls_in_flight": "gauge",
}


class Scraped:
    """What a registry's breakers look like to Prometheus."""

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
def reported() -> Iterator[Scraped]:
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


def test_record_circuit_breaker_call(reported: Scraped) -> None:
    for status in ("success", "success", "failure", "rejected", "ignored"):
        record_circuit_breaker_call("model", status)
    counts = [
        reported.value("calls_total", status=status)
        for status in ("success", "failure", "rejected", "ignored")
    ]
    assert counts == [2, 1, 1, 1]


def test_update_circuit_breaker_state(reported: Scraped) -> None:
    for said, exported in ((State.OPEN, 1), (2, 2), ("closed", 0), ("HALF_OPEN", 2)):
        update_circuit_breaker_state("model", said)
        assert reported.value("state") == exported


def test_record_circuit_breaker_transition(reported: Scraped) -> None:
    record_circuit_breaker_transition("model", "CLOSED", "OPEN")
    assert reported.value("transitions_total", from_state="CLOSED", to_state="OPEN") == 1
    assert reported.value("transitions_total", from_state="OPEN", to_state="HALF_OPEN") == 0
    assert reported.value("state") == 1
    (found,) = REGISTRY
    assert [step.to_state for step in found.snapshot().history] == [State.OPEN]


def test_update_circuit_breaker_failures(reported: Scraped) -> None:
    update_circuit_breaker_failures("model", 4)
    assert reported.value("consecutive_failures") == 4


def test_reporting_nonsense_is_logged_and_goes_no_further(
    reported: Scraped, caplog: pytest.LogCaptureFixture
) -> None:
    record_circuit_breaker_call("model", "splendid")
    update_circuit_breaker_state("model", 7)
    record_circuit_breaker_transition("model", "CLOSED", "HALF_OPEN")
    assert caplog.text.count("was not recorded") == 3


def test_a_breaker_of_ours_is_not_reported_over(caplog: pytest.LogCaptureFixture) -> None:
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
    assert "'broken' could not be scraped" in caplog.text


def test_two_collectors_on_one_registry_are_noticed(registry: Registry) -> None:
    collectors = CollectorRegistry()
    collectors.register(BreakerCollector(registry))
    with pytest.raises(ValueError, match="Duplicated"):
        collectors.register(BreakerCollector(registry))
    collectors.register(BreakerCollector(registry, namespace="mine"))


async def test_metrics_endpoint_format(breaker: CircuitBreaker, registry: Registry) -> None:
    fail(breaker)
    async with served(endpoint_app(registry)) as url, httpx.AsyncClient(base_url=url) as http:
        text = await http.get("/metrics")
        assert text.headers["content-type"].startswith("text/plain; version=")
        families = {family.name: family.type for family in parse_text(text.text)}
        assert families == {PREFIX + name: kind for name, kind in CONTRACT.items()}

        accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
        openmetrics = await http.get("/metrics", headers=accept)
        assert openmetrics.headers["content-type"].startswith("application/openmetrics-text")
        openmetrics_families = parse_openmetrics(openmetrics.text)  # type: ignore[no-untyped-call]
        families = {family.name: family.type for family in openmetrics_families}
        assert families == {PREFIX + name: kind for name, kind in CONTRACT.items()}


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


async def test_metrics_can_be_off(
    breaker: CircuitBreaker, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "METRICS_ENABLED", False)
    record_circuit_breaker_call("nobody", "success")
    assert REGISTRY.get("nobody") is None
    fail(breaker)
    fail(breaker)
    assert breaker.state is State.OPEN
    async with served(endpoint_app(registry)) as url, httpx.AsyncClient(base_url=url) as http:
        answer = await http.get("/metrics")
        assert (answer.status_code, "METRICS_ENABLED" in answer.text) == (404, True)
        assert (await http.get("/health")).json()["breakers"] == {"model": "OPEN"}


@pytest.mark.parametrize("missing", [True, False])
def test_works_without_prometheus_client_and_with_the_switch_off(missing: bool) -> None:
    hide = "import sys; sys.modules['prometheus_client'] = None\n" if missing else ""
    program = hide + (
        "import json\n"
        "from fuseboard import metrics, CircuitBreaker\n"
        "import fuseboard.engine\n"
        "metrics.record_circuit_breaker_call('x', 'success')\n"
        "print(json.dumps([metrics.METRICS_ENABLED, CircuitBreaker('y').call(int, '7')]))\n"
    )
    switch = {} if missing else {"METRICS_ENABLED": "off"}
    ran = subprocess.run(
        [sys.executable, "-c", program], env=switch, capture_output=True, text=True, check=True
    )
    assert json.loads(ran.stdout) == [False, 7]
