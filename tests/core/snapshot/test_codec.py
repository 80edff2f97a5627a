"""Snapshots and changes, written as JSON and read back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import inf, nan
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from fuseboard.breaker.policies.base import Gauge
from fuseboard.breaker.registry import Registry
from fuseboard.breaker.settings import BreakerSettings
from fuseboard.breaker.tunables import tunables_of
from fuseboard.engine.engine import Engine
from fuseboard.engine.settings import EngineSettings
from fuseboard.snapshot.codec import (
    decode,
    encode,
    encode_builtins,
    from_builtins,
    to_builtins,
)
from fuseboard.snapshot.fault_setting import FaultSetting
from fuseboard.snapshot.json_diff import apply_diff, diff
from fuseboard.snapshot.snapshot import PromptSnapshot, Snapshot
from tests.tui.fake_source import HALF_OPEN, OPEN, STARTING, running_snapshot

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
FAULT_SETTINGS = st.builds(
    FaultSetting,
    probability=st.floats(0, 1, exclude_min=True),
    seconds=st.none() | st.floats(0.001, 1e9),
    chunks=st.none() | st.integers(0, 99),
    paths=st.none() | st.lists(st.text().map("/{}".format)).map(tuple),
)
# Everything is built from the types, so that a field that is added is tried as well.
st.register_type_strategy(float, st.floats(0.001, 1e9))
st.register_type_strategy(int, st.integers(1, 2**62))
st.register_type_strategy(FaultSetting, FAULT_SETTINGS)
st.register_type_strategy(
    Mapping, lambda kind: st.dictionaries(*map(st.from_type, get_args(kind)), max_size=5)
)
SNAPSHOTS = st.builds(
    Snapshot, **{name: st.from_type(kind) for name, kind in get_type_hints(Snapshot).items()}
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOATS | st.text(max_size=3),
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(st.sampled_from("ab=-+0"), parts),
    max_leaves=12,
)


def places_in(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every place in a JSON value: what holds the part, and the name or index of it."""
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield value, key
            yield from places_in(part)


def through_text(snapshot: Snapshot) -> Snapshot:
    text = encode(snapshot)
    assert b"\n" not in text
    json.loads(text, parse_constant=pytest.fail)
    return decode(text)


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(SNAPSHOTS)
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


@pytest.mark.parametrize("number", [inf, -inf, nan])
def test_a_number_that_json_has_no_word_for_is_refused(number: float) -> None:
    gauge = Gauge("consecutive failures", number, 5)
    with pytest.raises(ValueError, match=r"^breakers\[0\]\.gauges\[0\]\.value is not a fin"):
        encode(running_snapshot(replace(OPEN, gauges=(gauge,))))
    with pytest.raises(ValueError, match=r"^uptime is not a finite number"):
        encode(structs.replace(STARTING, uptime=number))


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(SNAPSHOTS, st.data())
def test_no_field_can_hold_a_number_that_is_not_finite(
    snapshot: Snapshot, data: st.DataObject
) -> None:
    builtins = msgspec.json.decode(encode(snapshot))
    floats = [place for place in places_in(builtins) if isinstance(place[0][place[1]], float)]
    holder, key = data.draw(st.sampled_from(floats))
    holder[key] = data.draw(st.sampled_from([inf, -inf, nan]))
    with pytest.raises(ValueError, match="is not a finite number"):
        encode_builtins(builtins)


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_text_with_a_number_that_is_not_finite_is_no_json(word: str) -> None:
    with pytest.raises(ValueError, match="this is no JSON"):
        decode(f'{{"version": 2, "uptime": {word}}}')


def test_half_of_a_surrogate_pair_harms_nobody() -> None:
    snapshot = structs.replace(STARTING, problem="\ud83d model … gone")
    assert through_text(snapshot).problem == "? model … gone"


def test_a_value_in_a_message_is_cut() -> None:
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    for value in ("x" * 10_000, [0] * 10_000, {"a": "y" * 10_000}, deep):
        with pytest.raises(ValueError, match=r"^uptime is .*…, not a number$") as refusal:
            from_builtins({**to_builtins(running_snapshot()), "uptime": value})
        assert len(str(refusal.value)) < 80
    for path in ("x" * 10_000, "'" * 10_000):
        written = json.loads(encode(running_snapshot()))
        written["faults"][0]["setting"]["paths"] = [path]
        with pytest.raises(
            ValueError, match=r"^faults\[0\]\.setting makes no sense: .*…$"
        ) as refusal:
            from_builtins(written)
        assert len(str(refusal.value)) < 200


def test_a_missing_field_has_its_default() -> None:
    written = to_builtins(running_snapshot())
    del written["caches"], written["rates"]
    assert from_builtins(written) == structs.replace(running_snapshot(), caches=(), rates={})


def test_an_old_recording_knows_no_numbers_to_set_and_no_refusals() -> None:
    written = to_builtins(running_snapshot(replace(OPEN, tunables=tunables_of(BreakerSettings()))))
    del written["refusals"]
    for breaker in written["breakers"]:
        del breaker["tunables"]
    assert from_builtins(written) == running_snapshot(OPEN)


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ([], "text", "this is no snapshot: it has no version"),
        ([], {"taken_at": 1}, "this is no snapshot: it has no version"),
        (["version"], 1, "this is a snapshot of version 1, and only 2 can be read"),
        (["uptime"], "long", "uptime is 'long', not a number"),
        (["uptime"], True, "uptime is True, not a number"),
        (["phase"], "ASLEEP", "phase is 'ASLEEP', not one of starting, running, failed, stopped"),
        (["notices"], {}, "notices is {}, not an array"),
        (["notices"], [1], "notices[0] is 1, not a text"),
        (["target"], [], "target is [], not an object"),
        (["target", "simulated"], 1, "target.simulated is 1, not true or false"),
        (["rates", "x"], {"success": [None]}, "rates['x'].success[0] is None, not a number"),
        (["breakers", 0, "late"], 1.5, "breakers[0].late is 1.5, not a whole number"),
        (["breakers", 0, "colour"], 1, "breakers[0] has an unknown field 'colour'"),
        (["breakers", 0, "calls"], {"success": 1e99}, "breakers[0].calls.success is 1e+99"),
        (["breakers", 0, "transitions", 0], [1], "transitions[0] has 1 values, not 2"),
        (["pools"], [{"name": "x"}], "pools[0] lacks the field 'active'"),
        (["faults", 0, "setting", "probability"], 7, "faults[0].setting makes no sense: a prob"),
        (["faults", 0, "setting", "word"], 7, "faults[0].setting has an unknown field 'word'"),
        (
            ["breakers", 0, "calls", "x" * 99],
            7,
            f"breakers[0].calls has an unknown field '{'x' * 38}…",
        ),
        (["breakers", 0, "history", 3, "causes", 0, "x"], 7, "history[3].causes[0] has an unknown"),
        (["breakers", 0, "durations", "success", "x"], 7, "durations['success'] has an unknown"),
        (["breakers", 0, "durations", "success", "sum"], "", "durations['success'].sum is '', not"),
        (["breakers", 0, "durations", "good"], {}, "breakers[0].durations['good'] lacks the field"),
        (["breakers", 0, "state_seconds", "0"], None, "state_seconds['0'] is None, not a number"),
        (["breakers", 0, "state_seconds", "x"], 1.0, "state_seconds has an unknown key 'x'"),
        (["breakers", 0, "state"], 9, "breakers[0].state is 9, not one of 0, 1, 2"),
        (["breakers", 0, "transitions"], [[[0, 9], 1]], "transitions[0][0][1] is 9, not one of 0,"),
        (["breakers", 0, "retry_after"], "", "breakers[0].retry_after is '', not a number"),
    ],
)
def test_what_is_no_snapshot_is_refused_with_the_place(
    place: list[Any], value: object, said: str
) -> None:
    written: Any = json.loads(encode(running_snapshot(OPEN)))
    if place:
        inner = written
        for step in place[:-1]:
            inner = inner[step]
        inner[place[-1]] = value
    else:
        written = value
    with pytest.raises(ValueError) as refusal:
        from_builtins(written)
    assert said in str(refusal.value)


def test_no_object_may_have_an_unknown_member() -> None:
    settings = tunables_of(BreakerSettings())
    snapshot = running_snapshot(replace(OPEN, tunables=settings), prompt=PromptSnapshot("m", "b"))
    written = json.loads(encode(snapshot))
    objects = [part[key] for part, key in places_in(written) if isinstance(part[key], dict)]
    assert len(objects) > 50
    for each in objects:
        each["colour"] = 1
        with pytest.raises(ValueError, match="colour"):
            from_builtins(written)
        del each["colour"]
    assert from_builtins(written) == snapshot


@settings(max_examples=300)
@given(st.data())
def test_what_is_no_snapshot_is_never_more_than_refused(data: st.DataObject) -> None:
    written = json.loads(encode(running_snapshot(OPEN)))
    holder, key = data.draw(st.sampled_from(list(places_in(written))))
    words = st.sampled_from(
        ["running", "x - at `key` in `$.y`", "Expected `array` of length 2, got "]
    )
    part = data.draw(JSON | words)
    if isinstance(holder, dict) and data.draw(st.booleans()):
        holder[data.draw(st.text())] = part
    else:
        holder[key] = part
    try:
        snapshot = from_builtins(written)
    except ValueError as error:
        said = str(error)
    else:
        said = ""
        assert decode(encode(snapshot)) == snapshot
    assert "\n" not in said
    assert len(said) < 300


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
    old, new = (
        json.loads(encode(running_snapshot(OPEN))),
        json.loads(encode(running_snapshot(HALF_OPEN))),
    )
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
