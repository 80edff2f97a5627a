"""Turning requests in OpenAI's form into Ollama's own, as Ollama does."""

from __future__ import annotations

from fuseboard.simulator.errors import RefusedError
from fuseboard.simulator.request_body import Body

_EFFORTS = ("high", "medium", "low", "none")
_IMAGE = "data:image/"


def chat_of(body: Body) -> Body:
    """Turn a chat completion into a chat.

    Raises:
        RefusedError: If it makes no sense.
    """
    model, said = body.text("model"), body.bodies("messages", "openai.Message")
    if not said:
        raise RefusedError(400, "[] is too short - 'messages'")
    return Body(
        "api.ChatRequest",
        {
            "model": model,
            "messages": [message for each in said for message in _messages(each)],
            "stream": body.flag("stream", default=False),
            "options": _options(body),
            "format": _format(body),
            "think": _think(body),
            "tools": body.value("tools"),
        },
    )


def generate_of(body: Body) -> Body:
    """Turn a completion into a request to generate.

    Raises:
        RefusedError: If it makes no sense.
    """
    return Body(
        "api.GenerateRequest",
        {
            "model": body.text("model"),
            "prompt": body.text("prompt"),
            "suffix": body.text("suffix"),
            "stream": body.flag("stream", default=False),
            "options": _options(body),
        },
    )


def _options(body: Body) -> dict[str, object]:
    stop = body.value("stop")
    return {
        "num_predict": body.whole("max_tokens"),
        "seed": body.whole("seed"),
        "stop": [stop] if isinstance(stop, str) else stop if isinstance(stop, list) else None,
        "temperature": body.number("temperature"),
    }


def _format(body: Body) -> object:
    wanted = body.mapping("response_format")
    match wanted.get("type"), wanted.get("json_schema"):
        case "json_object", _:
            return "json"
        case "json_schema", dict() as described:
            return described.get("schema")
    return None


def _think(body: Body) -> str | None:
    effort = body.text("reasoning_effort")
    if effort and effort not in _EFFORTS:
        raise RefusedError(
            400,
            f'invalid reasoning value: \'{effort}\' (must be "high", "medium", "low", or "none")',
        )
    return None if effort == "none" else effort or None


def _messages(said: Body) -> list[dict[str, object]]:
    role, content = said.text("role"), said.value("content")
    match content:
        case str():
            return [{"role": role, "content": content}]
        case list():
            return [{"role": role, **_part(part)} for part in content]
        case None if said.value("tool_calls"):
            return [{"role": role}]
    go_type = {type(None): "<nil>", bool: "bool", dict: "map[string]interface {}"}
    found = go_type.get(type(content), "float64")
    raise RefusedError(400, f"invalid message content type: {found}")


def _part(part: object) -> dict[str, object]:
    match part:
        case {"type": "text", "text": str() as text}:
            return {"content": text}
        case {"type": "image_url", "image_url": {"url": str() as url} | (str() as url)}:
            if not url.startswith(_IMAGE):
                raise RefusedError(400, "invalid image input")
            return {"images": [url.partition(",")[2]]}
    raise RefusedError(400, "invalid message format")
