"""The responses of the routes below `/v1/`: OpenAI's format with Ollama's particulars."""

from __future__ import annotations

import random
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from fuseboard.simulator.go_json import compact_json, go_json
from fuseboard.simulator.text.generation import GenerationResult
from fuseboard.simulator.text.tool_calls import ToolCall


class _OpenAIEncoder(ABC):
    """The encoding of a text as server-sent events, the last of them `[DONE]`, or as one object.

    Subclasses define the object types, and the fields that contain the text.
    """

    stream_type = "text/event-stream"
    _id_prefix = ""
    _object_type = ""
    _chunk_type = ""

    def __init__(self, model: str, *, includes_usage: bool) -> None:
        self._model = model
        self._includes_usage = includes_usage
        self._created = int(time.time())
        self._id = f"{self._id_prefix}-{random.randrange(999)}"  # noqa: S311 (no secret)

    def token(self, token: str) -> bytes:
        return self._text_event(self._chunk_text_fields(token))

    def tool_call(self, call: ToolCall) -> bytes:
        raise AssertionError(f"{self._object_type} has no tools, but calls {call.name}")

    def end(self, result: GenerationResult) -> bytes:
        last = self._choice(self._last_fields(), _finish_reason(result))
        events = self._event(self._chunk([last]))
        if self._includes_usage:
            events += self._event({**self._chunk([]), "usage": _usage(result)})
        return events + b"data: [DONE]\n\n"

    def body(self, result: GenerationResult) -> Mapping[str, object]:
        choice = self._choice(self._text_fields(result.text), _finish_reason(result))
        fields = self._common_fields(self._object_type)
        return {**fields, "choices": [choice], "usage": _usage(result)}

    @abstractmethod
    def _text_fields(self, text: str) -> dict[str, object]: ...

    def _chunk_text_fields(self, text: str) -> dict[str, object]:
        return self._text_fields(text)

    def _last_fields(self) -> dict[str, object]:
        return self._text_fields("")

    def _text_event(self, fields: Mapping[str, object]) -> bytes:
        return self._event(self._chunk([self._choice(fields, None)]))

    def _chunk(self, choices: list[dict[str, object]]) -> dict[str, object]:
        return {**self._common_fields(self._chunk_type), "choices": choices}

    def _choice(
        self, text_fields: Mapping[str, object], finish_reason: str | None
    ) -> dict[str, object]:
        return {"index": 0, **text_fields, "finish_reason": finish_reason}

    def _common_fields(self, object_type: str) -> dict[str, object]:
        return {
            "id": self._id,
            "object": object_type,
            "created": self._created,
            "model": self._model,
            "system_fingerprint": "fp_ollama",
        }

    @staticmethod
    def _event(data: Mapping[str, object]) -> bytes:
        return b"data: " + go_json(data) + b"\n\n"


class ChatCompletionEncoder(_OpenAIEncoder):
    """The encoding of the responses of `/v1/chat/completions`."""

    _id_prefix = "chatcmpl"
    _object_type = "chat.completion"
    _chunk_type = "chat.completion.chunk"

    def __init__(self, model: str, *, includes_usage: bool) -> None:
        super().__init__(model, includes_usage=includes_usage)
        self._started = False

    def tool_call(self, call: ToolCall) -> bytes:
        """Return one call, which Ollama sends whole, with its arguments in one piece."""
        return self._text_event({"delta": self._delta("", [call])})

    def body(self, result: GenerationResult) -> Mapping[str, object]:
        """Return the whole completion."""
        body = super().body(result)
        if result.tool_calls:
            message = {
                "role": "assistant",
                "content": "",
                "tool_calls": list(map(_tool_call, result.tool_calls)),
            }
            choice = self._choice({"message": message}, _finish_reason(result))
            return {**body, "choices": [choice]}
        return body

    def _text_fields(self, text: str) -> dict[str, object]:
        return {"message": {"role": "assistant", "content": text}}

    def _chunk_text_fields(self, text: str) -> dict[str, object]:
        return {"delta": self._delta(text, [])}

    def _last_fields(self) -> dict[str, object]:
        return {"delta": {}}

    def _delta(self, text: str, calls: Sequence[ToolCall]) -> dict[str, object]:
        """Return a delta; the first of a stream has the role."""
        role = {} if self._started else {"role": "assistant"}
        self._started = True
        tool_calls = {"tool_calls": list(map(_tool_call, calls))} if calls else {}
        return {**role, "content": text, **tool_calls}


class CompletionEncoder(_OpenAIEncoder):
    """The encoding of the responses of `/v1/completions`."""

    _id_prefix = "cmpl"
    _object_type = _chunk_type = "text_completion"

    def _text_fields(self, text: str) -> dict[str, object]:
        return {"text": text}


def _finish_reason(result: GenerationResult) -> str:
    called = result.tool_calls and result.done_reason == "stop"
    return "tool_calls" if called else result.done_reason


def _tool_call(call: ToolCall) -> dict[str, object]:
    function = {"name": call.name, "arguments": compact_json(call.arguments)}
    return {"id": call.id, "index": call.index, "type": "function", "function": function}


def _usage(result: GenerationResult) -> dict[str, int]:
    return {
        "prompt_tokens": result.prompt_tokens,
        "completion_tokens": result.tokens,
        "total_tokens": result.prompt_tokens + result.tokens,
    }
