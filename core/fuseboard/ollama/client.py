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
from fuseboard.http.guarded_transport import EXCHANGE_EXTENSION, JUDGE_EXTENSION
from fuseboard.http.judges.error_response import MAX_ERROR_BODY
from fuseboard.http.judges.json_object import InvalidResponseError
from fuseboard.http.judges.ollama import OllamaJudge
from fuseboard.http.judges.transport_error import judge_error
from fuseboard.http.pool import ConnectionPool
from fuseboard.http.transport import BreakerTransport, RequestRejectedError
from fuseboard.masked_url import mask_url
from fuseboard.ollama.deadline_transport import (
    DEADLINES_EXTENSION,
    DeadlineTransport,
    httpx_timeout,
)
from fuseboard.ollama.deadlines import Deadlines
from fuseboard.ollama.host import ollama_api_key
from fuseboard.ollama.responses import (
    Embeddings,
    Message,
    Model,
    ModelDetails,
    RunningModel,
    TextChunk,
    parse_chat,
    parse_embed,
    parse_generate,
    parse_ps,
    parse_show,
    parse_tags,
    parse_version,
)

T = TypeVar("T")

MAX_RESPONSE = 64 * 1024 * 1024
"""The size limit of a response in bytes; some hundred thousand tokens."""


class Operation(Enum):
    """An operation of Ollama's API; the value is its path."""

    GENERATE = "/api/generate"
    CHAT = "/api/chat"
    EMBED = "/api/embed"
    TAGS = "/api/tags"
    PS = "/api/ps"
    SHOW = "/api/show"
    VERSION = "/api/version"

    @property
    def breaker_name(self) -> str:
        """The name of the breaker that guards the operation: `ollama_generate`."""
        return f"ollama_{self.name.lower()}"


class TextSettings(TypedDict, total=False):
    """Optional settings of a request for text."""

    stream: bool
    """False: the text arrives whole in one chunk, within the total deadline."""
    options: Mapping[str, Any] | None
    """The options of the model, as in Ollama's API: `temperature`, `num_predict`, …"""
    format: Literal["json"] | Mapping[str, Any]
    """The text is JSON, or conforms to this JSON schema."""
    keep_alive: float | str
    """How long the model stays loaded: seconds or a duration such as `5m`; for ever if negative."""


class EmbedSettings(TypedDict, total=False):
    """Optional settings of a request for embeddings."""

    truncate: bool
    """False: a text that is too long for the model is an error; by default it is cut."""
    options: Mapping[str, Any] | None
    """The options of the model, as in Ollama's API."""
    keep_alive: float | str
    """How long the model stays loaded, as for a text."""


def without_none(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that are not `None`, with mappings as JSON-serializable dicts."""
    return {
        name: dict(value) if isinstance(value, Mapping) else value
        for name, value in settings.items()
        if value is not None
    }


def breaker_per_operation(
    make: Callable[[str], CircuitBreaker], operations: Iterable[Operation] = Operation
) -> dict[Operation, CircuitBreaker]:
    """Return a breaker for each operation, made by `make` from the breaker's name."""
    return {operation: make(operation.breaker_name) for operation in operations}


class OllamaError(Exception):
    """A call got no complete, valid response. The message is a short, stable reason."""

    def __init__(self, ruling: Ruling) -> None:
        super().__init__(ruling.reason)
        self.reason = ruling.reason
        self.verdict = ruling.verdict
        """`FAILURE`, or `IGNORED` if the server is not at fault."""


class OllamaClient:
    """A client of one Ollama server, to be used as an async context manager on one event loop.

    Every call raises `RequestRejectedError` (a `CircuitOpenError`) if its
    breaker is open, and `OllamaError` if it gets no valid response. Arguments
    that cannot be sent as JSON raise `TypeError` or `ValueError` at once.

    Args:
        url: The base URL of the server.
        breakers: The breaker of each operation; an operation without is unguarded.
        deadlines: How long each part of a call may take.
        max_connections: How many calls may be under way; further calls wait for a connection.
        api_key: The key that is sent as a bearer token; empty for none.

    Raises:
        ValueError: If the URL or the key is invalid.
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
            DeadlineTransport(CancelSafeTransport(limits)),
            max_connections,
            timeout=deadlines.pool,
        )
        """The connections, for `snapshot()`."""
        by_path = {operation.value: breaker for operation, breaker in breakers.items()}

        def path_below_base(request: httpx.Request) -> str:
            return request.url.path.removeprefix(base.path.rstrip("/"))

        # A server that compresses holds tokens back until it has enough of them.
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
            # A cookie that is not ASCII would break every later call.
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
        """Stream the completion of a prompt; `system` replaces the system prompt of the model."""
        fields = {"prompt": prompt, "system": system} if system else {"prompt": prompt}
        return self._text(Operation.GENERATE, parse_generate, {"model": model, **fields}, settings)

    def chat(
        self, messages: Sequence[Message], *, model: str, **settings: Unpack[TextSettings]
    ) -> AsyncGenerator[TextChunk, None]:
        """Stream the next message of a chat."""
        sent = [{"role": message.role, "content": message.content} for message in messages]
        return self._text(Operation.CHAT, parse_chat, {"model": model, "messages": sent}, settings)

    async def embed(
        self, inputs: Sequence[str], *, model: str, **settings: Unpack[EmbedSettings]
    ) -> Embeddings:
        """Return one embedding for each text."""

        def read(parsed: Mapping[str, Any]) -> Embeddings:
            embeddings = parse_embed(parsed)
            if len(embeddings.vectors) != len(inputs):
                raise InvalidResponseError("there is not one embedding for each input")
            return embeddings

        _require_known_settings(settings, EmbedSettings)
        body = {"model": model, "input": list(inputs), **settings}
        return await self._object(Operation.EMBED, read, body)

    async def tags(self) -> tuple[Model, ...]:
        """Return the models that the server has."""
        return await self._object(Operation.TAGS, parse_tags)

    async def ps(self) -> tuple[RunningModel, ...]:
        """Return the models that the server has in memory."""
        return await self._object(Operation.PS, parse_ps)

    async def show(self, model: str) -> ModelDetails:
        """Return the properties of a model."""
        return await self._object(Operation.SHOW, parse_show, {"model": model})

    async def version(self) -> str:
        """Return the server's version, which it reports even if no model works."""
        return await self._object(Operation.VERSION, parse_version)

    def _text(
        self,
        operation: Operation,
        read: Callable[[dict[str, Any]], TextChunk],
        fields: Mapping[str, Any],
        settings: TextSettings,
    ) -> AsyncGenerator[TextChunk, None]:
        _require_known_settings(settings, TextSettings)
        body = {**fields, "stream": True, **settings}
        deadlines = self._deadlines
        if not body["stream"]:
            deadlines = deadlines.for_whole_text()
        return self._values(self._request(operation, deadlines, body), read)

    async def _object(
        self,
        operation: Operation,
        read: Callable[[dict[str, Any]], T],
        body: Mapping[str, Any] | None = None,
    ) -> T:
        request = self._request(operation, self._deadlines.for_object(), body)
        async with aclosing(self._values(request, read)) as values:
            value = await anext(values)
            async for _ in values:
                pass  # to the end, so that the connection can be used again
            return value

    def _request(
        self, operation: Operation, deadlines: Deadlines, body: Mapping[str, Any] | None
    ) -> httpx.Request:
        extensions = {DEADLINES_EXTENSION: deadlines}
        if body is None:
            return self._http.build_request("GET", operation.value, extensions=extensions)
        return self._http.build_request(
            "POST",
            operation.value,
            content=_encode(body),
            headers={"Content-Type": "application/json"},
            extensions=extensions,
        )

    async def _values(
        self, request: httpx.Request, read: Callable[[dict[str, Any]], T]
    ) -> AsyncGenerator[T, None]:
        """Yield the values in a response; raise as soon as the response is known to be bad."""
        judge = OllamaJudge(request, read, max_bytes=MAX_RESPONSE)
        request.extensions[JUDGE_EXTENSION] = judge
        response = await self._send(request)
        exchange: GuardedExchange = response.extensions[EXCHANGE_EXTENSION]
        broken: httpx.HTTPError | None = None
        try:
            async with aclosing(response):
                async for _ in response.aiter_raw():  # the judge gets them decompressed
                    for value in judge.take_values():
                        yield value
                    if _can_stop_reading(response, exchange):
                        break
        except httpx.HTTPError as error:
            broken = error
        for value in judge.take_values():
            yield value
        ruling = exchange.ruling
        if ruling is not None and ruling.verdict is not Verdict.SUCCESS:
            raise OllamaError(ruling) from broken

    async def _send(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._http.send(request, stream=True)
        except RequestRejectedError:
            raise
        except httpx.HTTPError as error:
            raise OllamaError(judge_error(error)) from error


def _can_stop_reading(response: httpx.Response, exchange: GuardedExchange) -> bool:
    """Return whether the rest of a response can no longer matter."""
    if not response.is_success:  # the body has the error message
        return response.num_bytes_downloaded >= MAX_ERROR_BODY
    ruling = exchange.ruling
    failed = ruling is not None and ruling.verdict is not Verdict.SUCCESS
    return failed or response.num_bytes_downloaded > MAX_RESPONSE


def _base_url(url: str) -> httpx.URL:
    try:
        base = httpx.URL(url)
    except httpx.InvalidURL:
        base = httpx.URL()
    if base.scheme not in {"http", "https"} or not base.host:
        raise ValueError(f"{mask_url(url)!r} is not the URL of a server: http://HOST:PORT")
    return base


def _require_known_settings(
    settings: Mapping[str, Any], kind: type[TextSettings | EmbedSettings]
) -> None:
    if unknown := settings.keys() - kind.__annotations__.keys():
        raise TypeError(f"there is no setting {min(unknown)!r}: {', '.join(kind.__annotations__)}")


def _encode(body: Mapping[str, Any]) -> bytes:
    # As ASCII, which can represent half a surrogate pair.
    return json.dumps(without_none(body), allow_nan=False).encode()
