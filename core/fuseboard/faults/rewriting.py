"""Changes to what a model says: an answer cut at the token limit, broken tool calls.

A payload is one JSON object of a response: the whole of it, a line, or the data
of an event. A change returns the payloads in its place, and whether the answer
ends with them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Payload = dict[str, Any]
Rewritten = tuple[list[Payload], bool]
Rewrite = Callable[[Payload], Rewritten]


def end_at_token_limit(payload: Payload) -> Rewritten:
    """End an answer as a server does at its token limit; half of a whole answer remains.

    What carries no text passes unchanged, and the answer goes on.
    """
    match payload:
        case {"choices": [_, *_] as choices}:  # OpenAI's chat and completions
            for choice in _objects(choices):
                choice["finish_reason"] = "length"
                if "delta" in choice:
                    choice["delta"] = {}
                elif isinstance(choice.get("message"), dict):
                    _halve(choice["message"], "content")
                else:
                    _halve(choice, "text")
            return [payload], True
        case {"candidates": [_, *_] as candidates}:  # Gemini's
            for candidate in _objects(candidates):
                candidate["finishReason"] = "MAX_TOKENS"
            return [payload], True
        case {"done": bool()}:  # Ollama's
            payload |= {"done": True, "done_reason": "length"}
            spoken = payload.get("message")
            _halve(spoken if isinstance(spoken, dict) else payload, "content", "response")
            return [payload], True
        case {"type": "content_block_delta" | "content_block_stop", "index": int(index)}:
            return [
                {"type": "content_block_stop", "index": index},
                {
                    "type": "message_delta",
                    "delta": {"stop_reason": "max_tokens", "stop_sequence": None},
                    "usage": {"output_tokens": 1},
                },
                {"type": "message_stop"},
            ], True
        case {"type": "message_delta", "delta": dict(delta)}:
            delta["stop_reason"] = "max_tokens"
        case {"type": "message", "stop_reason": _, "content": [*blocks]}:  # Anthropic's, whole
            payload["stop_reason"] = "max_tokens"
            for block in _objects(blocks):
                _halve(block, "text")
            return [payload], True
        case {"type": "response.completed", "response": dict(response)}:
            payload["type"] = "response.incomplete"
            _mark_incomplete(response)
            return [payload], True
        case {"object": "response", "status": "completed"}:
            _mark_incomplete(payload)
            return [payload], True
        case _:
            pass
    return [payload], False


def break_tool_arguments(payload: Payload) -> Rewritten:
    """Break the arguments of every tool call.

    As text they lack their closing braces, as a model leaves them out; as an
    object their values are null.
    """
    _break_arguments(payload)
    return [payload], False


_ARGUMENTS = {"arguments", "partial_json", "args", "input", "delta"}
_TOOL_CALL_TYPES = {"tool_use", "function_call", "input_json_delta"}


def _break_arguments(value: Any, *, in_call: bool = False) -> None:
    if isinstance(value, list):
        for item in value:
            _break_arguments(item, in_call=in_call)
        return
    if not isinstance(value, dict):
        return
    kind = str(value.get("type", ""))
    is_call = in_call or kind in _TOOL_CALL_TYPES or kind.startswith("response.function_call_arg")
    for name, item in value.items():
        if is_call and name in _ARGUMENTS and isinstance(item, str):
            value[name] = item.replace("}", "")
        elif is_call and name in _ARGUMENTS and isinstance(item, dict):
            value[name] = dict.fromkeys(item)
        else:
            calls = name in ("tool_calls", "functionCall", "function_call")
            _break_arguments(item, in_call=calls or (in_call and name == "function"))


def _halve(value: Payload, *names: str) -> None:
    for name in names:
        text = value.get(name)
        if isinstance(text, str):
            value[name] = text[: len(text) // 2]


def _mark_incomplete(response: Payload) -> None:
    response["status"] = "incomplete"
    response["incomplete_details"] = {"reason": "max_output_tokens"}


def _objects(items: list[Any]) -> list[Payload]:
    return [item for item in items if isinstance(item, dict)]
