"""An asynchronous Ollama client with a breaker for each operation."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from enum import Enum
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Literal, TypedDict, TypeVar, Unpack

import httpx

from fuseboard.breaker.breaker import CircuitBreaker
from fuseboard.breaker.outcome import Ruling, Verdict
from fuseboard.http.cancel_safe_transport import CancelSafeTransport
from fuseboard.http.exchange import GuardedExchange
from fuseboard.http.judge import rule_on_error
from fuseboard.http.judges.error_response import LONGEST_ERROR
from fuseboard.http.judges.ollama import OllamaJudge, UnexpectedResponseError
from fuseboard.http.pool import ConnectionPool
from fuseboard.http.transport import EXCHANGE, JUDGE, BreakerTransport, RequestRejectedError
from fuseboard.ollama.deadline_transport import DEADLINES, DeadlineTransport, httpx_timeout
from fuseboard.ollama.deadlines import Deadlines
from fuseboard.ollama.host import ollama_api_key
from fuseboard.ollama.responses import (
    Embeddings,
    Message,
    Model,
    ModelDetails,
    RunningModel,
    TextChunk,
    chatted,
    embedded,
    generated,
    listed,
    running,
    shown,
    version_in,
)

T = TypeVar("T")

LONGEST_ANSWER = 64 * 1024 * 1024
"""Bytes that an answer may have in all; some hundred thousand tokens."""


class Operation(Enum):
    """What can be asked of Ollama; the value is the path that takes it."""

    GENERATE = "/api/generate"
    CHAT = "/api/chat"
    EMBED = "/api/embed"
    TAGS = "/api/tags"
    PS = "/api/ps"
    SHOW = "/api/show"
    VERSION = "/api/version"

    @property
    def breaker_name(self) -> str:
        """The name of the breaker that guards it: `ollama_generate`."""
        return f"ollama_{self.name.lower()}"


class TextSettings(TypedDict, total=False):
    """What a text can be asked for with, beside what it is about."""

    stream: bool
    """False: it comes in one piece when it is whole; only the total deadline waits for it."""
    options: Mapping[str, Any] | None
    """The model's, as in Ollama's API: `temperature`, `num_predict`, …"""
    format: Literal["json"] | Mapping[str, Any]
    """The text is JSON, or meets this JSON schema."""
    keep_alive: float | str
    """How long the model stays loaded: seconds, or a duration such as `5m`; below 0 for ever."""


class EmbedSettings(TypedDict, total=False):
    """What embeddings can be asked for with."""

    truncate: bool
    """False: a text that is too long for the model is an error, and not cut."""
    options: Mapping[str, Any] | None
    """The model's, as in Ollama's API."""
    keep_alive: float | str
    """How long the model stays loaded, as for a text."""


def without_none(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Give the settings that are sent, as JSON takes them."""
    return {
        name: dict(value) if isinstance(value, Mapping) else value
        for name, value in settings.items()
        if value is not None
    }


def breaker_per_operation(
    make: Callable[[str], CircuitBreaker], operations: Iterable[Operation] = Operation
) -> dict[Operation, CircuitBreaker]:
    """Make a breaker for every operation with `make`, which is given its name."""
    return {operation: make(operation.breaker_name) for operation in operations}


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
    `CircuitOpenError`) when its breaker is open; nothing else, but `TypeError`
    or `ValueError` at once where its arguments are no JSON.

    Args:
        url: Where the server is.
        breakers: The breaker of each operation; one without is not guarded.
        deadlines: How long each part of a call may take.
        max_connections: How many calls may be under way at once; more wait here.
        api_key: What opens a guarded server.

    Raises:
        ValueError: If the URL or the key can be none.
    """

    def __init__(
        self,
        url: str,
        breakers: Mapping[Operation, CircuitBreaker],
        *,
        deadlines: Deadlines | None = None,
        max_connections: int = 16,
        api_key: str = "",
    ) -> None:
        deadlines = deadlines or Deadlines()
        self._deadlines = deadlines
        base = _base_url(url)
        # httpcore counts busy connections against the keep-alive limit too.
        limits = httpx.Limits(
            max_connections=max_connections, max_keepalive_connections=max_connections
        )
        self.pool = ConnectionPool(
            "ollama",
            lambda: DeadlineTransport(CancelSafeTransport(limits)),
            max_connections,
            patience=deadlines.pool,
        )
        """Its connections."""
        by_path = {operation.value: breaker for operation, breaker in breakers.items()}

        def path_below_base(request: httpx.Request) -> str:
            return request.url.path.removeprefix(base.path.rstrip("/"))

        # What compresses holds tokens back until it has enough of them.
        headers = {"Accept-Encoding": "identity"}
        if key := ollama_api_key(api_key):
            headers["Authorization"] = f"Bearer {key}"
        self._http = httpx.AsyncClient(
            base_url=base,
            transport=BreakerTransport(
                lambda request: by_path.get(path_below_base(request)),
                self.pool,
            ),
            timeout=httpx_timeout(deadlines),
            headers=headers,
            # A cookie that is no ASCII would break every call that follows.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        )

    async def __aenter__(self) -> OllamaClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    def generate(
        self, prompt: str, *, model: str, system: str = "", **settings: Unpack[TextSettings]
    ) -> AsyncGenerator[TextChunk, None]:
        """Stream the completion of a prompt; `system` takes the place of the model's own."""
        about = {"prompt": prompt, "system": system} if system else {"prompt": prompt}
        return self._text(Operation.GENERATE, generated, {"model": model, **about}, settings)

    def chat(
        self, messages: Sequence[Message], *, model: str, **settings: Unpack[TextSettings]
    ) -> AsyncGenerator[TextChunk, None]:
        """Stream the next message of a chat."""
        said = [{"role": message.role, "content": message.content} for message in messages]
        return self._text(Operation.CHAT, chatted, {"model": model, "messages": said}, settings)

    async def embed(
        self, inputs: Sequence[str], *, model: str, **settings: Unpack[EmbedSettings]
    ) -> Embeddings:
        """Embed texts, one vector for each."""

        def read(item: Mapping[str, Any]) -> Embeddings:
            embeddings = embedded(item)
            if len(embeddings.vectors) != len(inputs):
                raise UnexpectedResponseError("there is not one embedding for each input")
            return embeddings

        _require_known(settings, EmbedSettings)
        body = {"model": model, "input": list(inputs), **settings}
        return await self._object(Operation.EMBED, read, body)

    async def tags(self) -> tuple[Model, ...]:
        """List the models that the server has."""
        return await self._object(Operation.TAGS, listed)

    async def ps(self) -> tuple[RunningModel, ...]:
        """List the models that the server has in memory."""
        return await self._object(Operation.PS, running)

    async def show(self, model: str) -> ModelDetails:
        """Ask what the server knows of a model."""
        return await self._object(Operation.SHOW, shown, {"model": model})

    async def version(self) -> str:
        """Ask for the server's version; says nothing about whether its models work."""
        return await self._object(Operation.VERSION, version_in)

    def _text(
        self,
        operation: Operation,
        read: Callable[[dict[str, Any]], TextChunk],
        about: Mapping[str, Any],
        settings: TextSettings,
    ) -> AsyncGenerator[TextChunk, None]:
        _require_known(settings, TextSettings)
        body = {**about, "stream": True, **settings}
        deadlines = self._deadlines
        if not body["stream"]:
            deadlines = deadlines.for_whole_text()
        return self._answers(self._request(operation, deadlines, body), read)

    async def _object(
        self,
        operation: Operation,
        read: Callable[[dict[str, Any]], T],
        body: Mapping[str, Any] | None = None,
    ) -> T:
        request = self._request(operation, self._deadlines.for_object(), body)
        async with aclosing(self._answers(request, read)) as answers:
            answer = await anext(answers)
            async for _ in answers:
                pass  # to the end, so that the connection can be used again
            return answer

    def _request(
        self, operation: Operation, deadlines: Deadlines, body: Mapping[str, Any] | None
    ) -> httpx.Request:
        extensions = {DEADLINES: deadlines}
        if body is None:
            return self._http.build_request("GET", operation.value, extensions=extensions)
        return self._http.build_request(
            "POST",
            operation.value,
            content=_encoded(body),
            headers={"Content-Type": "application/json"},
            extensions=extensions,
        )

    async def _answers(
        self, request: httpx.Request, read: Callable[[dict[str, Any]], T]
    ) -> AsyncGenerator[T, None]:
        """Yield what an answer holds; raise as soon as it is known to be a bad one."""
        judge = OllamaJudge(request, read, longest=LONGEST_ANSWER)
        request.extensions[JUDGE] = judge
        response = await self._send(request)
        exchange: GuardedExchange = response.extensions[EXCHANGE]
        broken: httpx.HTTPError | None = None
        try:
            async with aclosing(response):
                async for _ in response.aiter_raw():  # the judge has its coding undone
                    for answer in judge.take():
                        yield answer
                    if _is_enough(response, exchange):
                        break
        except httpx.HTTPError as error:
            broken = error
        for answer in judge.take():
            yield answer
        ruling = exchange.ruling
        if ruling is not None and ruling.verdict is not Verdict.SUCCESS:
            raise OllamaError(ruling) from broken

    async def _send(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._http.send(request, stream=True)
        except RequestRejectedError:
            raise
        except httpx.HTTPError as error:
            raise OllamaError(rule_on_error(error)) from error


def _is_enough(response: httpx.Response, exchange: GuardedExchange) -> bool:
    """Say whether what an answer still brings is not worth reading."""
    if not response.is_success:  # an error's body says why
        return response.num_bytes_downloaded >= LONGEST_ERROR
    ruling = exchange.ruling
    bad = ruling is not None and ruling.verdict is not Verdict.SUCCESS
    return bad or response.num_bytes_downloaded > LONGEST_ANSWER


def _base_url(url: str) -> httpx.URL:
    try:
        base = httpx.URL(url)
    except httpx.InvalidURL:
        base = httpx.URL()
    if base.scheme not in {"http", "https"} or not base.host:
        raise ValueError(f"{url!r} is not the URL of a server: http://HOST:PORT")
    return base


def _require_known(settings: Mapping[str, Any], kind: type[TextSettings | EmbedSettings]) -> None:
    if unknown := settings.keys() - kind.__annotations__.keys():
        raise TypeError(f"there is no setting {min(unknown)!r}: {', '.join(kind.__annotations__)}")


def _encoded(body: Mapping[str, Any]) -> bytes:
    # In ASCII: half a surrogate pair fits in.
    return json.dumps(without_none(body), allow_nan=False).encode()
