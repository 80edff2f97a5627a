"""Responses in the forms that real servers send, and what the breaker says of each."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from fuseboard import Call, CircuitBreaker, ConsecutiveFailures
from fuseboard.breaker.outcome import Ruling
from fuseboard.http import (
    BreakerTransport,
    anthropic_judge,
    http_judge,
    llm_judge,
    ollama_judge,
    openai_judge,
)
from fuseboard.http.exchange import GuardedExchange
from fuseboard.http.guarded_transport import EXCHANGE_EXTENSION
from fuseboard.http.judge import Judge

CASES_FILE = Path(__file__).with_name("verdicts.jsonl")

JUDGES: dict[str, Callable[[httpx.Request], Judge]] = {
    "anthropic": anthropic_judge,
    "http": http_judge,
    "llm": llm_judge,
    "ollama": ollama_judge,
    "openai": openai_judge,
}


@dataclass(frozen=True)
class VerdictCase:
    """One response, and the verdict it deserves."""

    name: str
    provider: str
    source: str
    """Where it was reported; `after` or `class of` what it was written, if not captured."""
    judge: str
    method: str
    path: str
    status: int
    content_type: str | None
    request: dict[str, Any]
    body: str
    want: str
    """The verdict."""
    why: str
    headers: dict[str, str] = field(default_factory=dict)
    reason: str = ""
    """`has:TEXT`, which the reason contains; `same:GROUP`, whose cases have one reason."""
    retry_after: float | None = None

    @property
    def response_headers(self) -> dict[str, str]:
        """All headers of the response."""
        kind = {"Content-Type": self.content_type} if self.content_type else {}
        return {**kind, **self.headers}

    def cut(self, size: int | None) -> list[bytes]:
        """Return the body in chunks of some size; in one if `None`."""
        body = self.body.encode()
        size = size or max(1, len(body))
        return [body[at : at + size] for at in range(0, len(body), size)]


def load_cases() -> list[VerdictCase]:
    """Return all cases."""
    lines = CASES_FILE.read_text().splitlines()
    return [VerdictCase(**json.loads(line)) for line in lines]


class _Chunks(httpx.SyncByteStream, httpx.AsyncByteStream):
    def __init__(self, chunks: Sequence[bytes]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        yield from self._chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk


def judge_sync(case: VerdictCase, size: int | None = None, judge: str = "") -> Ruling:
    """Send the request of a case through a guarded client; return the breaker's ruling."""
    transport, calls = _guarded(case, size, judge)
    with httpx.Client(transport=transport) as client:
        response = client.request(case.method, f"http://here{case.path}", json=case.request)
    return ruling_of(response, calls)


async def judge_async(case: VerdictCase, size: int | None = None, judge: str = "") -> Ruling:
    """Do the same in an asynchronous client."""
    transport, calls = _guarded(case, size, judge)
    async with httpx.AsyncClient(transport=transport) as client:
        response = await client.request(case.method, f"http://here{case.path}", json=case.request)
    return ruling_of(response, calls)


def ruling_of(response: httpx.Response, calls: Sequence[Call]) -> Ruling:
    """Return the ruling on the one call that was made."""
    exchange: GuardedExchange = response.extensions[EXCHANGE_EXTENSION]
    (call,) = calls
    assert exchange.ruling is not None
    assert call.ruling.verdict is exchange.ruling.verdict
    return exchange.ruling


def breaker_with_calls() -> tuple[CircuitBreaker, list[Call]]:
    """Return a breaker and the list that its calls are added to."""
    breaker = CircuitBreaker("wire", trip=ConsecutiveFailures(9))
    calls: list[Call] = []
    breaker.on_call(lambda _, call: calls.append(call))
    return breaker, calls


def _guarded(
    case: VerdictCase, size: int | None, judge: str
) -> tuple[BreakerTransport, list[Call]]:
    breaker, calls = breaker_with_calls()

    def respond(_: httpx.Request) -> httpx.Response:
        return httpx.Response(
            case.status, headers=case.response_headers, stream=_Chunks(case.cut(size))
        )

    inner = httpx.MockTransport(respond)
    return BreakerTransport(breaker, inner, judge=JUDGES[judge or case.judge]), calls
