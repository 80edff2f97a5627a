"""The breaker, through its public surface."""

from __future__ import annotations

import asyncio
import copy
import pickle
import threading
from dataclasses import asdict, dataclass
from functools import partial
from math import inf
from typing import Any

import pytest

from fuseboard import (
    CircuitBreaker,
    CircuitOpenError,
    ConsecutiveFailures,
    Mode,
    RejectedBecause,
    State,
    Transition,
    TripPolicy,
)
from fuseboard.breaker.counters import Counters
from fuseboard.breaker.policies.base import Gauge, Meter, Trip
from tests.core.clock import ManualClock

WALL = 1_700_000_000.0


def breaker_on(clock: ManualClock, threshold: int = 3, **settings: float | int) -> CircuitBreaker:
    return CircuitBreaker(
        "model",
        trip=ConsecutiveFailures(threshold),
        recovery_timeout=10,
        probe_timeout=60,
        clock=clock,
        wall_clock=lambda: WALL + clock.now,
        **settings,  # type: ignore[arg-type]
    )


def fail(kind: type[BaseException] = RuntimeError) -> None:
    raise kind("no")


def fail_times(breaker: CircuitBreaker, times: int) -> None:
    for _ in range(times):
        with pytest.raises(RuntimeError):
            breaker.call(fail)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def breaker(clock: ManualClock) -> CircuitBreaker:
    return breaker_on(clock)


class TestCalling:
    def test_passes_arguments_and_result(self, breaker: CircuitBreaker) -> None:
        assert breaker.call(divmod, 17, 5) == (3, 2)
        assert breaker.call(int, "ff", base=16) == 255
        assert breaker.snapshot().calls.success == 2

    def test_raises_the_original_exception(self, breaker: CircuitBreaker) -> None:
        original = ValueError("mine")

        def raise_it() -> None:
            raise original

        with pytest.raises(ValueError) as caught:
            breaker.call(raise_it)
        assert caught.value is original

    async def test_awaits_coroutine_functions(self, breaker: CircuitBreaker) -> None:
        async def double(number: int) -> int:
            await asyncio.sleep(0)
            return 2 * number

        assert await breaker.call(double, 4) == 8
        assert await breaker.call(partial(double, 5)) == 10
        assert await breaker.call(lambda: double(6)) == 12
        assert breaker.snapshot().calls.success == 3

    async def test_counts_a_failing_coroutine_when_it_fails(self, breaker: CircuitBreaker) -> None:
        async def break_down() -> None:
            await asyncio.sleep(0)
            raise RuntimeError

        call = breaker.call(break_down)
        assert breaker.snapshot().calls.failure == 0
        with pytest.raises(RuntimeError):
            await call
        assert breaker.snapshot().calls.failure == 1

    async def test_an_object_with_an_async_call_is_awaited(self, breaker: CircuitBreaker) -> None:
        class Caller:
            async def __call__(self) -> str:
                raise RuntimeError

        with pytest.raises(RuntimeError):
            await breaker.call(Caller())
        assert breaker.snapshot().calls.failure == 1

    @pytest.mark.parametrize("stopping", [KeyboardInterrupt, GeneratorExit, SystemExit])
    def test_ignores_what_is_no_failure(
        self, breaker: CircuitBreaker, stopping: type[BaseException]
    ) -> None:
        fail_times(breaker, 2)
        with pytest.raises(stopping):
            breaker.call(fail, stopping)
        seen = breaker.snapshot()
        assert (seen.calls.ignored, seen.consecutive_failures, seen.in_flight) == (1, 2, 0)

    async def test_cancellation_gives_the_permit_back(
        self, breaker: CircuitBreaker, clock: ManualClock
    ) -> None:
        fail_times(breaker, 3)
        clock.advance(10)
        started = asyncio.Event()

        async def hang() -> None:
            started.set()
            await asyncio.Event().wait()

        probe = asyncio.create_task(breaker.call(hang))
        await started.wait()
        probe.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probe
        assert breaker.state is State.HALF_OPEN
        assert breaker.call(lambda: "next probe") == "next probe"
        assert breaker.state is State.CLOSED


class TestTripping:
    def test_opens_at_the_threshold_and_says_why(
        self, breaker: CircuitBreaker, clock: ManualClock
    ) -> None:
        fail_times(breaker, 2)
        assert breaker.state is State.CLOSED
        clock.advance(5)
        with pytest.raises(ZeroDivisionError):
            breaker.call(divmod, 1, 0)
        transition = breaker.history[-1]
        assert breaker.state is State.OPEN
        assert (transition.from_state, transition.to_state) == (State.CLOSED, State.OPEN)
        assert transition.reason == "3 consecutive failures: 2× RuntimeError, 1× ZeroDivisionError"
        assert transition.at == WALL + clock.now
        reasons = [cause.reason for cause in transition.causes]
        assert reasons == ["RuntimeError", "RuntimeError", "ZeroDivisionError"]

    def test_a_success_starts_the_count_again(self, breaker: CircuitBreaker) -> None:
        fail_times(breaker, 2)
        breaker.call(int)
        fail_times(breaker, 2)
        assert breaker.state is State.CLOSED
        fail_times(breaker, 1)
        assert breaker.history[-1].reason == "3 consecutive failures: 3× RuntimeError"

    def test_shows_how_far_it_has_come(self, breaker: CircuitBreaker) -> None:
        fail_times(breaker, 2)
        (gauge,) = breaker.snapshot().gauges
        assert (gauge.name, gauge.value, gauge.limit) == ("consecutive failures", 2, 3)

    def test_a_rejection_says_all_there_is_to_say(
        self, breaker: CircuitBreaker, clock: ManualClock
    ) -> None:
        fail_times(breaker, 3)
        clock.advance(6.5)
        with pytest.raises(CircuitOpenError) as caught:
            breaker.call(int)
        rejection = caught.value
        assert rejection.breaker_name == "model"
        assert rejection.state is State.OPEN
        assert rejection.rejected_because is RejectedBecause.OPEN
        assert rejection.retry_after == pytest.approx(3.5)
        assert rejection.since == WALL + 1000
        assert str(rejection) == (
            "circuit breaker 'model' is OPEN for 6.5 s"
            " (3 consecutive failures: 3× RuntimeError); try again in 3.5 s"
        )
        assert breaker.snapshot().calls.rejected == 1

    def test_a_rejection_is_new_each_time_and_survives_pickling(
        self, breaker: CircuitBreaker
    ) -> None:
        breaker.force_open()
        rejections = []
        for _ in range(2):
            with pytest.raises(CircuitOpenError) as caught:
                breaker.call(int)
            rejections.append(caught.value)
        assert rejections[0] is not rejections[1]
        copy = pickle.loads(pickle.dumps(rejections[0]))
        assert type(copy) is CircuitOpenError
        assert str(copy) == str(rejections[0])
        assert copy.__dict__ == rejections[0].__dict__


class TestRecovering:
    def test_becomes_half_open_on_time_for_whoever_looks(
        self, breaker: CircuitBreaker, clock: ManualClock
    ) -> None:
        fail_times(breaker, 3)
        clock.advance(9.99)
        assert breaker.state is State.OPEN
        assert breaker.snapshot().retry_after == pytest.approx(0.01)
        clock.advance(5)
        seen = breaker.snapshot()
        assert seen.state is State.HALF_OPEN
        assert seen.seconds_in_state == pytest.approx(4.99)
        assert seen.history[-1].at == pytest.approx(WALL + 1010)

    def test_a_successful_probe_closes_it(
        self, breaker: CircuitBreaker, clock: ManualClock
    ) -> None:
        fail_times(breaker, 3)
        clock.advance(10)
        breaker.call(int)
        assert breaker.state is State.CLOSED
        assert breaker.history[-1].reason == "probe succeeded"
        assert breaker.snapshot().consecutive_failures == 0
        fail_times(breaker, 2)
        assert breaker.state is State.CLOSED

    def test_a_failed_probe_opens_it_for_the_whole_timeout(
        self, breaker: CircuitBreaker, clock: ManualClock
    ) -> None:
        fail_times(breaker, 3)
        clock.advance(12)
        fail_times(breaker, 1)
        assert breaker.history[-1].reason == "probe failed: RuntimeError"
        assert breaker.snapshot().retry_after == pytest.approx(10)

    def test_excess_probes_are_rejected(self, clock: ManualClock) -> None:
        breaker = breaker_on(clock, max_probes=2)
        fail_times(breaker, 3)
        clock.advance(10)
        first, second = breaker.acquire(), breaker.acquire()
        with pytest.raises(CircuitOpenError) as caught:
            breaker.acquire()
        assert caught.value.rejected_because is RejectedBecause.HALF_OPEN_FULL
        assert caught.value.retry_after == 1  # when a probe will report is not known
        assert str(caught.value).endswith("its probes are under way; try again in 1.0 s")
        first.ignore()
        third = breaker.acquire()
        third.success()
        assert breaker.state is State.CLOSED
        second.failure("too late to matter")
        seen = breaker.snapshot()
        assert (seen.state, seen.late, seen.calls.failure) == (State.CLOSED, 1, 4)

    def test_as_many_successes_as_asked_for_close_it(self, clock: ManualClock) -> None:
        breaker = breaker_on(clock, successes_to_close=2)
        fail_times(breaker, 3)
        clock.advance(10)
        breaker.call(int)
        assert breaker.state is State.HALF_OPEN
        breaker.call(int)
        assert breaker.history[-1].reason == "2 probes succeeded"

    def test_a_probe_that_never_reports_counts_as_failed(
        self, breaker: CircuitBreaker, clock: ManualClock
    ) -> None:
        fail_times(breaker, 3)
        clock.advance(10)
        lost = breaker.acquire()
        clock.advance(60)
        seen = breaker.snapshot()
        assert seen.state is State.OPEN
        assert seen.why == "probe failed: no result within 60 s"
        clock.advance(10)
        assert breaker.state is State.HALF_OPEN
        assert lost.success()
        seen = breaker.snapshot()
        assert (seen.state, seen.late, seen.in_flight) == (State.HALF_OPEN, 1, 0)
        breaker.call(int)
        assert breaker.state is State.CLOSED

    def test_waits_half_open_for_a_caller_as_long_as_it_takes(
        self, breaker: CircuitBreaker, clock: ManualClock
    ) -> None:
        fail_times(breaker, 3)
        clock.advance(100_000)
        assert breaker.state is State.HALF_OPEN
        assert len(breaker.history) == 2


class TestLateResults:
    def test_move_nothing_but_are_counted(
        self, breaker: CircuitBreaker, clock: ManualClock
    ) -> None:
        good, bad = breaker.acquire(), breaker.acquire()
        fail_times(breaker, 3)
        good.success()
        assert breaker.state is State.OPEN
        clock.advance(10)
        assert breaker.state is State.HALF_OPEN
        bad.failure("slow")
        seen = breaker.snapshot()
        assert (seen.state, seen.late, seen.calls.success) == (State.HALF_OPEN, 2, 1)
        assert (seen.calls.failure, seen.consecutive_failures) == (4, 3)

    def test_a_permit_is_settled_once(self, breaker: CircuitBreaker) -> None:
        permit = breaker.acquire()
        assert permit.failure(ValueError("secret"))
        assert not permit.success()
        assert not permit.ignore()
        assert not permit.failure("again")
        seen = breaker.snapshot()
        assert (seen.calls.total, seen.in_flight) == (1, 0)


class TestByHand:
    def test_trip_opens_and_recovers_as_usual(
        self, breaker: CircuitBreaker, clock: ManualClock
    ) -> None:
        breaker.trip()
        assert breaker.history[-1].reason == "tripped by hand"
        clock.advance(10)
        assert breaker.state is State.HALF_OPEN

    def test_force_open_stays_until_reset(
        self, breaker: CircuitBreaker, clock: ManualClock
    ) -> None:
        breaker.force_open()
        clock.advance(1_000_000)
        with pytest.raises(CircuitOpenError, match="until it is reset") as caught:
            breaker.call(int)
        assert caught.value.rejected_because is RejectedBecause.FORCED_OPEN
        assert caught.value.retry_after is None
        assert breaker.snapshot().mode is Mode.FORCED_OPEN
        breaker.reset()
        assert breaker.call(int) == 0

    def test_disabled_admits_everything_and_counts_on(self, breaker: CircuitBreaker) -> None:
        breaker.disable()
        fail_times(breaker, 10)
        seen = breaker.snapshot()
        assert (seen.state, seen.mode) == (State.CLOSED, Mode.DISABLED)
        assert (seen.calls.failure, seen.consecutive_failures) == (10, 10)

    def test_reset_forgets_the_failures_and_keeps_the_counters(
        self, breaker: CircuitBreaker
    ) -> None:
        fail_times(breaker, 2)
        breaker.reset()
        fail_times(breaker, 2)
        seen = breaker.snapshot()
        assert (seen.state, seen.calls.failure) == (State.CLOSED, 4)
        assert seen.transitions == dict.fromkeys(seen.transitions, 0)


class TestWatching:
    def test_time_in_each_state_adds_up(self, breaker: CircuitBreaker, clock: ManualClock) -> None:
        clock.advance(7)
        fail_times(breaker, 3)
        clock.advance(12)
        breaker.call(int)
        clock.advance(1)
        assert breaker.snapshot().state_seconds == {
            State.CLOSED: pytest.approx(8),
            State.OPEN: pytest.approx(10),
            State.HALF_OPEN: pytest.approx(2),
        }

    def test_history_is_bounded(self, clock: ManualClock) -> None:
        breaker = breaker_on(clock, history_size=4)
        for _ in range(10):
            breaker.trip()
        assert len(breaker.history) == 4

    def test_listeners_hear_every_transition_in_order(
        self, breaker: CircuitBreaker, clock: ManualClock
    ) -> None:
        received: list[State] = []
        stop_listening = breaker.on_transition(lambda _, step: received.append(step.to_state))
        fail_times(breaker, 3)
        clock.advance(10)
        assert breaker.state is State.HALF_OPEN
        breaker.call(int)
        stop_listening()
        breaker.trip()
        assert received == [State.OPEN, State.HALF_OPEN, State.CLOSED]

    def test_a_listener_may_use_the_breaker_and_may_fail(
        self, breaker: CircuitBreaker, caplog: pytest.LogCaptureFixture
    ) -> None:
        received: list[str] = []

        def reset_at_once(which: CircuitBreaker, step: Transition) -> None:
            received.append(step.reason)
            if step.to_state is State.OPEN:
                which.reset()
            raise RuntimeError("a bad listener")

        breaker.on_transition(reset_at_once)
        breaker.trip()
        assert breaker.state is State.CLOSED
        assert received == ["tripped by hand", "reset by hand"]
        assert caplog.text.count("a listener to 'model' failed") == 2

    def test_durations_are_counted_by_verdict(
        self, breaker: CircuitBreaker, clock: ManualClock
    ) -> None:
        permit = breaker.acquire()
        clock.advance(0.3)
        permit.success()
        durations = {verdict.value: seen for verdict, seen in breaker.snapshot().durations.items()}
        assert durations["success"].sum == pytest.approx(0.3)
        assert dict(durations["success"].buckets)[0.25] == 0
        assert dict(durations["success"].buckets)[0.5] == 1
        assert durations["failure"].count == 0


@pytest.mark.parametrize(
    "settings",
    [
        {"recovery_timeout": 0},
        {"recovery_timeout": float("nan")},
        {"probe_timeout": -1},
        {"max_probes": 0},
        {"successes_to_close": 0},
        {"duration_buckets": (0.1, float("inf"))},
        {"duration_buckets": (0.1, float("nan"))},
    ],
)
def test_senseless_settings_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        CircuitBreaker("x", **settings)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least 1"):
        ConsecutiveFailures(0)
    with pytest.raises(ValueError, match="name"):
        CircuitBreaker("")


@pytest.mark.parametrize(
    "settings",
    [
        {"recovery_timeout": "3"},
        {"probe_timeout": None},
        {"max_probes": 1.5},
        {"trip": 3},
        {"recovry_timeout": 3},
    ],
)
def test_settings_of_another_type_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(TypeError, match=next(iter(settings))):
        CircuitBreaker("x", **settings)  # type: ignore[arg-type]


def test_no_lock_is_held_during_a_call() -> None:
    breaker = CircuitBreaker("slow")
    meeting = threading.Barrier(8, timeout=10)
    threads = [threading.Thread(target=breaker.call, args=(meeting.wait,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert breaker.snapshot().calls.success == 8


def test_counters_are_exact_under_threads(clock: ManualClock) -> None:
    breaker = breaker_on(clock, threshold=1_000_000)

    def work() -> None:
        for number in range(2_000):
            if number % 4:
                breaker.call(int)
            else:
                with pytest.raises(RuntimeError):
                    breaker.call(fail)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = breaker.snapshot()
    assert (seen.calls.success, seen.calls.failure, seen.in_flight) == (12_000, 4_000, 0)


class TestAUsersOwnPolicyThatFails:
    """Its errors reach no call."""

    @pytest.mark.parametrize("method", ["count", "trip", "gauges", "clear", "begin", "expire"])
    def test_in_each_method(
        self, method: str, clock: ManualClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        class BrokenMeter(Meter):
            counts_calls = True
            tracks_in_flight = True

            def count(self, now: float, started: float, **_: object) -> None:
                self.fail_in("count")

            def trip(self, now: float) -> Trip | None:
                self.fail_in("trip")
                return None

            def gauges(self, now: float) -> tuple[Gauge, ...]:
                self.fail_in("gauges")
                return ()

            def clear(self) -> None:
                self.fail_in("clear")

            def begin(self, started: float) -> None:
                self.fail_in("begin")

            def next_deadline(self) -> float:
                return clock.now if method == "expire" else inf

            def expire(self, now: float) -> None:
                self.fail_in("expire")

            def fail_in(self, name: str) -> None:
                if name == method:
                    raise ZeroDivisionError

        class Broken(TripPolicy):
            def meter(self, counters: Counters) -> Meter:
                return BrokenMeter()

        breaker = CircuitBreaker("model", trip=Broken() | ConsecutiveFailures(3), clock=clock)
        for _ in range(3):
            assert breaker.call(int) == 0
            breaker.snapshot()
        breaker.reset()
        clock.advance(1)
        fail_times(breaker, 3)
        assert breaker.state is State.OPEN  # by the policy beside it
        told = [record for record in caplog.records if "of the trip policy" in record.getMessage()]
        assert 1 <= len(told) <= 2


def test_fewer_successes_than_there_were_close_it(clock: ManualClock) -> None:
    breaker = breaker_on(clock, successes_to_close=3)
    fail_times(breaker, 3)
    clock.advance(10)
    breaker.call(int)
    breaker.call(int)
    assert breaker.snapshot().successes_missing == 1
    breaker.configure(successes_to_close=1)
    assert breaker.snapshot().successes_missing is None
    assert breaker.state is State.CLOSED
    assert breaker.history[-1].reason == "2 probes succeeded"


@pytest.mark.parametrize("command", ["reset", "trip", "force_open", "disable"])
def test_a_listener_that_repeats_a_command_ends(breaker: CircuitBreaker, command: str) -> None:
    received = 0

    def repeat(which: CircuitBreaker, _: Transition) -> None:
        nonlocal received
        received += 1
        assert received < 100
        getattr(which, command)()

    breaker.on_transition(repeat)
    breaker.trip()
    assert received <= 2


def test_a_fallback_is_for_its_own_breaker_not_one_of_the_same_name() -> None:
    outer, inner = CircuitBreaker("model"), CircuitBreaker("model")
    inner.force_open()

    @outer.guard(fallback="a default")
    def ask() -> str:
        return inner.call(str)

    with pytest.raises(CircuitOpenError):
        ask()
    outer.force_open()
    assert ask() == "a default"


@dataclass
class Client:
    breaker: CircuitBreaker
    hosts: list[str]


def test_what_holds_a_breaker_can_be_copied(breaker: CircuitBreaker) -> None:
    client = Client(breaker, ["a"])
    assert copy.deepcopy(client).breaker is copy.copy(breaker) is breaker
    assert asdict(client)["breaker"] is breaker
    with pytest.raises(TypeError, match="cannot be pickled: make one there"):
        pickle.dumps(client)
    permit = breaker.acquire()
    for copying in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="stands for one call"):
            copying(permit)
    permit.success()


@pytest.mark.parametrize("rule", [[KeyError], {KeyError}, frozenset([KeyError]), (KeyError,)])
def test_rules_may_be_any_collection(rule: Any) -> None:
    breaker = CircuitBreaker("model", ignore=rule)
    with pytest.raises(KeyError), breaker.acquire():
        raise KeyError
    assert breaker.snapshot().calls.ignored == 1


@pytest.mark.parametrize("name", [7, None, "", "a\nb", "\ud800", "\x1b[31m"])
def test_a_name_is_text_that_can_be_shown(name: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="name"):
        CircuitBreaker(name)
