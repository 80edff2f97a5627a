"""Sending a response that takes time, token by token or whole, while the client is connected."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from fuseboard.simulator.go_json import json_response
from fuseboard.simulator.text.generation import GenerationResult, TokenStream
from fuseboard.simulator.text.tool_calls import ToolCall


class ResponseEncoder(Protocol):
    """The encoding of a generated text in one API's response to one request."""

    stream_type: str
    """The Content-Type of a stream."""

    def token(self, token: str) -> bytes:
        """Return the part of a stream that carries one token."""
        ...

    def tool_call(self, call: ToolCall) -> bytes:
        """Return the part of a stream that carries one call of a tool."""
        ...

    def end(self, result: GenerationResult) -> bytes:
        """Return the end of a stream."""
        ...

    def body(self, result: GenerationResult) -> Mapping[str, object]:
        """Return the JSON object of a response that is not streamed."""
        ...


def stream_response(tokens: TokenStream, encoder: ResponseEncoder) -> ASGIApp:
    """Return a response that sends each token at once; its headers leave with the first one."""

    async def send_tokens(_: Scope, __: Receive, send: Send) -> None:
        started = False
        async with aclosing(tokens):
            async for token in tokens:
                if not started:
                    started = True
                    content_type = (b"content-type", encoder.stream_type.encode())
                    await send(
                        {"type": "http.response.start", "status": 200, "headers": [content_type]}
                    )
                match token:
                    case GenerationResult():
                        body = encoder.end(token)
                    case ToolCall():
                        body = encoder.tool_call(token)
                    case str():
                        body = encoder.token(token)
                await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    return cancel_on_disconnect(send_tokens)


def whole_response(tokens: TokenStream, encoder: ResponseEncoder) -> ASGIApp:
    """Return a response that sends one JSON object once the text is complete."""

    async def body() -> Mapping[str, object]:
        async with aclosing(tokens):
            async for token in tokens:
                if isinstance(token, GenerationResult):
                    return encoder.body(token)
        raise AssertionError("the token stream has no result")

    return deferred_response(body)


def deferred_response(make_body: Callable[[], Awaitable[Mapping[str, object]]]) -> ASGIApp:
    """Return a response that sends the JSON object returned by `make_body()`."""

    async def send_object(scope: Scope, receive: Receive, send: Send) -> None:
        await json_response(await make_body())(scope, receive, send)

    return cancel_on_disconnect(send_object)


def cancel_on_disconnect(response: ASGIApp) -> ASGIApp:
    """Return a response that is cancelled when the client disconnects."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        responding = asyncio.ensure_future(response(scope, receive, send))
        disconnect = asyncio.ensure_future(_disconnect(receive))
        try:
            await asyncio.wait([responding, disconnect], return_when=asyncio.FIRST_COMPLETED)
        finally:
            responding.cancel()
            disconnect.cancel()
            await asyncio.wait([responding, disconnect])
        if not responding.cancelled():
            responding.result()

    return app


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
