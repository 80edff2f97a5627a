"""Sending an answer, for as long as the client is there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from fuseboard.simulator.go_json import json_response
from fuseboard.simulator.text.generation import Ending, Pieces


class TextForm(Protocol):
    """How an API writes the answer to one request for a text."""

    stream_type: str
    """The Content-Type of a stream."""

    def piece(self, text: str) -> bytes:
        """Write a token into a stream."""
        ...

    def end(self, ending: Ending) -> bytes:
        """Write the end of a stream."""
        ...

    def whole(self, ending: Ending) -> Mapping[str, object]:
        """Write the answer as one object."""
        ...


def streamed(pieces: Pieces, form: TextForm) -> ASGIApp:
    """Answer token by token; the headers leave with the first one and not before."""

    async def send_pieces(_: Scope, __: Receive, send: Send) -> None:
        begun = False
        async with aclosing(pieces):
            async for piece in pieces:
                if not begun:
                    begun = True
                    content_type = (b"content-type", form.stream_type.encode())
                    await send(
                        {"type": "http.response.start", "status": 200, "headers": [content_type]}
                    )
                body = form.end(piece) if isinstance(piece, Ending) else form.piece(piece)
                await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    return while_connected(send_pieces)


def whole(pieces: Pieces, form: TextForm) -> ASGIApp:
    """Answer with one object, when the text is complete."""

    async def last() -> Mapping[str, object]:
        async with aclosing(pieces):
            async for piece in pieces:
                if isinstance(piece, Ending):
                    return form.whole(piece)
        raise AssertionError("a text without an ending")

    return answered(last)


def answered(make: Callable[[], Awaitable[Mapping[str, object]]]) -> ASGIApp:
    """Answer with the object that `make` takes its time to make."""

    async def send_object(scope: Scope, receive: Receive, send: Send) -> None:
        await json_response(await make())(scope, receive, send)

    return while_connected(send_object)


def while_connected(answer: ASGIApp) -> ASGIApp:
    """Answer as `answer` does; it is cancelled when the client leaves."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        answering = asyncio.ensure_future(answer(scope, receive, send))
        watching = asyncio.ensure_future(_disconnect(receive))
        try:
            await asyncio.wait([answering, watching], return_when=asyncio.FIRST_COMPLETED)
        finally:
            answering.cancel()
            watching.cancel()
            await asyncio.wait([answering, watching])
        if not answering.cancelled():
            answering.result()

    return app


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
