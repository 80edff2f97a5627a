"""The breaker and an independent model of it, driven through the same history, never differ."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fuseboard import (
    Backoff,
    BreakerSettings,
    CircuitBreaker,
    CircuitOpenError,
    ConsecutiveFailures,
    CountWindow,
    FailureRate,
    Permit,
    Ruling,
    SlowCallRate,
    State,
    TimeWindow,
    Verdict,
)
from tests.core.breaker.breaker_model import BreakerModel
from tests.core.clock import ManualClock

POLICIES = st.recursive(
    st.sampled_from(
        [
            ConsecutiveFailures(1),
            ConsecutiveFailures(3),
            FailureRate(0.5, CountWindow(4), minimum_calls=2),
            FailureRate(0.25, TimeWindow(20), minimum_calls=3),
            SlowCallRate(2.0, 0.5, CountWindow(3), minimum_calls=2),
            SlowCallRate(2.0, 0.6, TimeWindow(50), minimum_calls=1, first_item=True),
            SlowCallRate(2.0, 0.5, CountWindow(4), minimum_calls=3, in_flight=True),
            SlowCallRate(
                5.0, 0.5, CountWindow(3), minimum_calls=2, first_item=True, in_flight=True
            ),
        ]
    ),
    lambda inner: (
        st.builds(lambda a, b: a | b, inner, inner) | st.builds(lambda a, b: a & b, inner, inner)
    ),
    max_leaves=3,
)
RAISED = [None, RuntimeError, asyncio.CancelledError]
COMMANDS = ["trip", "reset", "force_open", "disable", "only_measure"]
TIMEOUTS = st.sampled_from([10.0, Backoff(4, multiplier=2, cap=30, jitter=0.5)])


class Machine(RuleBasedStateMachine):
    @initialize(
        trip=POLICIES,
        recovery_timeout=TIMEOUTS,
        max_probes=st.integers(1, 3),
        successes_to_close=st.integers(1, 3),
        draw=st.sampled_from([0.0, 0.25, 1.0]),
    )
    def build(self, draw: float, **given: Any) -> None:
        given |= {"probe_timeout": 60.0, "longest_retry_after": 40.0}
        self.clock = ManualClock()
        self.breaker = CircuitBreaker(
            "model",
            history_size=100_000,
            clock=self.clock,
            wall_clock=self.clock,
            draw=lambda: draw,
            **given,
        )
        self.model = BreakerModel(BreakerSettings(**given), self.clock.now, draw)
        self.permits: list[Permit] = []

    @rule(seconds=st.sampled_from([0.0, 0.5, 1.0, 3.0, 10.0, 70.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.model.pass_time(seconds)

    @precondition(lambda self: self.model.retry_after is not None)
    @rule()
    def wait_for_recovery(self) -> None:
        assert self.model.retry_after is not None
        self.wait(self.model.retry_after)

    @rule(times=st.integers(1, 4))
    def begin(self, times: int) -> None:
        for _ in range(times):
            if self.model.begin():
                self.permits.append(self.breaker.acquire())
            else:
                with pytest.raises(CircuitOpenError) as caught:
                    self.breaker.acquire()
                if self.model.state is State.OPEN:
                    assert caught.value.retry_after == self.model.retry_after

    @rule(
        raised=st.lists(st.sampled_from([None, RuntimeError, asyncio.CancelledError]), max_size=6)
    )
    def call_at_once(self, raised: list[type[BaseException] | None]) -> None:
        for raises in raised:
            self.call_raising(raises)

    def call_raising(self, raises: type[BaseException] | None) -> None:
        def function() -> str:
            if raises is not None:
                raise raises
            return "done"

        if not self.model.begin():
            with pytest.raises(CircuitOpenError):
                self.breaker.call(function)
            return
        outcome = "success"
        if raises is not None:
            outcome = "failure" if issubclass(raises, Exception) else "ignored"
        self.model.end(len(self.permits), outcome, None)
        if raises is None:
            assert self.breaker.call(function) == "done"
        else:
            with pytest.raises(raises):
                self.breaker.call(function)

    @precondition(lambda self: self.permits)
    @rule(
        rng=st.randoms(use_true_random=False),
        outcome=st.sampled_from(["success", "failure", "ignored", "unsent"]),
        retry_after=st.sampled_from([None, 5.0, 25.0, 1000.0]),
    )
    def end(self, rng: random.Random, outcome: str, retry_after: float | None) -> None:
        place = rng.randrange(len(self.permits))
        permit = self.permits.pop(place)
        self.model.end(place, outcome, retry_after)
        verdict = Verdict.IGNORED if outcome == "unsent" else Verdict(outcome)
        assert permit.settle(Ruling(verdict, "why", retry_after, sent=outcome != "unsent"))
        assert not permit.failure("again")

    @precondition(lambda self: self.permits)
    @rule(rng=st.randoms(use_true_random=False))
    def first_item(self, rng: random.Random) -> None:
        place = rng.randrange(len(self.permits))
        self.permits[place].first_item()
        self.model.first_item(place)

    @rule(name=st.sampled_from(COMMANDS))
    def command(self, name: str) -> None:
        self.model.command(name)
        getattr(self.breaker, name)()

    @rule(seed=st.integers(0, 2**32))
    def go_through_a_lot(self, seed: int) -> None:
        """Reach what a few steps seldom do: full windows, several probes, round after round."""
        rng = random.Random(seed)
        ill = rng.choice([0.2, 0.5, 0.8])
        for _ in range(60):
            match rng.choices("bewrcf", [6, 6, 4, 2, 0.3, 2])[0]:
                case "b":
                    self.begin(1)
                case "e" if self.permits:
                    bad = "failure" if rng.random() < ill else "success"
                    outcome = rng.choices([bad, "ignored", "unsent"], [10, 1, 1])[0]
                    self.end(rng, outcome, rng.choice([None, None, 25.0]))
                case "f" if self.permits:
                    self.first_item(rng)
                case "w":
                    self.wait(rng.choice([0.0, 0.5, 1.0, 3.0, 9.0, 30.0]))
                case "r" if self.model.retry_after is not None:
                    self.wait_for_recovery()
                case "c":
                    self.command(rng.choice(COMMANDS))
            self.they_agree()

    def teardown(self) -> None:
        for permit in getattr(self, "permits", ()):
            permit.ignore()

    @invariant()
    def they_agree(self) -> None:
        model, seen = self.model, self.breaker.snapshot()
        assert (seen.state, seen.mode) == (model.state, model.mode)
        assert seen.consecutive_failures == model.consecutive_failures
        assert seen.in_flight == len(model.under_way)
        assert seen.calls.success == model.totals["success"]
        assert seen.calls.failure == model.totals["failure"]
        assert seen.calls.ignored == model.totals["ignored"]
        assert seen.calls.rejected == model.totals["rejected"]
        assert (seen.late, seen.unsent) == (model.totals["late"], model.totals["unsent"])
        assert seen.retry_after == model.retry_after
        assert seen.seconds_in_state == pytest.approx(model.now - model.since)
        assert {
            step: count for step, count in seen.transitions.items() if count
        } == model.transitions
        for state, seconds in seen.state_seconds.items():
            assert seconds == pytest.approx(model.seconds_in(state))
        would = [step for step in seen.history if step.reason.startswith("would have opened")]
        assert len(would) == model.would_have_opened
        admitted = sum(durations.count for durations in seen.durations.values())
        assert admitted == seen.calls.total - seen.calls.rejected


Machine.TestCase.settings = settings(
    max_examples=100,
    stateful_step_count=50,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # what a seed did cannot be shrunk
)
TestAgainstAModel = Machine.TestCase
