"""The responses of `/v1/messages`: Anthropic's events with Ollama's particulars."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from fuseboard.simulator.go_json import compact_json, go_json
from fuseboard.simulator.text.generation import GenerationResult
from fuseboard.simulator.text.tool_calls import ToolCall

_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens"}


class MessagesEncoder:
    """The encoding of a text, or of calls of tools, as the blocks of one message.

    Like Ollama's, a text that was ended by a stop sequence has the reason `end_turn`.

    Args:
        model: The name of the model, as the request has it.
        input_tokens: How long the input is, estimated before it is evaluated.
    """

    stream_type = "text/event-stream"

    def __init__(self, model: str, input_tokens: int) -> None:
        self._model = model
        self._input_tokens = input_tokens
        self._id = f"msg_{secrets.token_hex(12)}"
        self._started = False
        self._text_started = False

    def token(self, token: str) -> bytes:
        """Return the events of one token."""
        events = self._begin()
        if not self._text_started:
            self._text_started = True
            events += _block_start(0, {"type": "text", "text": ""})
        return events + _block_delta(0, {"type": "text_delta", "text": token})

    def tool_call(self, call: ToolCall) -> bytes:
        """Return the events of one call."""
        block = {**_tool_use(call), "input": {}}
        arguments = compact_json(call.arguments)
        return b"".join(
            [
                self._begin(),
                _block_start(call.index, block),
                _block_delta(call.index, {"type": "input_json_delta", "partial_json": arguments}),
                _event("content_block_stop", index=call.index),
            ]
        )

    def end(self, result: GenerationResult) -> bytes:
        """Return the events that end the message."""
        events = self._begin()
        if self._text_started:
            events += _event("content_block_stop", index=0)
        delta = {"stop_reason": _stop_reason(result)}
        events += _event("message_delta", delta=delta, usage=_usage(result))
        return events + _event("message_stop")

    def body(self, result: GenerationResult) -> Mapping[str, object]:
        """Return the message as one object."""
        content: list[dict[str, object]] = [_tool_use(call) for call in result.tool_calls]
        if result.text:
            content.insert(0, {"type": "text", "text": result.text})
        return {
            **self._message(content),
            "stop_reason": _stop_reason(result),
            "usage": _usage(result),
        }

    def _begin(self) -> bytes:
        """Return the event that precedes all others, the first time."""
        if self._started:
            return b""
        self._started = True
        usage = {"input_tokens": self._input_tokens, "output_tokens": 0}
        return _event("message_start", message={**self._message([]), "usage": usage})

    def _message(self, content: list[dict[str, object]]) -> dict[str, object]:
        return {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": content,
        }


def _event(kind: str, **fields: object) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + go_json({"type": kind, **fields}) + b"\n\n"


def _block_start(index: int, block: Mapping[str, object]) -> bytes:
    return _event("content_block_start", index=index, content_block=block)


def _block_delta(index: int, delta: Mapping[str, object]) -> bytes:
    return _event("content_block_delta", index=index, delta=delta)


def _tool_use(call: ToolCall) -> dict[str, object]:
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments}


def _stop_reason(result: GenerationResult) -> str:
    return "tool_use" if result.tool_calls else _STOP_REASONS.get(result.done_reason, "")


def _usage(result: GenerationResult) -> dict[str, int]:
    return {"input_tokens": result.prompt_tokens, "output_tokens": result.tokens}
