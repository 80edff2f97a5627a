"""Parsing the requests to `/api/generate` and `/api/chat`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fuseboard.simulator.errors import ApiError
from fuseboard.simulator.keep_alive import parse_keep_alive
from fuseboard.simulator.models import CONTEXT_LENGTH
from fuseboard.simulator.ollama_api.tool_request import NO_DIRECTIVE, ToolDirective, read_tool_use
from fuseboard.simulator.request_body import RequestBody
from fuseboard.simulator.text.tokens import fit_context
from fuseboard.simulator.text.tool_calls import NO_TOOLS, ToolUse

_THINK_LEVELS = ("high", "medium", "low", "max")


@dataclass(frozen=True, slots=True)
class TextRequest:
    """A request to generate a text."""

    endpoint: str
    """`generate` or `chat`."""
    model: str
    """The name of the model, as the request has it."""
    prompt: str
    """The whole input of the model; empty if it is only to be loaded."""
    stream: bool
    keep_alive: float | None
    options: Mapping[str, object]
    format: object
    wants_thinking: bool
    has_images: bool
    has_suffix: bool = False
    """Whether the text is to be inserted before a suffix."""
    raw: bool = False
    """Whether the prompt is used without the model's template."""
    tool_use: ToolUse = NO_TOOLS


def read_generate_request(body: RequestBody) -> TextRequest:
    """Return the request in a body of `/api/generate`.

    Raises:
        ApiError: If a field has the wrong type, or two contradict each other.
    """
    prompt, system = body.text("prompt"), body.text("system")
    context = body.items("context", int, "int")
    raw = body.flag("raw", default=False)
    if raw and (system or context or body.text("template")):
        raise ApiError(400, "raw mode does not support template, system, or context")
    return TextRequest(
        endpoint="generate",
        model=body.text("model"),
        prompt=fit_context(f"{system}\n{prompt}" if prompt and system else prompt, CONTEXT_LENGTH),
        stream=body.flag("stream", default=True),
        keep_alive=parse_keep_alive(body.value("keep_alive")),
        options=body.mapping("options"),
        format=body.value("format"),
        wants_thinking=_wants_thinking(body.value("think")),
        has_images=bool(body.items("images", str, "api.ImageData")),
        has_suffix=bool(body.text("suffix")),
        raw=raw,
    )


def read_chat_request(body: RequestBody, directive: ToolDirective = NO_DIRECTIVE) -> TextRequest:
    """Return the request in a body of `/api/chat`.

    Args:
        body: The body.
        directive: What the request says about the use of its tools in another API.

    Raises:
        ApiError: If a field has the wrong type, or a tool cannot be used so.
    """
    messages = body.objects("messages", "api.Message")
    images = [
        image for message in messages for image in message.items("images", str, "api.ImageData")
    ]
    return TextRequest(
        endpoint="chat",
        model=body.text("model"),
        prompt=fit_context(
            "\n".join(f"{message.text('role')}: {message.text('content')}" for message in messages),
            CONTEXT_LENGTH,
        ),
        stream=body.flag("stream", default=True),
        keep_alive=parse_keep_alive(body.value("keep_alive")),
        options=body.mapping("options"),
        format=body.value("format"),
        wants_thinking=_wants_thinking(body.value("think")),
        has_images=bool(images),
        tool_use=read_tool_use(body, messages, directive),
    )


def _wants_thinking(value: object) -> bool:
    match value:
        case None | False:
            return False
        case True:
            return True
        case str() if value in _THINK_LEVELS:
            return True
    levels = '"high", "medium", "low", "max", true, or false'
    if isinstance(value, str):
        raise ApiError(400, f'invalid think value: "{value}" (must be {levels})')
    raise ApiError(400, f"think must be a boolean or string ({levels})")
