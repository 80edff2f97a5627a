"""The benchmark runs, and would notice a breaker that does not guard; speed is not asserted."""

from __future__ import annotations

import json

import pytest

from tests.benchmarks import proxy
from tests.benchmarks.column import COLUMNS
from tests.benchmarks.contestant import Contestant, Function, NotGuardingError, ServiceError
from tests.benchmarks.ours import OURS
from tests.benchmarks.overhead import main
from tests.benchmarks.proof import prove


def test_the_proxys_cost_is_told_for_every_load(capsys: pytest.CaptureFixture[str]) -> None:
    proxy.main(["--quick"])
    table = capsys.readouterr().out
    assert [load.description in table for load in proxy.LOADS] == [True] * len(proxy.LOADS)


def test_prints_a_table_with_our_rows(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--quick"])
    table = capsys.readouterr().out
    for column in COLUMNS:
        assert column.title in table
    assert any(line.startswith(f"{OURS} ") for line in table.splitlines())


def test_prints_json_with_a_chosen_column(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--quick", "--only", "failure", "--json"])
    results = json.loads(capsys.readouterr().out)
    ours = results["contestants"][0]
    assert ours["name"] == OURS
    assert ours["thread_safe"]
    assert list(ours["ns_over_a_bare_call"]) == ["failure"]


def does_nothing(function: Function, trips_after: int) -> Function:
    return function


def always_rejects(function: Function, trips_after: int) -> Function:
    def guarded(*args: object) -> object:
        raise NotImplementedError

    return guarded


def swallows(function: Function, trips_after: int) -> Function:
    def guarded(*args: object) -> object:
        try:
            return function(*args)
        except ServiceError:
            return None

    return guarded


def rejects_too_late(function: Function, trips_after: int) -> Function:
    calls = 0

    def guarded(*args: object) -> object:
        nonlocal calls
        calls += 1
        result = function(*args)
        if calls > trips_after + 1:
            raise NotImplementedError
        return result

    return guarded


@pytest.mark.parametrize(
    ("guard", "complaint"),
    [
        (does_nothing, "does not reject"),
        (swallows, "does not raise"),
        (rejects_too_late, "claims to have rejected"),
        (always_rejects, "does not pass"),
    ],
)
def test_a_guard_that_does_not_guard_is_found_out(guard: Function, complaint: str) -> None:
    contestant = Contestant("sham", guard, NotImplementedError, thread_safe=True)
    with pytest.raises(NotGuardingError, match=complaint):
        prove(contestant)
