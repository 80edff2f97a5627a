"""The responses of the routes below `/v1/`: OpenAI's format with Ollama's particulars."""

from __future__ import annotations

import random
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping

from fuseboard.simulator.go_json import go_json
from fuseboard.simulator.text.generation import GenerationResult


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
        self._id = f"{self._id_prefix}-{random.randrange(999)}"  # noqa: S311 (no secret)

    def token(self, token: str) -> bytes:
        return self._event(self._chunk([self._choice(self._chunk_text_fields(token), None)]))

    def end(self, result: GenerationResult) -> bytes:
        last = self._choice(self._chunk_text_fields(""), result.done_reason)
        events = self._event(self._chunk([last]))
        if self._includes_usage:
            events += self._event({**self._chunk([]), "usage": _usage(result)})
        return events + b"data: [DONE]\n\n"

    def body(self, result: GenerationResult) -> Mapping[str, object]:
        choice = self._choice(self._text_fields(result.text), result.done_reason)
        fields = self._common_fields(self._object_type)
        return {**fields, "choices": [choice], "usage": _usage(result)}

    @abstractmethod
    def _text_fields(self, text: str) -> dict[str, object]: ...

    def _chunk_text_fields(self, text: str) -> dict[str, object]:
        return self._text_fields(text)

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
            "created": int(time.time()),
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

    def _text_fields(self, text: str) -> dict[str, object]:
        return {"message": {"role": "assistant", "content": text}}

    def _chunk_text_fields(self, text: str) -> dict[str, object]:
        return {"delta": {"role": "assistant", "content": text}}


class CompletionEncoder(_OpenAIEncoder):
    """The encoding of the responses of `/v1/completions`."""

    _id_prefix = "cmpl"
    _object_type = _chunk_type = "text_completion"

    def _text_fields(self, text: str) -> dict[str, object]:
        return {"text": text}


def _usage(result: GenerationResult) -> dict[str, int]:
    return {
        "prompt_tokens": result.prompt_tokens,
        "completion_tokens": result.tokens,
        "total_tokens": result.prompt_tokens + result.tokens,
    }
