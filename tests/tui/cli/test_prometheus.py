"""A real Prometheus scrapes the command and agrees with the JSON lines that the command writes."""

from __future__ import annotations

import json
import signal
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from fuseboard.breaker.counters import LEGAL_TRANSITIONS
from fuseboard.breaker.state import State
from fuseboard.metrics.export.documents import GRAFANA, document
from tests.core.metrics.prometheus import Prometheus, free_port, running_prometheus, until
from tests.tui.cli.test_main import Event, events, run, started

PREFIX = "ollama_rag_circuit_breaker_"
BREAKER = "ollama_generate"
ALL = "[1h]"  # longer than any run

# With this seed four calls fail, the next seven go well, and the one after them stalls: the
# breaker trips and recovers, and then nothing changes any more, so that the last scrape has the
# final numbers.
STORY = (
    *("--traffic", "generate"),
    *("--fault", "error500:0.5", "--fault", "stall:0.2", "--seed", "6963"),
    *("--failure-threshold", "2", "--recovery-timeout", "1", "--first-token-timeout", "300"),
    *("--rate", "8", "--concurrency", "1"),
)
STALLED = f"sum(min_over_time({PREFIX}calls_in_flight[3s])) == 1"

ENDURED = 0.3  # seconds around a transition in which a scrape may have seen either state


def configured(folder: Path, port: int) -> Path:
    """Write out what the command ships for Prometheus; only the intervals are shorter."""
    config = folder / "prometheus.yml"
    run("export", "alerts", "-o", str(folder / "alerts.yml"))
    run("export", "prometheus", "--target", f"127.0.0.1:{port}", "-o", str(config))
    config.write_text(config.read_text().replace("15s", "100ms"))
    return config


def test_prometheus_agrees_with_the_json_lines(tmp_path: Path) -> None:
    port = free_port()
    with running_prometheus(configured(tmp_path, port)) as prometheus:
        until(lambda: prometheus.holds("up == 0"), "Prometheus scrapes")
        with started("serve", "--simulate", "--metrics-port", str(port), *STORY) as process:
            until(lambda: prometheus.holds(f"{recovered()} and {STALLED}"), "it recovers")
            every_rule_is_evaluated(prometheus)
            every_panel_is_answered(prometheus)
            process.send_signal(signal.SIGTERM)
            output, errors = process.communicate(timeout=20)
        assert (process.returncode, errors) == (0, "")
        ready, *told, summary = events(output)
        assert ready["metrics_url"] == f"http://127.0.0.1:{port}/metrics"
        the_states_are_those_of_the_lines(prometheus, told)
        the_transitions_are_those_of_the_lines(prometheus, told)
        the_calls_are_those_of_the_summary(prometheus, summary)


def recovered() -> str:
    return f'sum({PREFIX}transitions_total{{from_state="HALF_OPEN", to_state="CLOSED"}}) > 0'


def every_rule_is_evaluated(prometheus: Prometheus) -> None:
    rules = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    assert {rule["health"] for rule in rules} == {"ok"}
    pending = 'ALERTS{alertname="CircuitBreakerNotClosed", alertstate="pending"}'
    noticed = prometheus.values(f"last_over_time({pending}{ALL})", "breaker_name")
    assert (BREAKER,) in noticed


def every_panel_is_answered(prometheus: Prometheus) -> None:
    for panel in json.loads(document(GRAFANA))["panels"]:
        for target in panel["targets"]:
            asked = target["expr"]
            for variable in ("$breaker", "$instance"):
                asked = asked.replace(variable, ".*")
            answer = prometheus.query(asked.replace("$__rate_interval", "1m"))
            assert answer or PREFIX not in asked, panel["title"]


def the_states_are_those_of_the_lines(prometheus: Prometheus, told: list[Event]) -> None:
    steps = [
        (datetime.fromisoformat(step["at"]).timestamp(), State[step["to"]])
        for step in told
        if step["breaker"] == BREAKER
    ]
    (series,) = prometheus.query(f'{PREFIX}state{{breaker_name="{BREAKER}"}}{ALL}')
    seen = set()
    for at, value in series["values"]:
        if all(abs(at - changed) > ENDURED for changed, _ in steps):
            state = State(int(value))
            before = [to for changed, to in steps if changed < at]
            assert state is (before[-1] if before else State.CLOSED), (at, steps)
            seen.add(state)
    assert seen == set(State)

    changed_at = f"last_over_time({PREFIX}last_state_change_timestamp{ALL})"
    last = prometheus.values(changed_at, "breaker_name")
    assert last[(BREAKER,)] == pytest.approx(steps[-1][0], abs=1e-3)


def the_transitions_are_those_of_the_lines(prometheus: Prometheus, told: list[Event]) -> None:
    counted: dict[tuple[str, ...], float] = defaultdict(float)
    for step in told:
        counted[step["breaker"], step["from"], step["to"]] += 1
    labels = ("breaker_name", "from_state", "to_state")
    scraped = prometheus.values(f"last_over_time({PREFIX}transitions_total{ALL})", *labels)
    for before, after in LEGAL_TRANSITIONS:
        assert (BREAKER, before.name, after.name) in scraped
    assert {step: count for step, count in scraped.items() if count} == counted


def the_calls_are_those_of_the_summary(prometheus: Prometheus, summary: dict[str, Any]) -> None:
    labels = ("breaker_name", "status")
    scraped = prometheus.values(f"last_over_time({PREFIX}calls_total{ALL})", *labels)
    in_flight = f"last_over_time({PREFIX}calls_in_flight{ALL})"
    for (name,), stalled in prometheus.values(in_flight, "breaker_name").items():
        scraped[name, "ignored"] += stalled  # dropped at the end, after the last scrape
    assert scraped == {
        (breaker["name"], status): count
        for breaker in summary["breakers"]
        for status, count in breaker["calls"].items()
    }
