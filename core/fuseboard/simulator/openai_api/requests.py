"""Converting OpenAI's requests into Ollama's own, as Ollama does."""

from __future__ import annotations

import json

from fuseboard.simulator.errors import ApiError
from fuseboard.simulator.request_body import RequestBody

_THINK_LEVELS = {  # OpenAI's and its clients' efforts that Ollama knows by another name
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "max": "max",
    "xhigh": "max",
    "ultra": "max",
}
_IMAGE_PREFIX = "data:image/"


def to_chat_request(body: RequestBody) -> RequestBody:
    """Convert a chat completion request into a chat request.

    Raises:
        ApiError: If it is invalid.
    """
    model, messages = body.text("model"), body.objects("messages", "openai.Message")
    if not messages:
        raise ApiError(400, "[] is too short - 'messages'")
    return RequestBody(
        "api.ChatRequest",
        {
            "model": model,
            "messages": [
                converted for message in messages for converted in _convert_message(message)
            ],
            "stream": body.flag("stream", default=False),
            "options": _options(body),
            "format": _format(body),
            "think": read_effort(_effort(body)),
            "tools": body.value("tools"),
        },
    )


def to_generate_request(body: RequestBody) -> RequestBody:
    """Convert a completion request into a generate request.

    Raises:
        ApiError: If it is invalid.
    """
    return RequestBody(
        "api.GenerateRequest",
        {
            "model": body.text("model"),
            "prompt": body.text("prompt"),
            "suffix": body.text("suffix"),
            "stream": body.flag("stream", default=False),
            "options": _options(body),
        },
    )


def _options(body: RequestBody) -> dict[str, object]:
    stop = body.value("stop")
    return {
        "num_predict": body.integer("max_tokens"),
        "seed": body.integer("seed"),
        "stop": [stop] if isinstance(stop, str) else stop if isinstance(stop, list) else None,
        "temperature": body.number("temperature"),
    }


def _format(body: RequestBody) -> object:
    response_format = body.mapping("response_format")
    match response_format.get("type"), response_format.get("json_schema"):
        case "json_object", _:
            return "json"
        case "json_schema", dict() as json_schema:
            return json_schema.get("schema")
    return None


def read_effort(effort: str) -> str | None:
    """Return the level of thinking that an effort stands for; `None` for no thinking.

    Raises:
        ApiError: If there is no such effort.
    """
    if effort in {"", "none"}:
        return None
    if effort not in _THINK_LEVELS:
        raise ApiError(
            400,
            f'invalid reasoning value: "{effort}" (must be "minimal", "low", "medium", "high",'
            ' "xhigh", "ultra", "max", or "none")',
        )
    return _THINK_LEVELS[effort]


def read_arguments(text: object) -> dict[str, object]:
    """Return the arguments of an earlier call, which are JSON in a text.

    Raises:
        ApiError: If they are not an object.
    """
    try:
        arguments = json.loads(text) if isinstance(text, str) and text else {}
    except (ValueError, RecursionError):
        arguments = None
    if not isinstance(arguments, dict):
        raise ApiError(400, "invalid tool call arguments")
    return arguments


def _effort(body: RequestBody) -> str:
    reasoning = body.mapping("reasoning")
    if reasoning:
        return RequestBody("openai.ChatCompletionRequest.reasoning", reasoning).text("effort")
    return body.text("reasoning_effort")


def _convert_message(message: RequestBody) -> list[dict[str, object]]:
    role, content = message.text("role"), message.value("content")
    calls = [_convert_call(call) for call in message.objects("tool_calls", "openai.ToolCall")]
    match content:
        case str():
            converted: list[dict[str, object]] = [{"role": role, "content": content}]
        case list():
            converted = [{"role": role, **_convert_part(part)} for part in content]
        case None if calls:
            converted = [{"role": role}]
        case _:
            go_types = {type(None): "<nil>", bool: "bool", dict: "map[string]interface {}"}
            found = go_types.get(type(content), "float64")
            raise ApiError(400, f"invalid message content type: {found}")
    if calls and converted:
        converted[-1]["tool_calls"] = calls
    return converted


def _convert_call(call: RequestBody) -> dict[str, object]:
    function = call.mapping("function")
    arguments = read_arguments(function.get("arguments"))
    return {"id": call.text("id"), "function": {**function, "arguments": arguments}}


def _convert_part(part: object) -> dict[str, object]:
    match part:
        case {"type": "text", "text": str() as text}:
            return {"content": text}
        case {"type": "image_url", "image_url": {"url": str() as url} | (str() as url)}:
            return {"images": [image_data(url)]}
    raise ApiError(400, "invalid message format")


def image_data(url: str) -> str:
    """Return the image in a URL, as it is encoded there.

    Raises:
        ApiError: If it is somewhere else.
    """
    if not url.startswith(_IMAGE_PREFIX):
        raise ApiError(400, "invalid image input")
    return url.partition(",")[2]
