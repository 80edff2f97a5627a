"""A guard around a client whose transport has the same breaker, and one in another, is one call."""

from __future__ import annotations

import httpx
import pytest

from fuseboard import CircuitBreaker, ConsecutiveFailures, State
from fuseboard.http import BreakerTransport
from tests.core.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def breaker(clock: ManualClock) -> CircuitBreaker:
    return CircuitBreaker("model", trip=ConsecutiveFailures(3), recovery_timeout=10, clock=clock)


def counts(breaker: CircuitBreaker) -> tuple[int, int, int, int, int]:
    seen = breaker.snapshot()
    calls = seen.calls
    return calls.success, calls.failure, calls.ignored, calls.rejected, seen.in_flight


class TestTransports:
    def client(self, breaker: CircuitBreaker, body: bytes, *, twice: bool) -> httpx.Client:
        inner: httpx.BaseTransport = httpx.MockTransport(
            lambda _: httpx.Response(200, stream=httpx.ByteStream(body))
        )
        if twice:
            inner = BreakerTransport(breaker, inner)
        return httpx.Client(transport=BreakerTransport(breaker, inner))

    @pytest.mark.parametrize("twice", [False, True])
    def test_is_one_call(self, breaker: CircuitBreaker, clock: ManualClock, twice: bool) -> None:
        with self.client(breaker, b"hello", twice=twice) as client:
            get = breaker.guard(client.get)
            assert get("http://model/").text == "hello"
            assert counts(breaker) == (1, 0, 0, 0, 0)
            breaker.trip()
            clock.advance(10)
            assert get("http://model/").text == "hello"
        assert breaker.state is State.CLOSED

    def test_one_transport_in_another(self, breaker: CircuitBreaker, clock: ManualClock) -> None:
        breaker.trip()
        clock.advance(10)
        with self.client(breaker, b"hello", twice=True) as client:
            assert client.get("http://model/").text == "hello"
            assert breaker.state is State.CLOSED
            assert client.get("http://model/").text == "hello"
        assert counts(breaker) == (2, 0, 0, 0, 0)

    async def test_one_transport_in_another_asynchronously(self, breaker: CircuitBreaker) -> None:
        inner = BreakerTransport(
            breaker, httpx.MockTransport(lambda _: httpx.Response(500, text="broken"))
        )
        async with httpx.AsyncClient(transport=BreakerTransport(breaker, inner)) as client:
            await client.get("http://model/")
        assert counts(breaker) == (0, 1, 0, 0, 0)

    def test_a_stream_is_judged_at_its_end(self, breaker: CircuitBreaker) -> None:
        with self.client(breaker, b"hello", twice=False) as client:
            request = client.build_request("GET", "http://model/")
            response = breaker.call(client.send, request, stream=True)
            assert counts(breaker) == (0, 0, 0, 0, 1)
            response.read()
        assert counts(breaker) == (1, 0, 0, 0, 0)
