"""Generated traffic: calls at a set rate."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from math import inf
from typing import Any

from fuseboard.breaker.errors import CircuitOpenError
from fuseboard.invalid_input import InvalidInputError
from fuseboard.ollama.client import OllamaError
from fuseboard.snapshot.snapshot import TrafficSnapshot
from fuseboard.snapshot.traffic_kind import TrafficKind

_PACE_SECONDS = 5  # of the actual rate
_SHORTEST_WAIT = 0.001  # seconds; what is due in between is started together
_MAX_DUE = 2**53
_ROUNDING = 1e-6  # of a call: one that is due within so little is due now

_logger = logging.getLogger(__name__)


class TrafficGenerator:
    """Start `rate` calls a second, of which at most `concurrency` run at the same time.

    The load is an open loop: the schedule does not slow down. What is due but
    cannot be started, because the server or this process is too slow, is
    counted as skipped. Belongs to one event loop; `snapshot()` may be called
    from any thread.

    Args:
        kind: Shown in the snapshot.
        make_call: Makes one call, which may be several requests to the server.
        rate: Calls per second.
        concurrency: Maximum number of concurrent calls.
    """

    def __init__(
        self,
        kind: TrafficKind,
        make_call: Callable[[], Coroutine[Any, Any, None]],
        rate: float,
        concurrency: int,
    ) -> None:
        self._kind = kind
        self._make_call = make_call
        self._rate = rate
        self._concurrency = concurrency
        self._running = asyncio.Event()
        self._calls: set[asyncio.Task[None]] = set()
        self._skipped = 0
        self._pace = _Pace()
        self._next_at = 0.0  # on the loop's clock
        self._rate_changed = asyncio.Event()

    def start(self) -> None:
        """Start making calls."""
        _logger.info("traffic begins, %g calls a second", self._rate)
        self._running.set()

    def stop(self) -> None:
        """Start no new calls; calls in progress continue."""
        _logger.info("traffic stops")
        self._running.clear()

    def set_rate(self, rate: float) -> None:
        """Start `rate` calls per second from now on.

        Raises:
            ValueError: If `rate` is not a finite number above 0.
        """
        if not 0 < rate < inf:
            raise InvalidInputError(f"a rate is a number above 0, not {rate:g}")
        _logger.info("traffic at %g calls a second", rate)
        self._rate = rate
        now = asyncio.get_running_loop().time()
        self._next_at = min(self._next_at, now + 1 / rate)
        self._rate_changed.set()

    async def run(self) -> None:
        """Make calls while started, until this is cancelled; then cancel those in progress."""
        loop = asyncio.get_running_loop()
        self._next_at = loop.time()
        try:
            while True:
                if not self._running.is_set():
                    await self._running.wait()
                    self._next_at = loop.time()
                await self._wait_for_next()
                if self._running.is_set():
                    self._start_due_calls(loop.time())
        finally:
            for call in self._calls:
                call.cancel()
            await asyncio.gather(*self._calls, return_exceptions=True)

    def _start_due_calls(self, now: float) -> None:
        """Start the calls that are due by now, as far as there is capacity; skip the others."""
        due = max(int(min((now - self._next_at) * self._rate + _ROUNDING, _MAX_DUE)) + 1, 1)
        self._next_at = max(self._next_at + due / self._rate, now)
        started = min(due, max(self._concurrency - len(self._calls), 0))
        self._skipped += due - started
        self._pace.record(now, started, due)
        for _ in range(started):
            call = asyncio.create_task(_log_errors(self._make_call()))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)

    async def _wait_for_next(self) -> None:
        """Wait until the next call is due, even if a new rate brings that forward."""
        loop = asyncio.get_running_loop()
        while (left := self._next_at - loop.time()) > 0:
            self._rate_changed.clear()
            try:
                async with asyncio.timeout(max(left, _SHORTEST_WAIT)):
                    await self._rate_changed.wait()
            except TimeoutError:
                return
        await asyncio.sleep(0)

    async def wait_for_capacity(self) -> None:
        """Wait until fewer than `concurrency` calls are in progress."""
        while len(self._calls) >= self._concurrency:
            await asyncio.wait(self._calls, return_when=asyncio.FIRST_COMPLETED)

    def snapshot(self) -> TrafficSnapshot:
        """Return a snapshot of the traffic."""
        return TrafficSnapshot(
            kind=self._kind,
            running=self._running.is_set(),
            rate=self._rate,
            concurrency=self._concurrency,
            in_flight=len(self._calls),
            skipped=self._skipped,
            actual_rate=self._rate * self._pace.started_share,
        )


class _Pace:
    """How many of the calls that were due lately have been started.

    Measured against what was due, not against a clock: so a rate that is kept
    is the rate that was asked for, whatever the moment of the measurement.
    """

    def __init__(self) -> None:
        self.started_share = 1.0
        """Of the calls that were due (0-1); a float, which other threads may read."""
        self._buckets: deque[list[float]] = deque()  # second, started, due

    def record(self, now: float, started: int, due: int) -> None:
        """Record what was due at a time of the event loop's clock, and started."""
        second = now // 1
        if not self._buckets or self._buckets[-1][0] != second:
            self._buckets.append([second, 0, 0])
        self._buckets[-1][1] += started
        self._buckets[-1][2] += due
        while self._buckets[0][0] <= second - _PACE_SECONDS:
            self._buckets.popleft()
        total = sum(bucket[2] for bucket in self._buckets)
        self.started_share = sum(bucket[1] for bucket in self._buckets) / total


async def _log_errors(call: Coroutine[Any, Any, None]) -> None:
    try:
        await call
    except (CircuitOpenError, OllamaError) as error:
        _logger.debug("a call of the traffic ended: %s", error)
    except Exception:
        _logger.exception("a call of the traffic broke")
