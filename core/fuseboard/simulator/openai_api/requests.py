"""Converting OpenAI's requests into Ollama's own, as Ollama does."""

from __future__ import annotations

from fuseboard.simulator.errors import ApiError
from fuseboard.simulator.request_body import RequestBody

_EFFORTS = ("high", "medium", "low", "none")
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
            "think": _think(body),
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


def _think(body: RequestBody) -> str | None:
    effort = body.text("reasoning_effort")
    if effort and effort not in _EFFORTS:
        raise ApiError(
            400,
            f'invalid reasoning value: \'{effort}\' (must be "high", "medium", "low", or "none")',
        )
    return None if effort == "none" else effort or None


def _convert_message(message: RequestBody) -> list[dict[str, object]]:
    role, content = message.text("role"), message.value("content")
    match content:
        case str():
            return [{"role": role, "content": content}]
        case list():
            return [{"role": role, **_convert_part(part)} for part in content]
        case None if message.value("tool_calls"):
            return [{"role": role}]
    go_types = {type(None): "<nil>", bool: "bool", dict: "map[string]interface {}"}
    found = go_types.get(type(content), "float64")
    raise ApiError(400, f"invalid message content type: {found}")


def _convert_part(part: object) -> dict[str, object]:
    match part:
        case {"type": "text", "text": str() as text}:
            return {"content": text}
        case {"type": "image_url", "image_url": {"url": str() as url} | (str() as url)}:
            if not url.startswith(_IMAGE_PREFIX):
                raise ApiError(400, "invalid image input")
            return {"images": [url.partition(",")[2]]}
    raise ApiError(400, "invalid message format")
