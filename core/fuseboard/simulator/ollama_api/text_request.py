"""What `/api/generate` and `/api/chat` are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fuseboard.simulator.errors import RefusedError
from fuseboard.simulator.keep_alive import keep_alive_seconds
from fuseboard.simulator.request_body import Body

_THINK_LEVELS = ("high", "medium", "low", "max")


@dataclass(frozen=True, slots=True)
class TextRequest:
    """A request for a text."""

    verb: str
    """What it asks a model to do: `generate` or `chat`."""
    model: str
    """As it is named in the request."""
    prompt: str
    """All that the model shall read; empty where it shall only be loaded."""
    stream: bool
    keep_alive: float | None
    options: Mapping[str, object]
    format: object
    thinks: bool
    sees: bool
    """There are images in it."""
    inserts: bool = False
    """There is a text that shall follow."""
    raw: bool = False
    """The model shall read nothing but the prompt itself."""


def read_generate(body: Body) -> TextRequest:
    """Read the body of `/api/generate`.

    Raises:
        RefusedError: If a field has the wrong type, or two contradict each other.
    """
    prompt, system = body.text("prompt"), body.text("system")
    context = body.items("context", int, "int")
    raw = body.flag("raw", default=False)
    if raw and (system or context or body.text("template")):
        raise RefusedError(400, "raw mode does not support template, system, or context")
    return TextRequest(
        verb="generate",
        model=body.text("model"),
        prompt=f"{system}\n{prompt}" if prompt and system else prompt,
        stream=body.flag("stream", default=True),
        keep_alive=keep_alive_seconds(body.value("keep_alive")),
        options=body.mapping("options"),
        format=body.value("format"),
        thinks=_thinks(body.value("think")),
        sees=bool(body.items("images", str, "api.ImageData")),
        inserts=bool(body.text("suffix")),
        raw=raw,
    )


def read_chat(body: Body) -> TextRequest:
    """Read the body of `/api/chat`.

    Raises:
        RefusedError: If a field has the wrong type.
    """
    messages = body.bodies("messages", "api.Message")
    images = [image for each in messages for image in each.items("images", str, "api.ImageData")]
    body.bodies("tools", "api.Tool")
    return TextRequest(
        verb="chat",
        model=body.text("model"),
        prompt="\n".join(f"{each.text('role')}: {each.text('content')}" for each in messages),
        stream=body.flag("stream", default=True),
        keep_alive=keep_alive_seconds(body.value("keep_alive")),
        options=body.mapping("options"),
        format=body.value("format"),
        thinks=_thinks(body.value("think")),
        sees=bool(images),
    )


def _thinks(value: object) -> bool:
    match value:
        case None | False:
            return False
        case True:
            return True
        case str() if value in _THINK_LEVELS:
            return True
    levels = '"high", "medium", "low", "max", true, or false'
    if isinstance(value, str):
        raise RefusedError(400, f'invalid think value: "{value}" (must be {levels})')
    raise RefusedError(400, f"think must be a boolean or string ({levels})")
