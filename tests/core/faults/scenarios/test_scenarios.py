"""Scenarios: parsing their text, and playing them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuseboard.faults.catalogue import BY_NAME, CATALOGUE, Fault
from fuseboard.faults.notation import format_fault, parse_fault
from fuseboard.faults.scenarios.player import ScenarioPlayer
from fuseboard.faults.scenarios.scenario import (
    BUILT_IN,
    Scenario,
    Step,
    find_scenario,
    parse_scenario,
)
from fuseboard.faults.switches import FaultSwitches
from fuseboard.snapshot.fault_setting import FaultSetting
from tests.core.ollama.test_client import skip_ahead


class TestFaultNotation:
    @pytest.mark.parametrize("fault", CATALOGUE, ids=lambda fault: fault.name)
    def test_a_name_alone_is_the_fault_as_usual(self, fault: Fault) -> None:
        assert parse_fault(fault.name) == (fault.name, fault.default)

    def test_what_is_chosen_is_set(self) -> None:
        assert parse_fault("cut:0.5") == ("cut", FaultSetting(probability=0.5, chunks=3))
        assert parse_fault("latency,seconds=0.5")[1].seconds == 0.5
        name, setting = parse_fault("midreset:0.25,chunks=10,path=/api/chat,path=/v1/")
        assert name == "midreset"
        assert setting == FaultSetting(0.25, chunks=10, paths=("/api/chat", "/v1/"))

    @given(
        st.sampled_from(CATALOGUE),
        st.floats(0, 1, exclude_min=True),
        st.floats(0, 1e6, exclude_min=True),
        st.integers(0, 99),
        st.lists(st.sampled_from(["/api/chat", "/v1/", "/"])),
    )
    def test_a_formatted_fault_is_parsed_as_it_was(
        self, fault: Fault, probability: float, seconds: float, chunks: int, paths: list[str]
    ) -> None:
        choices = {"seconds": seconds, "chunks": chunks, "paths": tuple(paths)}
        changes = {
            name: value
            for name, value in choices.items()
            if getattr(fault.default, name) is not None
        }
        setting = fault.setting(probability=probability, **changes)
        assert parse_fault(format_fault(fault.name, setting)) == (fault.name, setting)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("fire", "there is no fault 'fire'; there are refuse, error500"),
            ("", "there is no fault ''"),
            ("cut:2", "'2' is not a probability above 0 and at most 1, as in cut:0.5"),
            ("cut:", "'' is not a probability"),
            ("cut:nan", "'nan' is not a probability"),
            ("cut,chunks=x", "'x' is not a number of chunks, as in chunks=3"),
            ("cut,chunks=-1", "'-1' is not a number of chunks"),
            ("cut,seconds=2", "cut has no seconds to choose"),
            ("latency,seconds=soon", "'soon' is not a number of seconds, as in seconds=2.5"),
            ("latency,seconds=0", "seconds must be a number above 0, not 0"),
            ("latency,seconds=inf", "seconds must be a number above 0, not inf"),
            ("cut,path=api", "a path begins with /, as in /api/chat; 'api' does not"),
            ("refuse,path=/api", "refuse has no paths to choose"),
            ("cut,colour=red", "'colour=red' is none of seconds=N, chunks=N and path=/P"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, text: str, message: str) -> None:
        with pytest.raises(ValueError, match=f"^{message}"):
            parse_fault(text)


class TestParsing:
    @pytest.mark.parametrize("name", BUILT_IN)
    def test_the_built_in_ones_can_be_read_and_leave_the_wire_whole(self, name: str) -> None:
        scenario = find_scenario(name)
        assert scenario.name == name
        assert scenario.steps[-1].clears
        assert not scenario.steps[-1].on

    def test_lines(self) -> None:
        text = """
        # one
        0     latency,seconds=1   # and why
        5-8   error500:0.5 -latency
        20    clear cut
        30    repeat
        """
        assert parse_scenario(text, "mine") == Scenario(
            "mine",
            (
                Step(0, 0, "latency,seconds=1", on=(parse_fault("latency,seconds=1"),)),
                Step(
                    5,
                    8,
                    "error500:0.5 -latency",
                    on=(parse_fault("error500:0.5"),),
                    off=("latency",),
                ),
                Step(20, 20, "clear cut", clears=True, on=(parse_fault("cut"),)),
            ),
            repeats_after=30,
        )

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "scenario mine: nothing happens in it; a line is `5 error500`"),
            ("5 repeat", "scenario mine: nothing happens in it"),
            ("soon cut", "scenario mine, line 1: 'soon' is not a second, as 5, or a range"),
            ("8-5 cut", "scenario mine, line 1: '8-5' is not a second"),
            ("-1 cut", "scenario mine, line 1: '-1' is not a second"),
            ("inf cut", "scenario mine, line 1: 'inf' is not a second"),
            ("5 cut\n3 clear", "scenario mine, line 2: second 3 stands after 5; put it before"),
            ("5-9 cut\n8 clear", "scenario mine, line 2: second 8 stands after 9"),
            ("5", "scenario mine, line 1: nothing happens then; write a fault"),
            ("5 fire", "scenario mine, line 1: there is no fault 'fire'"),
            ("5 -fire", "scenario mine, line 1: there is no fault 'fire'"),
            ("5 cut\n9 cut repeat", "scenario mine, line 2: repeat stands alone on its line"),
            ("0 cut\n0 repeat", "scenario mine, line 2: repeat wants one second, from 1 on"),
            ("0 cut\n5-6 repeat", "scenario mine, line 2: repeat wants one second"),
            ("0 cut\n5 repeat\n6 cut", "scenario mine, line 3: nothing can come after repeat"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, text: str, message: str) -> None:
        with pytest.raises(ValueError, match=f"^{message}"):
            parse_scenario(text, "mine")

    @given(st.text(alphabet="0159.-:,=# \n\tcutlears", max_size=60))
    def test_whatever_is_written_is_a_scenario_or_refused(self, text: str) -> None:
        try:
            scenario = parse_scenario(text, "any")
        except ValueError as error:
            scenario, refusal = None, str(error)
        if scenario is None:
            assert refusal.startswith("scenario any")
        else:
            moments = [(step.earliest, step.latest) for step in scenario.steps]
            assert moments == sorted(moments)

    def test_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "mine.txt"
        path.write_text("5 cut\n", encoding="utf-8")
        assert find_scenario(str(path)).name == "mine"
        path.write_bytes(b"\xff\xfe")
        with pytest.raises(ValueError, match="is not UTF-8 text"):
            find_scenario(str(path))
        with pytest.raises(ValueError, match="cannot read the scenario in"):
            find_scenario(str(tmp_path))
        with pytest.raises(ValueError, match="there is no scenario and no file 'blackout'; there"):
            find_scenario("blackout")


def active(switches: FaultSwitches) -> set[str]:
    return {fault.name for fault in switches.snapshot() if fault.active}


async def pass_seconds(seconds: float) -> None:
    skip_ahead(seconds)
    for _ in range(5):
        await asyncio.sleep(0)


class TestPlaying:
    async def test_each_step_comes_in_its_second(self) -> None:
        switches = FaultSwitches()
        player = ScenarioPlayer(switches)
        assert player.snapshot() is None
        player.play(parse_scenario("5 error500:0.5\n8 -error500 cut\n20 clear\n", "mine"))
        await pass_seconds(4)
        assert active(switches) == set()
        seen = player.snapshot()
        assert seen is not None
        assert (seen.name, seen.next_step) == ("mine", "error500:0.5")
        assert seen.seconds_to_next == pytest.approx(1, abs=0.5)
        await pass_seconds(2)
        assert active(switches) == {"error500"}
        assert BY_NAME["error500"].setting(probability=0.5) in [
            fault.setting for fault in switches.snapshot()
        ]
        await pass_seconds(3)
        assert active(switches) == {"cut"}
        await pass_seconds(12)
        assert active(switches) == set()
        assert player.snapshot() is None

    async def test_repeating(self) -> None:
        switches = FaultSwitches()
        player = ScenarioPlayer(switches)
        player.play(parse_scenario("1 cut\n2 clear\n10 repeat", "mine"))
        for _ in range(3):
            await pass_seconds(1.5)
            assert active(switches) == {"cut"}
            await pass_seconds(1)
            assert active(switches) == set()
            await pass_seconds(7.5)
        player.stop()

    async def test_the_same_seed_draws_the_same_seconds(self) -> None:
        async def first_step(seed: int) -> float:
            player = ScenarioPlayer(FaultSwitches(), seed)
            player.play(parse_scenario("0-1000 cut", "mine"))
            await asyncio.sleep(0)
            seen = player.snapshot()
            player.stop()
            assert seen is not None
            return round(seen.seconds_to_next)

        assert await first_step(1) == await first_step(1)
        assert len({await first_step(seed) for seed in range(5)}) == 5

    async def test_stopping_mends_the_wire_and_another_takes_its_place(self) -> None:
        switches = FaultSwitches()
        player = ScenarioPlayer(switches)
        player.play(parse_scenario("0 cut\n5 error500", "first"))
        await pass_seconds(0)
        assert active(switches) == {"cut"}
        player.play(parse_scenario("0 clear\n9 stall", "second"))
        await pass_seconds(6)
        assert active(switches) == set()
        player.stop()
        await pass_seconds(60)
        assert active(switches) == set()
        assert player.snapshot() is None
