"""Guarding functions of every kind: the decorator, the permit as a block, fallbacks."""

from __future__ import annotations

import asyncio
import gc
import inspect
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import aclosing, asynccontextmanager, closing, contextmanager, suppress
from functools import partial
from typing import Any, NoReturn

import pytest

from fuseboard import CircuitBreaker, CircuitOpenError, ConsecutiveFailures, State, Verdict
from tests.core.clock import ManualClock


@pytest.fixture
def breaker() -> CircuitBreaker:
    return CircuitBreaker("model", trip=ConsecutiveFailures(3), clock=ManualClock())


def counts(breaker: CircuitBreaker) -> tuple[int, int, int, int]:
    """How many calls succeeded, failed, were ignored and are in flight."""
    seen = breaker.snapshot()
    return seen.calls.success, seen.calls.failure, seen.calls.ignored, seen.in_flight


class TestFunctions:
    def test_keep_name_and_signature(self, breaker: CircuitBreaker) -> None:
        @breaker.guard
        def add(a: int, b: int = 1) -> int:
            """Add."""
            return a + b

        assert add(1, b=2) == 3
        assert (add.__name__, add.__doc__) == ("add", "Add.")
        assert str(inspect.signature(add)) == "(a: 'int', b: 'int' = 1) -> 'int'"
        assert counts(breaker) == (1, 0, 0, 0)

    def test_may_be_methods(self, breaker: CircuitBreaker) -> None:
        class Client:
            base = 10

            @breaker.guard
            def ask(self, number: int) -> int:
                return self.base + number

            @staticmethod
            @breaker.guard
            def twice(number: int) -> int:
                return 2 * number

        assert Client().ask(5) == 15
        assert Client.twice(5) == 10
        assert counts(breaker) == (2, 0, 0, 0)

    def test_may_be_static_and_class_methods_in_either_order(self, breaker: CircuitBreaker) -> None:
        class Client:
            @breaker.guard
            @staticmethod
            def twice(number: int) -> int:
                return 2 * number

            @breaker.guard
            @classmethod
            def name(cls, suffix: str) -> str:
                return cls.__name__ + suffix

            @breaker.guard(fallback=0)
            @staticmethod
            def fail() -> int:
                raise RuntimeError

        assert Client.twice(5) == Client().twice(5) == 10
        assert Client.name("!") == Client().name("!") == "Client!"
        with pytest.raises(RuntimeError):
            Client().fail()
        assert counts(breaker) == (4, 1, 0, 0)

    def test_are_rejected_without_being_called(self, breaker: CircuitBreaker) -> None:
        called = []
        guarded = breaker.guard(lambda: called.append(1))
        breaker.force_open()
        with pytest.raises(CircuitOpenError):
            guarded()
        assert called == []

    def test_may_be_proxies_that_answer_to_any_name(self, breaker: CircuitBreaker) -> None:
        class Remote:  # as xmlrpc.client has them
            def __getattr__(self, name: str) -> Remote:
                return Remote()

            def __call__(self) -> str:
                return "done"

        assert breaker.call(Remote()) == "done"

    def test_what_cannot_be_called_is_refused(self, breaker: CircuitBreaker) -> None:
        with pytest.raises(TypeError, match="can be called"):
            breaker.guard(42)  # type: ignore[call-overload]


class TestCoroutines:
    async def test_stay_coroutine_functions(self, breaker: CircuitBreaker) -> None:
        @breaker.guard
        async def double(number: int) -> int:
            await asyncio.sleep(0)
            return 2 * number

        assert inspect.iscoroutinefunction(double)
        assert await double(4) == 8
        assert counts(breaker) == (1, 0, 0, 0)

    async def test_a_call_begins_when_it_is_awaited(self, breaker: CircuitBreaker) -> None:
        async def nothing() -> None: ...

        for later in (breaker.guard(nothing)(), breaker.call(nothing)):
            assert counts(breaker)[3] == 0
            breaker.force_open()
            with pytest.raises(CircuitOpenError):
                await later
            breaker.reset()

    async def test_one_that_is_never_awaited_leaves_nothing_behind(
        self, breaker: CircuitBreaker
    ) -> None:
        async def nothing() -> None: ...

        made = nothing()
        later = breaker.call(lambda: made)
        assert counts(breaker) == (0, 0, 0, 0)
        later.close()
        made.close()
        assert counts(breaker) == (0, 0, 0, 0)
        breaker.trip()

    async def test_what_a_lambda_returns_is_guarded_too(self, breaker: CircuitBreaker) -> None:
        async def fail() -> NoReturn:
            raise RuntimeError

        guarded = breaker.guard(lambda: fail())
        with pytest.raises(RuntimeError):
            await guarded()
        assert counts(breaker) == (0, 1, 0, 0)
        later = guarded()
        breaker.force_open()
        with pytest.raises(CircuitOpenError):
            await later

    async def test_callable_objects_and_partials(self, breaker: CircuitBreaker) -> None:
        class Caller:
            async def __call__(self, number: int) -> int:
                return number

        assert await breaker.guard(Caller())(3) == 3
        assert await breaker.guard(partial(Caller(), 4))() == 4
        assert counts(breaker) == (2, 0, 0, 0)


def numbers(upto: int, fail_at: int | None = None) -> Generator[int, str | None, str]:
    received = []
    for number in range(upto):
        if number == fail_at:
            raise RuntimeError
        received.append((yield number) or "")
    return "".join(received)


async def async_numbers(
    upto: int, fail_at: int | None = None
) -> AsyncGenerator[int | str, str | None]:
    received = ""
    for number in range(upto):
        await asyncio.sleep(0)
        if number == fail_at:
            raise RuntimeError
        received += (yield number) or ""
    if received:
        yield received


class TestGenerators:
    def test_are_judged_when_they_end(self, breaker: CircuitBreaker) -> None:
        guarded = breaker.guard(numbers)
        assert inspect.isgeneratorfunction(guarded)
        stream = guarded(3)
        assert counts(breaker) == (0, 0, 0, 0)
        assert next(stream) == 0
        assert counts(breaker) == (0, 0, 0, 1)
        assert list(stream) == [1, 2]
        assert counts(breaker) == (1, 0, 0, 0)

    def test_fail_when_they_raise(self, breaker: CircuitBreaker) -> None:
        with pytest.raises(RuntimeError):
            list(breaker.guard(numbers)(3, fail_at=2))
        assert counts(breaker) == (0, 1, 0, 0)

    def test_one_closed_after_an_item_has_done_its_work(self, breaker: CircuitBreaker) -> None:
        with closing(breaker.guard(numbers)(3)) as stream:
            next(stream)
        assert counts(breaker) == (1, 0, 0, 0)

    def test_one_never_begun_is_no_call(self, breaker: CircuitBreaker) -> None:
        breaker.guard(numbers)(3).close()
        assert counts(breaker) == (0, 0, 0, 0)

    def test_one_abandoned_gives_its_permit_back(self, breaker: CircuitBreaker) -> None:
        stream = breaker.guard(numbers)(3)
        next(stream)
        del stream
        gc.collect()
        assert counts(breaker) == (1, 0, 0, 0)

    def test_can_be_sent_to_and_thrown_into(self, breaker: CircuitBreaker) -> None:
        def listening() -> Generator[str, str, str]:
            try:
                received = yield "?"
            except KeyError:
                received = yield "caught"
            return received

        stream = breaker.guard(listening)()
        assert next(stream) == "?"
        assert stream.throw(KeyError) == "caught"
        with pytest.raises(StopIteration) as stopped:
            stream.send("bye")
        assert stopped.value.value == "bye"
        assert counts(breaker) == (1, 0, 0, 0)

    def test_call_and_lambdas_guard_them_too(self, breaker: CircuitBreaker) -> None:
        assert list(breaker.call(numbers, 2)) == [0, 1]
        assert list(breaker.call(lambda: numbers(2))) == [0, 1]
        assert counts(breaker) == (2, 0, 0, 0)

    def test_the_time_to_the_first_item_is_told(self) -> None:
        clock = ManualClock()
        breaker = CircuitBreaker("model", clock=clock)
        received = []
        breaker.on_call(lambda _, call: received.append((call.first_item, call.seconds)))

        def slow() -> Iterator[int]:
            clock.advance(2)
            yield 1
            clock.advance(5)

        list(breaker.guard(slow)())
        assert received == [(2, 7)]


class TestAsyncGenerators:
    async def test_are_judged_when_they_end(self, breaker: CircuitBreaker) -> None:
        guarded = breaker.guard(async_numbers)
        assert inspect.isasyncgenfunction(guarded)
        stream = guarded(3)
        assert await anext(stream) == 0
        assert counts(breaker) == (0, 0, 0, 1)
        assert [number async for number in stream] == [1, 2]
        assert counts(breaker) == (1, 0, 0, 0)

    async def test_fail_when_they_raise(self, breaker: CircuitBreaker) -> None:
        with pytest.raises(RuntimeError):
            async for _ in breaker.guard(async_numbers)(3, fail_at=1):
                pass
        assert counts(breaker) == (0, 1, 0, 0)

    async def test_one_closed_after_an_item_has_done_its_work(
        self, breaker: CircuitBreaker
    ) -> None:
        async with aclosing(breaker.guard(async_numbers)(3)) as stream:
            await anext(stream)
        assert counts(breaker) == (1, 0, 0, 0)

    async def test_one_cancelled_proves_nothing(self, breaker: CircuitBreaker) -> None:
        async def hang() -> AsyncIterator[int]:
            yield 1
            await asyncio.Event().wait()

        async def read() -> None:
            async for _ in breaker.guard(hang)():
                pass

        task = asyncio.create_task(read())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert counts(breaker) == (0, 0, 1, 0)

    async def test_can_be_sent_to_and_thrown_into(self, breaker: CircuitBreaker) -> None:
        stream = breaker.guard(async_numbers)(2)
        assert await stream.asend(None) == 0
        assert await stream.asend("a") == 1
        assert await stream.asend("b") == "ab"
        with pytest.raises(KeyError):
            await stream.athrow(KeyError())
        assert counts(breaker) == (0, 0, 1, 0)

    async def test_call_guards_them_too(self, breaker: CircuitBreaker) -> None:
        assert [number async for number in breaker.call(async_numbers, 2)] == [0, 1]
        assert [number async for number in breaker.call(lambda: async_numbers(2))] == [0, 1]
        assert counts(breaker) == (2, 0, 0, 0)


class TestWhatAConsumerThrowsIn:
    """fastapi#869: what the body of `with` raises is the consumer's, not the service's."""

    def test_into_a_context_manager(self, breaker: CircuitBreaker) -> None:
        @contextmanager
        @breaker.guard
        def session() -> Iterator[str]:
            try:
                yield "session"
            finally:
                pass

        for _ in range(5):
            with pytest.raises(KeyError), session():
                raise KeyError
        assert counts(breaker) == (0, 0, 5, 0)
        with session():
            pass
        assert counts(breaker) == (1, 0, 5, 0)

    async def test_into_an_asynchronous_one(self, breaker: CircuitBreaker) -> None:
        @asynccontextmanager
        @breaker.guard
        async def session() -> AsyncIterator[str]:
            await asyncio.sleep(0)
            yield "session"

        for _ in range(5):
            with pytest.raises(KeyError):
                async with session():
                    raise KeyError
        assert counts(breaker) == (0, 0, 5, 0)

    @pytest.mark.parametrize("stop", [StopIteration, StopAsyncIteration])
    async def test_a_stop(self, breaker: CircuitBreaker, stop: type[Exception]) -> None:
        @contextmanager
        @breaker.guard
        def session() -> Iterator[str]:
            yield "session"

        @asynccontextmanager
        @breaker.guard
        async def session_later() -> AsyncIterator[str]:
            yield "session"

        with suppress(RuntimeError, stop), session():
            raise stop
        with suppress(RuntimeError, stop):
            async with session_later():
                raise stop
        assert counts(breaker) == (0, 0, 2, 0)

    def test_what_the_generator_makes_of_it_is_its_own(self, breaker: CircuitBreaker) -> None:
        @contextmanager
        @breaker.guard
        def session() -> Iterator[str]:
            try:
                yield "session"
            except KeyError:
                raise RuntimeError("the rollback failed") from None

        with pytest.raises(RuntimeError), session():
            raise KeyError
        assert counts(breaker) == (0, 1, 0, 0)

    def test_one_that_the_generator_survives(self, breaker: CircuitBreaker) -> None:
        @breaker.guard
        def items() -> Iterator[int]:
            for number in range(2):
                with suppress(KeyError):
                    yield number

        stream = items()
        assert next(stream) == 0
        assert stream.throw(KeyError()) == 1  # type: ignore[attr-defined]
        assert list(stream) == []
        assert counts(breaker) == (1, 0, 0, 0)


class TestPermitAsABlock:
    def test_settles_by_how_the_block_ends(self, breaker: CircuitBreaker) -> None:
        with breaker.acquire():
            pass
        with pytest.raises(RuntimeError), breaker.acquire():
            raise RuntimeError
        with pytest.raises(KeyboardInterrupt), breaker.acquire():
            raise KeyboardInterrupt
        assert counts(breaker) == (1, 1, 1, 0)

    async def test_works_in_coroutines(self, breaker: CircuitBreaker) -> None:
        async with breaker.acquire():
            await asyncio.sleep(0)
        assert counts(breaker) == (1, 0, 0, 0)

    def test_the_block_may_settle_it_first(self, breaker: CircuitBreaker) -> None:
        with breaker.acquire() as permit:
            permit.failure("half an answer")
        assert counts(breaker) == (0, 1, 0, 0)

    def test_does_not_admit_when_open(self, breaker: CircuitBreaker) -> None:
        breaker.force_open()
        with pytest.raises(CircuitOpenError), breaker.acquire():
            pytest.fail("was admitted")

    def test_guards_one_block_only(self, breaker: CircuitBreaker) -> None:
        permit = breaker.acquire()
        with permit:
            pass
        with pytest.raises(RuntimeError, match="acquire another"), permit:
            pytest.fail("ran unguarded")


class TestFallback:
    def test_answers_for_rejections(self, breaker: CircuitBreaker) -> None:
        fetch = breaker.guard(fallback="stale")(lambda: "fresh")
        assert fetch() == "fresh"
        breaker.force_open()
        assert fetch() == "stale"
        assert breaker.snapshot().calls.rejected == 1

    def test_is_given_the_arguments_and_can_ask_what_happened(
        self, breaker: CircuitBreaker
    ) -> None:
        happened: list[BaseException | None] = []

        def stale(key: str, *, region: str) -> str:
            happened.append(sys.exception())
            return f"stale {key} {region}"

        @breaker.guard(fallback=stale)
        def fetch(key: str, *, region: str) -> str:
            return f"fresh {key} {region}"

        breaker.force_open()
        assert fetch("k", region="eu") == "stale k eu"
        assert isinstance(happened[0], CircuitOpenError)

    def test_does_not_answer_for_failures_unless_asked(self, breaker: CircuitBreaker) -> None:
        def fail() -> str:
            raise RuntimeError

        with pytest.raises(RuntimeError):
            breaker.guard(fallback="stale")(fail)()
        assert breaker.guard(fallback="stale", on_failure=True)(fail)() == "stale"
        assert counts(breaker) == (0, 2, 0, 0)

    def test_does_not_hide_what_is_no_failure(self) -> None:
        breaker = CircuitBreaker("model", ignore=ValueError)

        def misuse() -> str:
            raise ValueError

        with pytest.raises(ValueError):
            breaker.guard(fallback="stale", on_failure=True)(misuse)()

    def test_answers_for_bad_results(self) -> None:
        breaker = CircuitBreaker("model", failure_on_result=lambda result: result == "bad")
        assert breaker.guard(fallback="stale", on_failure=True)(lambda: "bad")() == "stale"
        assert breaker.guard(fallback="stale")(lambda: "bad")() == "bad"
        assert counts(breaker) == (0, 2, 0, 0)

    def test_leaves_another_breakers_rejection_alone(self, breaker: CircuitBreaker) -> None:
        inner = CircuitBreaker("inner")
        inner.force_open()
        with pytest.raises(CircuitOpenError, match="inner"):
            breaker.guard(fallback="stale")(inner.guard(lambda: "fresh"))()

    async def test_of_coroutines_may_be_a_coroutine_function(self, breaker: CircuitBreaker) -> None:
        async def stale(number: int) -> int:
            await asyncio.sleep(0)
            return -number

        @breaker.guard(fallback=stale)
        async def fetch(number: int) -> int:
            return number

        assert await fetch(5) == 5
        breaker.force_open()
        assert await fetch(5) == -5

    async def test_of_streams(self, breaker: CircuitBreaker) -> None:
        some = breaker.guard(fallback=[7, 8])(numbers)
        async_some = breaker.guard(fallback=lambda *_, **__: async_numbers(2))(async_numbers)
        assert list(some(2)) == [0, 1]
        assert [number async for number in async_some(3)] == [0, 1, 2]
        breaker.force_open()
        assert list(some(2)) == [7, 8]
        assert [number async for number in async_some(3)] == [0, 1]

    async def test_of_what_a_plain_function_returns_to_be_awaited_or_iterated(
        self, breaker: CircuitBreaker
    ) -> None:
        async def fetch(number: int) -> int:
            if number < 0:
                raise RuntimeError
            return number

        async def stale(number: int) -> int:
            return -number

        wrapped = breaker.guard(fallback=stale, on_failure=True)(lambda number: fetch(number))
        some = breaker.guard(fallback=[7, 8], on_failure=True)(lambda: numbers(2, fail_at=0))
        begun = wrapped(5)
        assert [await wrapped(5), await wrapped(-5)] == [5, 5]
        assert list(some()) == [7, 8]
        breaker.force_open()
        assert [await wrapped(5), await begun] == [-5, -5]
        assert list(some()) == [7, 8]

    def test_does_not_follow_half_a_stream(self, breaker: CircuitBreaker) -> None:
        some = breaker.guard(fallback=[7, 8], on_failure=True)(numbers)
        assert list(some(2, fail_at=0)) == [7, 8]
        read: list[int] = []
        with pytest.raises(RuntimeError):
            read.extend(number for number in some(2, fail_at=1))
        assert counts(breaker) == (0, 2, 0, 0)


class TestVerdictRules:
    @pytest.mark.parametrize(
        ("settings", "error", "verdict"),
        [
            ({}, ValueError(), Verdict.FAILURE),
            ({}, KeyboardInterrupt(), Verdict.IGNORED),
            ({}, SystemExit(), Verdict.IGNORED),
            ({"failure_on": OSError}, TimeoutError(), Verdict.FAILURE),
            ({"failure_on": OSError}, ValueError(), Verdict.IGNORED),
            ({"ignore": (ValueError, KeyError)}, KeyError(), Verdict.IGNORED),
            ({"ignore": lambda error: "mine" in str(error)}, ValueError("mine"), Verdict.IGNORED),
            ({"ignore": lambda error: "mine" in str(error)}, ValueError("his"), Verdict.FAILURE),
            ({"failure_on": (OSError, lambda e: "x" in str(e))}, ValueError("x"), Verdict.FAILURE),
            ({"failure_on": OSError, "ignore": TimeoutError}, TimeoutError(), Verdict.IGNORED),
            ({"unsent_on": ConnectionError}, ConnectionError(), Verdict.IGNORED),
        ],
    )
    def test_of_exceptions(
        self, settings: dict[str, Any], error: BaseException, verdict: Verdict
    ) -> None:
        breaker = CircuitBreaker("model", **settings)

        def raise_it() -> NoReturn:
            raise error

        for _ in range(2):
            with pytest.raises(type(error)):
                breaker.call(raise_it)
        expected = (0, 2, 0, 0) if verdict is Verdict.FAILURE else (0, 0, 2, 0)
        assert counts(breaker) == expected
        assert breaker.snapshot().unsent == (2 if "unsent_on" in settings else 0)

    def test_of_results(self) -> None:
        breaker = CircuitBreaker(
            "model",
            failure_on_result=lambda answer: answer["status"] >= 500,
            ignore_result=lambda answer: answer["status"] == 404,
        )
        for status in (200, 503, 404):
            assert breaker.call(dict, status=status) == {"status": status}
        assert counts(breaker) == (1, 1, 1, 0)

    async def test_of_what_a_coroutine_returns_and_a_stream_yields(self) -> None:
        breaker = CircuitBreaker("model", failure_on_result=lambda item: item == 1)

        async def one() -> int:
            return 1

        assert await breaker.call(one) == 1
        assert list(breaker.call(numbers, 3)) == [0, 1, 2]
        assert [item async for item in breaker.call(async_numbers, 1)] == [0]
        assert counts(breaker) == (1, 2, 0, 0)

    def test_a_predicate_that_raises_is_logged_and_decides_nothing(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        breaker = CircuitBreaker("model", failure_on_result=lambda answer: answer["status"] > 1)
        assert breaker.call(int) == 0
        assert counts(breaker) == (1, 0, 0, 0)
        assert "predicate" in caplog.text

    @pytest.mark.parametrize("rule", [KeyboardInterrupt, asyncio.CancelledError, int, "OSError"])
    def test_senseless_rules_are_refused(self, rule: Any) -> None:
        with pytest.raises(TypeError, match="failure_on"):
            CircuitBreaker("model", failure_on=rule)

    @pytest.mark.parametrize("rule", ["failure_on", "ignore", "failure_on_result", "ignore_result"])
    def test_predicates_that_cannot_answer_are_refused(self, rule: Any) -> None:
        async def later(_: object) -> bool:
            return False

        for predicate in (later, 5):
            with pytest.raises(TypeError, match=rule):
                CircuitBreaker("model", **{rule: predicate})  # type: ignore[arg-type]


class TestListeners:
    def test_hear_of_calls_and_rejections(self, breaker: CircuitBreaker) -> None:
        received: list[str] = []
        unsubscribe = breaker.on_call(
            lambda which, call: received.append(f"{which.name} {call.ruling.verdict.value}")
        )
        breaker.on_rejection(lambda _, error: received.append(error.rejected_because.value))
        breaker.call(int)
        late = breaker.acquire()
        breaker.force_open()
        with pytest.raises(CircuitOpenError):
            breaker.call(int)
        late.ignore()
        assert received == ["model success", "forced_open", "model ignored"]
        unsubscribe()
        breaker.reset()
        breaker.call(int)
        assert len(received) == 3

    def test_one_added_twice_is_taken_off_one_by_one(self, breaker: CircuitBreaker) -> None:
        received: list[object] = []

        def listen(*event: object) -> None:
            received.append(event)

        unsubscribe = breaker.on_call(listen)
        breaker.on_call(listen)
        unsubscribe()
        unsubscribe()
        breaker.call(int)
        assert len(received) == 1

    def test_must_not_be_coroutine_functions(self, breaker: CircuitBreaker) -> None:
        async def listen(*_: object) -> None: ...

        with pytest.raises(TypeError, match="async"):
            breaker.on_transition(listen)  # type: ignore[arg-type]


def test_metrics_only_says_when_it_would_have_opened(breaker: CircuitBreaker) -> None:
    breaker.only_measure()
    for _ in range(10):
        breaker.acquire().failure("bad")
    seen = breaker.snapshot()
    assert seen.state is State.CLOSED
    assert seen.calls.rejected == 0
    reasons = [step.reason for step in breaker.history]
    assert reasons == [
        "set to measure only by hand",
        "would have opened: 3 consecutive failures: 3× bad",
    ]
    breaker.reset()
    for _ in range(3):
        breaker.acquire().failure("bad")
    assert breaker.state is State.OPEN
