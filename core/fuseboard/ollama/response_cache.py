"""Answers that are kept, and asked for once however many want them at a time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Hashable
from contextlib import aclosing
from typing import Any, Generic, TypeVar

from cachetools import TTLCache

from fuseboard.breaker.snapshot import CacheSnapshot

T = TypeVar("T")


class ResponseCache:
    """Keeps whole answers, which are streams of pieces, by key.

    The least recently used go first when it is full, and each after its time.
    Requests for the same key at the same time share one *flight*: the pieces
    go to all of them as they come, and all but the first count as hits. A
    flight that fails fails for all of them, and nothing is kept. It goes on as
    long as anybody listens; whoever leaves last cancels it and waits for its end.

    Belongs to one event loop; `snapshot()` may be called from any thread.

    Args:
        name: The name in metrics and on the screen.
        maximum: How many answers it keeps at most.
        seconds: How long it keeps each.
        clock: Seconds that only ever go forward.

    Raises:
        ValueError: If a setting makes no sense.
    """

    def __init__(
        self,
        name: str,
        maximum: int,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if maximum < 1:
            raise ValueError(f"a cache needs room for at least 1 answer, not {maximum}")
        if not 0 < seconds < float("inf"):
            raise ValueError(f"a cache's time must be a positive number, not {seconds!r}")
        self.name = name
        self._maximum = maximum
        # Even counting them lets those go whose time is over, on whatever thread it is done.
        self._lock = threading.Lock()
        self._answers: TTLCache[Hashable, tuple[Any, ...]] = TTLCache(maximum, seconds, clock)
        self._flights: dict[Hashable, _Flight[Any]] = {}
        self._hits = 0
        self._misses = 0

    async def stream(
        self, key: Hashable, ask: Callable[[], AsyncGenerator[T, None]]
    ) -> AsyncGenerator[T, None]:
        """Yield the answer to `key`: what is kept, what is coming, or what `ask` gets now."""
        with self._lock:
            kept: tuple[T, ...] | None = self._answers.get(key)
        if kept is not None:
            self._hits += 1
            for piece in kept:
                yield piece
            return
        flight: _Flight[T] | None = self._flights.get(key)
        if flight is None or flight.abandoned:
            self._misses += 1
            flight = self._flights[key] = _Flight()
            flight.task = asyncio.create_task(self._fly(key, flight, ask))
        else:
            self._hits += 1
        async with aclosing(flight.pieces()) as pieces:
            async for piece in pieces:
                yield piece

    def snapshot(self) -> CacheSnapshot:
        """Take a picture of the cache."""
        with self._lock:
            entries = len(self._answers)
        return CacheSnapshot(self.name, self._hits, self._misses, entries, self._maximum)

    async def _fly(
        self, key: Hashable, flight: _Flight[T], ask: Callable[[], AsyncGenerator[T, None]]
    ) -> None:
        error: BaseException | None = None
        try:
            async with aclosing(ask()) as pieces:
                async for piece in pieces:
                    flight.add(piece)
            with self._lock:
                self._answers[key] = tuple(flight.come)
        except BaseException as caught:
            error = caught
            if not isinstance(caught, Exception):
                raise
        finally:
            if self._flights.get(key) is flight:
                del self._flights[key]
            flight.end(error)  # whatever it was: nobody may be left waiting


class _Flight(Generic[T]):
    """An answer that is coming, to all who want it."""

    def __init__(self) -> None:
        self.come: list[T] = []
        self.task: asyncio.Task[None] | None = None
        self.abandoned = False
        self._listeners = 0
        self._ended = False
        self._error: BaseException | None = None
        self._news = asyncio.Event()

    def add(self, piece: T) -> None:
        self.come.append(piece)
        self._tell()

    def end(self, error: BaseException | None) -> None:
        self._ended = True
        self._error = error
        self._tell()

    async def pieces(self) -> AsyncGenerator[T, None]:
        """Yield all pieces from the first on; whoever leaves last ends the flight."""
        self._listeners += 1
        try:
            given = 0
            while True:
                while given < len(self.come):
                    given += 1
                    yield self.come[given - 1]
                if self._ended:
                    break
                await self._news.wait()
            if self._error is not None:
                raise self._error
        finally:
            self._listeners -= 1
            if not self._listeners and not self._ended and self.task is not None:
                self.abandoned = True
                self.task.cancel()
                await asyncio.wait([self.task])

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
