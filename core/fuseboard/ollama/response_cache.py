"""A cache of streamed responses that merges concurrent requests for the same key."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Hashable
from contextlib import aclosing
from typing import Any, Generic, TypeVar

from cachetools import TTLCache

from fuseboard.breaker.fork import renewed_lock
from fuseboard.breaker.live_object import LiveObject
from fuseboard.breaker.names import check_name
from fuseboard.breaker.snapshot import CacheSnapshot
from fuseboard.breaker.validation import NumberKind

T = TypeVar("T")


class ResponseCache(LiveObject):
    """A least-recently-used cache of complete responses, each a sequence of chunks.

    Concurrent requests for one key share a single flight: the response is
    fetched once, its chunks go to all readers as they arrive, and all readers
    but the first count as hits. If it fails, it fails for all of them and
    nothing is stored. It goes on while it has a reader; the last one to leave
    cancels it and waits for its end.

    Use it on one event loop; `snapshot()` may be called from any thread.

    Args:
        name: The cache's name in metrics and snapshots.
        max_entries: How many responses are stored; the least recently used is
            dropped first.
        ttl: Seconds for which a response is stored.
        clock: A monotonic clock, seconds.

    Raises:
        TypeError, ValueError: If the name cannot be exported, `max_entries` is no whole
            number of at least 1, or `ttl` no number of seconds.
    """

    def __init__(
        self,
        name: str,
        max_entries: int,
        ttl: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = check_name(name, "a cache")
        max_entries = NumberKind.COUNT.check("a cache's max_entries", max_entries)
        ttl = NumberKind.SECONDS.check("a cache's ttl", ttl)
        self._max_entries = max_entries
        # Even counting the entries removes expired ones, on the thread that counts.
        self._lock = renewed_lock(self)
        self._entries: TTLCache[Hashable, tuple[Any, ...]] = TTLCache(max_entries, ttl, clock)
        self._flights: dict[Hashable, _SingleFlight[Any]] = {}
        self._hits = 0
        self._misses = 0

    async def stream(
        self, key: Hashable, fetch: Callable[[], AsyncGenerator[T, None]]
    ) -> AsyncGenerator[T, None]:
        """Yield the response for `key`: stored, being fetched already, or fetched now."""
        with self._lock:
            stored: tuple[T, ...] | None = self._entries.get(key)
        if stored is not None:
            self._hits += 1
            for chunk in stored:
                yield chunk
            return
        flight: _SingleFlight[T] | None = self._flights.get(key)
        if flight is None or flight.abandoned:
            self._misses += 1
            flight = self._flights[key] = _SingleFlight()
            flight.task = asyncio.create_task(self._fetch(key, flight, fetch))
        else:
            self._hits += 1
        async with aclosing(flight.read()) as chunks:
            async for chunk in chunks:
                yield chunk

    def snapshot(self) -> CacheSnapshot:
        """Return the current figures of the cache."""
        with self._lock:
            entries = len(self._entries)
        return CacheSnapshot(self.name, self._hits, self._misses, entries, self._max_entries)

    async def _fetch(
        self,
        key: Hashable,
        flight: _SingleFlight[T],
        fetch: Callable[[], AsyncGenerator[T, None]],
    ) -> None:
        error: BaseException | None = None
        try:
            async with aclosing(fetch()) as chunks:
                async for chunk in chunks:
                    flight.add(chunk)
            with self._lock:
                self._entries[key] = tuple(flight.chunks)
        except BaseException as caught:
            error = caught
            if not isinstance(caught, Exception):
                raise
        finally:
            if self._flights.get(key) is flight:
                del self._flights[key]
            flight.end(error)  # in every case, or its readers would wait for ever


class _SingleFlight(Generic[T]):
    """A response being fetched once for any number of readers."""

    def __init__(self) -> None:
        self.chunks: list[T] = []
        self.task: asyncio.Task[None] | None = None
        self.abandoned = False
        self._readers = 0
        self._ended = False
        self._error: BaseException | None = None
        self._changed = asyncio.Event()

    def add(self, chunk: T) -> None:
        self.chunks.append(chunk)
        self._notify()

    def end(self, error: BaseException | None) -> None:
        self._ended = True
        self._error = error
        self._notify()

    async def read(self) -> AsyncGenerator[T, None]:
        """Yield all chunks from the first on; the last reader to leave cancels the fetch."""
        self._readers += 1
        try:
            position = 0
            while True:
                while position < len(self.chunks):
                    position += 1
                    yield self.chunks[position - 1]
                if self._ended:
                    break
                await self._changed.wait()
            if self._error is not None:
                raise self._error
        finally:
            self._readers -= 1
            if not self._readers and not self._ended and self.task is not None:
                self.abandoned = True
                self.task.cancel()
                await asyncio.wait([self.task])

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
