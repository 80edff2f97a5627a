"""Converting requests of the Responses API into Ollama's own, as Ollama does."""

from __future__ import annotations

from collections.abc import Mapping

from fuseboard.simulator.errors import ApiError
from fuseboard.simulator.openai_api.requests import image_data, read_arguments, read_effort
from fuseboard.simulator.request_body import RequestBody

Message = dict[str, object]


def to_chat_request(body: RequestBody) -> RequestBody:
    """Convert a request into a chat request.

    Raises:
        ApiError: If it is invalid.
    """
    messages: list[Message] = []
    if instructions := body.text("instructions"):
        messages.append({"role": "system", "content": instructions})
    match body.value("input"):
        case None | "":
            pass
        case str() as text:
            messages.append({"role": "user", "content": text})
        case list() as items:
            for place, item in enumerate(items):
                _add_item(messages, item, f"input[{place}]")
        case _:
            raise ApiError(400, "input must be a string or array")
    reasoning = RequestBody("openai.ResponsesRequest.reasoning", body.mapping("reasoning"))
    return RequestBody(
        "api.ChatRequest",
        {
            "model": body.text("model"),
            "messages": messages,
            "stream": body.flag("stream", default=False),
            "options": {
                "num_predict": body.integer("max_output_tokens"),
                "temperature": body.number("temperature"),
            },
            "format": _format(body),
            "think": read_effort(reasoning.text("effort")),
            "tools": [_tool(tool) for tool in body.items("tools", dict, "openai.ResponsesTool")],
        },
    )


def _add_item(messages: list[Message], item: object, place: str) -> None:
    """Add one item of the input to the messages; what only tells the past adds nothing."""
    if not isinstance(item, dict):
        raise ApiError(400, f"{place}: it is no object")
    kind = item.get("type") or ("message" if item.get("role") else None)
    match kind:
        case "message":
            content, images = _content(item.get("content"), place)
            message: Message = {"role": item.get("role"), "content": content}
            messages.append({**message, "images": images} if images else message)
        case "function_call":
            function = {
                "name": item.get("name"),
                "arguments": read_arguments(item.get("arguments")),
            }
            call = {"id": item.get("call_id"), "function": function}
            if messages and messages[-1]["role"] == "assistant":
                calls = messages[-1].setdefault("tool_calls", [])
                assert isinstance(calls, list)  # noqa: S101 (made here)
                calls.append(call)
            else:
                messages.append({"role": "assistant", "content": "", "tool_calls": [call]})
        case "function_call_output":
            content, _ = _content(item.get("output"), place)
            messages.append({"role": "tool", "content": content})
        case "reasoning" | "web_search_call":
            pass
        case None:
            raise ApiError(400, f"{place}: input item missing required 'type' field")
        case _:
            raise ApiError(400, f'{place}: unknown input item type: "{kind}"')


def _content(value: object, place: str) -> tuple[str, list[str]]:
    """Return the text and the images of a content."""
    if value is None or isinstance(value, str):
        return value or "", []
    if not isinstance(value, list):
        raise ApiError(400, f"{place}: content must be a string or array")
    texts: list[str] = []
    images: list[str] = []
    for part in value:
        match part:
            case {"type": "input_text" | "output_text", "text": str(text)}:
                texts.append(text)
            case {"type": "input_image", "image_url": str(url)}:
                images.append(image_data(url))
            case {"type": "input_image"}:
                pass
            case {"type": "input_file"}:
                raise ApiError(400, "file inputs are not currently supported")
            case _:
                kind = part.get("type") if isinstance(part, dict) else None
                raise ApiError(400, f"{place}: unknown content type: {kind}")
    return "".join(texts), images


def _format(body: RequestBody) -> object:
    match body.mapping("text").get("format"):
        case {"type": "json_schema", "schema": dict(schema)}:
            return schema
        case {"type": "json_object"}:
            return "json"
    return None


def _tool(tool: Mapping[str, object]) -> dict[str, object]:
    """Return a tool as Ollama's own API has it; the simulator refuses what is no function."""
    function = {key: tool[key] for key in ("name", "description", "parameters") if key in tool}
    return {"type": tool.get("type"), "function": function}
