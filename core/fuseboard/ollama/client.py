"""An asynchronous Ollama client with a breaker for each operation."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from enum import Enum
from typing import Any, TypeVar

import httpx

from fuseboard.breaker import CircuitBreaker
from fuseboard.connection_pool import ConnectionPool
from fuseboard.judge import rule_on_error
from fuseboard.judges import OllamaJudge
from fuseboard.ollama.answers import (
    Embeddings,
    Message,
    Model,
    Piece,
    chatted,
    embedded,
    generated,
    listed,
    version_in,
)
from fuseboard.ollama.deadlines import Deadlines, DeadlineTransport
from fuseboard.transport import JUDGE, BreakerTransport, RequestRejectedError
from fuseboard.verdict import Ruling, Verdict

T = TypeVar("T")


class Operation(Enum):
    """What can be asked of Ollama; the value is the path that takes it."""

    GENERATE = "/api/generate"
    CHAT = "/api/chat"
    EMBED = "/api/embed"
    TAGS = "/api/tags"
    VERSION = "/api/version"

    @property
    def breaker_name(self) -> str:
        """The name of the breaker that guards it: `ollama_generate`."""
        return f"ollama_{self.name.lower()}"


def breaker_per_operation(
    make: Callable[[str], CircuitBreaker],
) -> dict[Operation, CircuitBreaker]:
    """Make a breaker for every operation with `make`, which is given its name."""
    return {operation: make(operation.breaker_name) for operation in Operation}


class OllamaError(Exception):
    """A call did not get a whole, good answer. Its text is a short, stable reason."""

    def __init__(self, ruling: Ruling) -> None:
        super().__init__(ruling.reason)
        self.reason = ruling.reason
        self.verdict = ruling.verdict
        """`FAILURE`, or `IGNORED` where the server is not to blame."""


class OllamaClient:
    """Calls one Ollama server; use it as an async context manager, on one event loop.

    Every call may raise `OllamaError`, or `RequestRejectedError` (a
    `CircuitOpenError`) when its breaker is open. Nothing else.

    Args:
        url: Where the server is.
        breakers: The breaker of each operation; one without is not guarded.
        deadlines: How long each part of a call may take.
        max_connections: How many calls may be under way at once; more wait here.
    """

    def __init__(
        self,
        url: str,
        breakers: Mapping[Operation, CircuitBreaker],
        *,
        deadlines: Deadlines | None = None,
        max_connections: int = 16,
    ) -> None:
        deadlines = deadlines or Deadlines()
        # httpcore counts busy connections against the keep-alive limit too.
        limits = httpx.Limits(
            max_connections=max_connections, max_keepalive_connections=max_connections
        )
        wire = DeadlineTransport(httpx.AsyncHTTPTransport(limits=limits), deadlines)
        self.pool = ConnectionPool("ollama", wire, max_connections, patience=deadlines.pool)
        """Its connections."""
        by_path = {operation.value: breaker for operation, breaker in breakers.items()}
        base = httpx.URL(url)

        def path_below_base(request: httpx.Request) -> str:
            return request.url.path.removeprefix(base.path.rstrip("/"))

        self._http = httpx.AsyncClient(
            base_url=base,
            transport=BreakerTransport(
                lambda request: by_path.get(path_below_base(request)),
                self.pool,
            ),
            timeout=deadlines.for_httpx(),
            # What compresses holds tokens back until it has enough of them.
            headers={"Accept-Encoding": "identity"},
        )

    async def __aenter__(self) -> OllamaClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    def generate(
        self,
        prompt: str,
        *,
        model: str,
        options: Mapping[str, Any] | None = None,
    ) -> AsyncGenerator[Piece, None]:
        """Stream the completion of a prompt; `options` are the model's, as in Ollama's API."""
        body = {"model": model, "prompt": prompt, "stream": True, "options": dict(options or {})}
        return self._answers("POST", Operation.GENERATE, generated, body)

    def chat(
        self,
        messages: Sequence[Message],
        *,
        model: str,
        options: Mapping[str, Any] | None = None,
    ) -> AsyncGenerator[Piece, None]:
        """Stream the next message of a chat; `options` are the model's, as in Ollama's API."""
        said = [{"role": message.role, "content": message.content} for message in messages]
        body = {"model": model, "messages": said, "stream": True, "options": dict(options or {})}
        return self._answers("POST", Operation.CHAT, chatted, body)

    async def embed(self, inputs: Sequence[str], *, model: str) -> Embeddings:
        """Embed texts, one vector for each."""
        body = {"model": model, "input": list(inputs)}
        return await self._ask("POST", Operation.EMBED, embedded, body)

    async def tags(self) -> tuple[Model, ...]:
        """List the models that the server has."""
        return await self._ask("GET", Operation.TAGS, listed)

    async def version(self) -> str:
        """Ask for the server's version; says nothing about whether its models work."""
        return await self._ask("GET", Operation.VERSION, version_in)

    async def _ask(
        self,
        method: str,
        operation: Operation,
        read: Callable[[dict[str, Any]], T],
        body: dict[str, Any] | None = None,
    ) -> T:
        async with aclosing(self._answers(method, operation, read, body)) as answers:
            answer = await anext(answers)
            async for _ in answers:
                pass  # to the end, so that the connection can be used again
            return answer

    async def _answers(
        self,
        method: str,
        operation: Operation,
        read: Callable[[dict[str, Any]], T],
        body: dict[str, Any] | None,
    ) -> AsyncGenerator[T, None]:
        """Yield what an answer holds; raise as soon as it is known to be a bad one."""
        judge = OllamaJudge(operation.value, read)
        try:
            async with self._http.stream(
                method, operation.value, json=body, extensions={JUDGE: judge}
            ) as response:
                async for _ in response.aiter_bytes():
                    for answer in judge.take():
                        yield answer
                    _raise_unless_good(judge.ruling, response)
        except RequestRejectedError:
            raise
        except httpx.HTTPError as error:
            certain = judge.ruling
            if certain is None or certain.verdict is not Verdict.SUCCESS:
                raise OllamaError(certain or rule_on_error(error)) from error
        ruling = judge.end()
        for answer in judge.take():
            yield answer
        if ruling.verdict is not Verdict.SUCCESS:
            raise OllamaError(ruling)


def _raise_unless_good(ruling: Ruling | None, response: httpx.Response) -> None:
    # The body of an error status is read on: it says why.
    if ruling is not None and ruling.verdict is not Verdict.SUCCESS and response.is_success:
        raise OllamaError(ruling)
