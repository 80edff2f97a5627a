"""The check that a contestant behaves as a circuit breaker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from inspect import isawaitable

from tests.benchmarks.contestant import TRIPS_AFTER, Contestant, NotGuardingError, ServiceError


def prove(contestant: Contestant) -> None:
    """Check that calls pass through, that failures trip the breaker, and that it then rejects.

    Raises:
        NotGuardingError: If one of these does not hold.
    """
    service = _Service()

    # Plain functions: one peer's decorator takes nothing else.
    def double(number: int) -> int:
        return service.double(number)

    async def double_later(number: int) -> int:
        await asyncio.sleep(0)
        return service.double(number)

    _prove(contestant.name, contestant, service, contestant.guard(double, TRIPS_AFTER))
    if not contestant.awaits:
        return

    name = f"{contestant.name} (async)"
    service = _Service()
    guarded = contestant.guard(double_later, TRIPS_AFTER)

    async def wait_for(number: int) -> int:
        call = guarded(number)
        if not isawaitable(call):
            raise NotGuardingError(f"{name} gives nothing to await")
        return int(await call)

    with asyncio.Runner() as runner:
        _prove(name, contestant, service, lambda number: runner.run(wait_for(number)))


class _Service:
    """A service that doubles numbers while it is up, and counts the calls that reach it."""

    def __init__(self) -> None:
        self.up = True
        self.reached = 0

    def double(self, number: int) -> int:
        self.reached += 1
        if not self.up:
            raise ServiceError
        return 2 * number


def _prove(
    name: str, contestant: Contestant, service: _Service, guarded: Callable[[int], int]
) -> None:
    def outcome() -> int | Exception:
        try:
            return guarded(21)
        except (ServiceError, contestant.rejection) as error:
            return error

    if outcome() != 42 or service.reached != 1:
        raise NotGuardingError(f"{name} does not pass calls through")

    service.up = False
    if not isinstance(outcome(), ServiceError):
        raise NotGuardingError(f"{name} does not raise what the function raised")
    for _ in range(TRIPS_AFTER - 1):
        outcome()  # one that counts a rate may trip, and reject, before the last

    service.up = True
    reached = service.reached
    if not all(isinstance(outcome(), contestant.rejection) for _ in range(3)):
        raise NotGuardingError(f"{name} does not reject after {TRIPS_AFTER} failures in a row")
    if service.reached != reached:
        raise NotGuardingError(f"{name} calls the function that it claims to have rejected")
