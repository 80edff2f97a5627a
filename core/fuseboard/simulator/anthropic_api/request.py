"""Converting requests of the Messages API into Ollama's own, as Ollama does."""

from __future__ import annotations

from fuseboard.simulator.errors import ApiError
from fuseboard.simulator.ollama_api.tool_request import ToolDirective
from fuseboard.simulator.request_body import RequestBody
from fuseboard.simulator.text.tool_calls import ToolChoice

Message = dict[str, object]

_CHOICES = {"auto": ToolChoice.AUTO, "any": ToolChoice.REQUIRED, "none": None}


def to_chat_request(body: RequestBody) -> RequestBody:
    """Convert a request into a chat request.

    What it says about thinking is left out: Ollama ignores that for a model that does not think.

    Raises:
        ApiError: If it is invalid.
    """
    model, max_tokens = body.text("model"), body.integer("max_tokens") or 0
    if not model:
        raise ApiError(400, "model is required")
    if max_tokens <= 0:
        raise ApiError(400, "max_tokens is required and must be positive")
    sent = body.objects("messages", "anthropic.MessageParam")
    if not sent:
        raise ApiError(400, "messages is required")
    messages: list[Message] = []
    if system := _text(body.value("system")):
        messages.append({"role": "system", "content": system})
    for message in sent:
        messages += _convert_message(message)
    return RequestBody(
        "api.ChatRequest",
        {
            "model": model,
            "messages": messages,
            "stream": body.flag("stream", default=False),
            "options": {
                "num_predict": max_tokens,
                "temperature": body.number("temperature"),
                "stop": body.items("stop_sequences", str, "string") or None,
            },
            "tools": [_tool(tool) for tool in body.objects("tools", "anthropic.Tool")],
        },
    )


def read_directive(body: RequestBody) -> ToolDirective:
    """Return what the field `tool_choice` says, which Ollama ignores.

    Raises:
        ApiError: If it is invalid.
    """
    choice = RequestBody("anthropic.MessagesRequest.tool_choice", body.mapping("tool_choice"))
    parallel = not choice.flag("disable_parallel_tool_use", default=False)
    kind = choice.text("type") or "auto"
    if kind == "tool":
        name = choice.text("name")
        return ToolDirective(ToolChoice.REQUIRED, frozenset([name]), parallel=False)
    if kind not in _CHOICES:
        raise ApiError(400, 'tool_choice.type must be "auto", "any", "tool" or "none"')
    return ToolDirective(_CHOICES[kind], parallel=parallel)


def _convert_message(message: RequestBody) -> list[Message]:
    role, content = message.text("role").lower(), message.value("content")
    if isinstance(content, str):
        return [{"role": role, "content": content}] if content else []
    texts: list[str] = []
    images: list[str] = []
    calls: list[dict[str, object]] = []
    results: list[Message] = []
    for block in message.items("content", dict, "anthropic.ContentBlock"):
        match block:
            case {"type": "text", "text": str(text)}:
                texts.append(text)
            case {"type": "image"}:
                images.append(_image(block.get("source")))
            case {"type": "tool_use", "id": str(call_id), "name": str(name)} if call_id and name:
                function = {"name": name, "arguments": block.get("input")}
                calls.append({"id": call_id, "function": function})
            case {"type": "tool_use"}:
                missing = "name" if block.get("id") else "id"
                raise ApiError(400, f"tool_use block missing required '{missing}' field")
            case {"type": "tool_result"}:
                results.append({"role": "tool", "content": _text(block.get("content"))})
    own: Message = {"role": role, "content": "".join(texts)}
    if images:
        own["images"] = images
    if calls:
        own["tool_calls"] = calls
    return [*results, own] if texts or images or calls else [*results]


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = (block.get("text") for block in content if isinstance(block, dict))
    return "".join(text for text in texts if isinstance(text, str))


def _image(source: object) -> str:
    match source:
        case {"type": "base64", "data": str(data)}:
            return data
        case {"type": kind}:
            raise ApiError(
                400, f"invalid image source type: {kind}. Only base64 images are supported."
            )
    raise ApiError(400, "invalid image source")


def _tool(tool: RequestBody) -> dict[str, object]:
    kind = tool.text("type")
    return {
        "type": "function" if kind in {"", "custom"} else kind,
        "function": {
            "name": tool.text("name"),
            "description": tool.text("description"),
            "parameters": tool.mapping("input_schema"),
        },
    }
