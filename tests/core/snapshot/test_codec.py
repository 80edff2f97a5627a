"""Snapshots and changes, written as JSON and read back."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuseboard.breaker.registry import Registry
from fuseboard.breaker.settings import BreakerSettings
from fuseboard.breaker.tunables import tunables_of
from fuseboard.engine.engine import Engine
from fuseboard.engine.settings import EngineSettings
from fuseboard.snapshot.codec import from_json, to_json
from fuseboard.snapshot.fault_setting import FaultSetting
from fuseboard.snapshot.json_diff import apply_diff, diff
from fuseboard.snapshot.snapshot import Snapshot
from tests.tui.pictures import HALF_OPEN, OPEN, STARTING, board

FLOATS = st.floats(allow_nan=False)
FAULT_SETTINGS = st.builds(
    FaultSetting,
    probability=st.floats(0, 1, exclude_min=True),
    seconds=st.none() | st.floats(0.001, 1e9),
    chunks=st.none() | st.integers(0, 99),
    paths=st.none() | st.lists(st.text().map("/{}".format)).map(tuple),
)
# Everything is built from the types, so that a field that is added is tried as well.
st.register_type_strategy(float, FLOATS)
st.register_type_strategy(FaultSetting, FAULT_SETTINGS)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOATS | st.text(max_size=3),
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(st.sampled_from("ab=-+0"), parts),
    max_leaves=12,
)


def through_text(snapshot: Snapshot) -> Snapshot:
    text = json.dumps(to_json(snapshot), allow_nan=False)
    assert "\n" not in text
    return from_json(json.loads(text))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.from_type(Snapshot))
def test_any_snapshot_comes_back_as_it_was(snapshot: Snapshot) -> None:
    assert through_text(snapshot) == snapshot


def test_the_snapshots_of_an_engine_come_back_as_they_were() -> None:
    engine = Engine(EngineSettings(simulate=True, metrics_port=0, rate=50), registry=Registry())
    engine.start()
    try:
        snapshot = engine.wait_until_ready()
        assert snapshot.breakers
        assert through_text(snapshot) == snapshot
    finally:
        engine.stop()


def test_a_number_that_json_has_no_word_for_is_written_all_the_same() -> None:
    back = through_text(replace(STARTING, uptime=float("nan")))
    assert back.uptime != back.uptime


def test_a_missing_field_has_its_default() -> None:
    written = to_json(board())
    del written["caches"], written["activity"]
    assert from_json(written) == replace(board(), caches=(), activity={})


def test_an_old_recording_knows_no_numbers_to_set_and_no_refusals() -> None:
    written = to_json(board(replace(OPEN, settings=tunables_of(BreakerSettings()))))
    del written["refusals"]
    for breaker in written["breakers"]:
        del breaker["settings"]
    assert from_json(written) == board(OPEN)


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ([], "text", "this is no snapshot: it has no version"),
        ([], {"taken_at": 1}, "this is no snapshot: it has no version"),
        (["version"], 2, "this is a snapshot of version 2, and only 1 can be read"),
        (["uptime"], "long", "uptime is 'long', not a number"),
        (["uptime"], True, "uptime is True, not a number"),
        (["phase"], "ASLEEP", "phase is 'ASLEEP', not one of STARTING, RUNNING, FAILED, STOPPED"),
        (["notices"], {}, "notices is {}, not an array"),
        (["notices"], [1], "notices[0] is 1, not a text"),
        (["target"], [], "target is [], not an object"),
        (["target", "simulated"], 1, "target.simulated is 1, not true or false"),
        (["activity", "x"], {"success": [None]}, "activity['x'].success[0] is None, not a number"),
        (["breakers", 0, "late"], 1.5, "breakers[0].late is 1.5, not a whole number"),
        (["breakers", 0, "colour"], 1, "breakers[0] has an unknown field 'colour'"),
        (["breakers", 0, "calls"], {"success": 1e99}, "breakers[0].calls.success is 1e+99"),
        (["breakers", 0, "state_seconds", 0], ["OPEN"], "state_seconds[0] has 1 values, not 2"),
        (["pools"], [{"name": "x"}], "pools[0] lacks the field 'active'"),
        (["faults", 0, "setting", "probability"], 7, "faults[0].setting makes no sense: a prob"),
    ],
)
def test_what_is_no_snapshot_is_refused_with_the_place(
    place: list[Any], value: object, said: str
) -> None:
    written: Any = json.loads(json.dumps(to_json(board(OPEN))))
    if place:
        inner = written
        for step in place[:-1]:
            inner = inner[step]
        inner[place[-1]] = value
    else:
        written = value
    with pytest.raises(ValueError) as refusal:
        from_json(written)
    assert said in str(refusal.value)


@settings(max_examples=500)
@given(JSON, JSON)
def test_changes_lead_from_any_value_to_any_other(old: Any, new: Any) -> None:
    found = json.loads(json.dumps(diff(old, new)))
    before = json.dumps(old)
    assert apply_diff(old, found) == new
    assert json.dumps(old) == before


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, {"b": 3}),
        ({"a": 1}, {"a": 1, "b": {}}, {"b": {"=": {}}}),
        ({"a": 1, "b": 2}, {"a": 1}, {"=": {"a": 1}}),
        ([1, 2, 3, 4], [2, 3, 4, 5], {"-": 1, "+": [5]}),
        ([1, 2], [1, 2, 3], {"-": 0, "+": [3]}),
        ([[1, 2], [3, 4]], [[1, 2], [3, 5]], {"1": {"1": 5}}),
        ([1, 2], [], []),
        ({"=": 1}, {"=": 2}, {"=": {"=": 2}}),
    ],
)
def test_changes_are_small(old: Any, new: Any, found: Any) -> None:
    assert diff(old, new) == found


def test_a_snapshot_shares_most_of_the_one_before() -> None:
    old, new = to_json(board(OPEN)), to_json(board(HALF_OPEN))
    found = diff(old, new)
    assert set(found) == {"breakers"}
    assert apply_diff(old, found)["faults"] is old["faults"]


@pytest.mark.parametrize(
    ("old", "found"),
    [
        (1, {"a": 2}),
        ([1], {"1": 2}),
        ([1], {"a": 2}),
        ([1], {"-": 2, "+": []}),
        ([1], {"-": "1", "+": []}),
        ([1], {"-": 0, "+": 5}),
    ],
)
def test_changes_of_something_else_are_refused(old: Any, found: Any) -> None:
    with pytest.raises(ValueError):
        apply_diff(old, found)
