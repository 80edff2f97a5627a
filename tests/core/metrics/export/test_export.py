"""The dashboard, the alert rules and the scrape config: valid, and about metrics that exist."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from fuseboard import CircuitBreaker, CircuitOpenError, ConsecutiveFailures, Registry
from fuseboard.metrics.endpoint import DEFAULT_PORT, endpoint_app
from fuseboard.metrics.export.documents import (
    ALERT_TESTS,
    ALERTS,
    GRAFANA,
    PROMETHEUS,
    RULE_FILE,
    TARGET,
    document,
)
from fuseboard.metrics.namespace import NAMESPACE
from tests.core.metrics.prometheus import promtool
from tests.core.serving import served

DOCUMENTS = [GRAFANA, ALERTS, ALERT_TESTS, PROMETHEUS]


def dashboard() -> dict[str, Any]:
    board: dict[str, Any] = json.loads(document(GRAFANA))
    return board


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = dashboard()["panels"]
    return found


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(document(ALERTS))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def variables() -> dict[str, dict[str, Any]]:
    return {variable["name"]: variable for variable in dashboard()["templating"]["list"]}


def metrics_in(expression: str) -> set[str]:
    """Pick the names of metrics out of an expression."""
    for aside in (r'"[^"]*"', r"\{[^}]*\}", r"\[[^]]*\]", r"\b(by|on)\s*\([^)]*\)"):
        expression = re.sub(aside, " ", expression)
    names = re.findall(r"[a-zA-Z_]\w*\b(?!\s*\()", expression)
    return set(names) - {"and", "or"}


def expressions() -> Iterator[str]:
    for panel in panels():
        for target in panel["targets"]:
            yield target["expr"]
    for rule in rules():
        yield rule["expr"]
    for name in ("instance", "breaker"):
        asked = re.fullmatch(r"label_values\((.+), \w+\)", variables()[name]["query"]["query"])
        assert asked is not None
        yield asked[1]


async def scrape() -> str:
    """Scrape a breaker that has been through everything."""
    registry = Registry()
    breaker = CircuitBreaker("model", trip=ConsecutiveFailures(1), recovery_timeout=100)
    registry.add(breaker)
    breaker.call(int)
    with pytest.raises(ZeroDivisionError):
        breaker.call(divmod, 1, 0)
    with pytest.raises(CircuitOpenError):
        breaker.call(int)
    async with served(endpoint_app(registry)) as url, httpx.AsyncClient(base_url=url) as http:
        return (await http.get("/metrics")).text


def exposed(text: str) -> Iterator[str]:
    for family in text_string_to_metric_families(text):
        endings = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
        for ending in endings.get(family.type, [""]):
            yield family.name + ending


async def test_every_metric_that_is_named_is_exposed() -> None:
    named = set().union(*map(metrics_in, expressions()))
    assert "ollama_rag_circuit_breaker_state_seconds_total" in named
    unknown = named - set(exposed(await scrape())) - {"up"}
    assert unknown == set()


async def test_promtool_finds_nothing_wrong_with_a_scrape() -> None:
    text = await scrape()
    checked = await asyncio.to_thread(promtool, "check", "metrics", reads=text)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


@pytest.mark.parametrize("namespace", [NAMESPACE, "mine"])
def test_promtool_finds_nothing_wrong_with_the_files(namespace: str, tmp_path: Path) -> None:
    for file in (ALERTS, ALERT_TESTS, PROMETHEUS):
        (tmp_path / file).write_text(document(file, namespace=namespace))
    for check in (
        ("check", "rules", "--lint=all", "--lint-fatal", tmp_path / ALERTS),
        ("test", "rules", tmp_path / ALERT_TESTS),
        ("check", "config", tmp_path / PROMETHEUS),
    ):
        checked = promtool(*check)
        assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_rule_says_how_grave_it_is_and_what_to_do() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"].keys() == {"summary", "description"}
        assert "job=" not in rule["expr"]


def test_every_rule_has_a_test_that_fires_and_one_that_does_not() -> None:
    tested: dict[str, set[bool]] = {}
    for group in yaml.safe_load(document(ALERT_TESTS))["tests"]:
        for case in group["alert_rule_test"]:
            tested.setdefault(case["alertname"], set()).add(bool(case["exp_alerts"]))
    assert tested == {rule["alert"]: {True, False} for rule in rules()}


def test_the_dashboard_hangs_together() -> None:
    board = dashboard()
    assert board["uid"] == "ollama_rag_fuseboard"
    assert list(variables()) == ["datasource", "instance", "breaker"]
    ids = Counter(panel["id"] for panel in panels())
    assert set(ids.values()) == {1}
    source = {"type": "prometheus", "uid": "${datasource}"}
    for panel in panels():
        assert panel["title"]
        assert panel["datasource"] == source
        assert all(target["datasource"] == source for target in panel["targets"])
        references = [target["refId"] for target in panel["targets"]]
        assert len(references) == len(set(references))


def test_the_panels_do_not_overlap() -> None:
    def cells(panel: dict[str, Any]) -> set[tuple[int, int]]:
        at = panel["gridPos"]
        return {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}

    for one, other in combinations(panels(), 2):
        assert not cells(one) & cells(other), (one["title"], other["title"])
    assert max(x for panel in panels() for x, _ in cells(panel)) < 24


@pytest.mark.parametrize("title", ["State", "State over time"])
def test_the_states_have_their_names_and_colours(title: str) -> None:
    (panel,) = (panel for panel in panels() if panel["title"] == title)
    (mapping,) = panel["fieldConfig"]["defaults"]["mappings"]
    shown = {
        int(value): (look["text"], look["color"]) for value, look in mapping["options"].items()
    }
    assert shown == {0: ("CLOSED", "green"), 1: ("OPEN", "red"), 2: ("HALF_OPEN", "yellow")}


def test_the_files_are_written_for_the_defaults() -> None:
    assert f"127.0.0.1:{DEFAULT_PORT}" == TARGET
    config = yaml.safe_load(document(PROMETHEUS))
    assert config["rule_files"] == [RULE_FILE]
    assert config["scrape_configs"][0]["static_configs"] == [{"targets": [TARGET]}]


@pytest.mark.parametrize("file", DOCUMENTS)
def test_a_namespace_takes_the_place_of_the_default(file: str) -> None:
    theirs = document(file, namespace="ollama_rag2")
    assert theirs == document(file).replace("ollama_rag", "ollama_rag2")


@pytest.mark.parametrize("rule_file", ['a "b" ü.yml', "C:\\rules.yml", "127.0.0.1:9464"])
@pytest.mark.parametrize("target", ["[::1]:80", "app_1.example:65535"])
def test_target_and_rule_file_stay_what_they_are(target: str, rule_file: str) -> None:
    config = yaml.safe_load(document(PROMETHEUS, target=target, rule_file=rule_file))
    assert config["rule_files"] == [rule_file]
    assert config["scrape_configs"][0]["static_configs"] == [{"targets": [target]}]
    tests = yaml.safe_load(document(ALERT_TESTS, rule_file=rule_file))
    assert tests["rule_files"] == [rule_file]


@pytest.mark.parametrize("namespace", ["", "9a", "a-b", "a:b", "a b", "ä", 'a"', "a\n"])
def test_a_senseless_namespace_is_refused(namespace: str) -> None:
    with pytest.raises(ValueError, match="namespace"):
        document(ALERTS, namespace=namespace)


@pytest.mark.parametrize(
    "target", ["", "host", "host:", ":1", "host:0", "host:65536", "http://host:1", "a b:1"]
)
def test_a_senseless_target_is_refused(target: str) -> None:
    with pytest.raises(ValueError, match="is not a target, as in"):
        document(PROMETHEUS, target=target)


def test_a_rule_file_without_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="no name"):
        document(PROMETHEUS, rule_file=" ")


def test_works_without_prometheus_client() -> None:
    program = (
        "import sys; sys.modules['prometheus_client'] = None\n"
        "from fuseboard.metrics.export.documents import GRAFANA, document\n"
        "print(document(GRAFANA), end='')\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert ran.stdout.decode() == document(GRAFANA)
