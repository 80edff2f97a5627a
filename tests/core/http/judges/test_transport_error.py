"""Rulings on what fails in this process, not at the server."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from fuseboard import CircuitBreaker, ConsecutiveFailures, State, Verdict
from fuseboard.breaker.records import Call
from fuseboard.http.judges.transport_error import judge_error
from fuseboard.http.transport import BreakerTransport
from tests.core.serving import simulated


@contextmanager
def no_free_descriptors() -> Iterator[None]:
    """Let the process open no further file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = []
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())) + 4, hard)
    )
    try:
        while True:
            taken.append(os.dup(0))
    except OSError:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in taken:
            os.close(descriptor)


async def test_a_lack_of_descriptors_is_ours_and_opens_nothing() -> None:
    breaker = CircuitBreaker("model", trip=ConsecutiveFailures(1))
    calls: list[Call] = []
    breaker.on_call(lambda _, call: calls.append(call))
    async with simulated() as url:
        transport = BreakerTransport(breaker)
        async with httpx.AsyncClient(base_url=url, transport=transport) as http:
            # Everything is imported by this one, and the next needs a new connection.
            await http.get("/api/tags", headers={"Connection": "close"})
            with no_free_descriptors(), pytest.raises(httpx.ConnectError):
                await http.get("/api/tags")
            assert (await http.get("/api/tags")).status_code == 200
    assert breaker.state is State.CLOSED
    verdicts = [call.ruling.verdict for call in calls]
    assert verdicts == [Verdict.SUCCESS, Verdict.IGNORED, Verdict.SUCCESS]
    assert calls[1].ruling.reason == "no free file descriptor or port here"
    assert not calls[1].ruling.sent


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.EADDRNOTAVAIL])
def test_every_lack_of_ours_is_ignored(number: int) -> None:
    error = httpx.ConnectError("All connection attempts failed")
    error.__cause__ = ExceptionGroup("several", [OSError(number, os.strerror(number))])
    ruling = judge_error(error)
    assert (ruling.verdict, ruling.sent) == (Verdict.IGNORED, False)


@pytest.mark.parametrize("number", [errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ECONNREFUSED])
def test_what_the_network_says_is_a_failure(number: int) -> None:
    error = httpx.ConnectError("All connection attempts failed")
    error.__cause__ = OSError(number, os.strerror(number))
    assert judge_error(error).verdict is Verdict.FAILURE
