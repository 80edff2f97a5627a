"""How the routes below `/v1/` write texts: as OpenAI does, in Ollama's way of doing it."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping

from fuseboard.simulator.go_json import go_json
from fuseboard.simulator.text.generation import Ending


class _EventsForm:
    """Server-sent events, the last of them `[DONE]`, or one object."""

    stream_type = "text/event-stream"
    _id_begins = ""
    _whole_object = ""
    _chunk_object = ""

    def __init__(self, model: str, *, includes_usage: bool) -> None:
        self._model = model
        self._includes_usage = includes_usage
        self._id = f"{self._id_begins}-{random.randrange(999)}"  # noqa: S311 (no secret)

    def piece(self, text: str) -> bytes:
        return self._event(self._chunk([self._choice(self._said_in_chunk(text), None)]))

    def end(self, ending: Ending) -> bytes:
        last = self._choice(self._said_in_chunk(""), ending.reason)
        events = self._event(self._chunk([last]))
        if self._includes_usage:
            events += self._event({**self._chunk([]), "usage": _usage(ending)})
        return events + b"data: [DONE]\n\n"

    def whole(self, ending: Ending) -> Mapping[str, object]:
        choice = self._choice(self._said(ending.text), ending.reason)
        return {**self._head(self._whole_object), "choices": [choice], "usage": _usage(ending)}

    def _said(self, text: str) -> dict[str, object]:
        raise NotImplementedError

    def _said_in_chunk(self, text: str) -> dict[str, object]:
        return self._said(text)

    def _chunk(self, choices: list[dict[str, object]]) -> dict[str, object]:
        return {**self._head(self._chunk_object), "choices": choices}

    def _choice(self, said: Mapping[str, object], reason: str | None) -> dict[str, object]:
        return {"index": 0, **said, "finish_reason": reason}

    def _head(self, kind: str) -> dict[str, object]:
        return {
            "id": self._id,
            "object": kind,
            "created": int(time.time()),
            "model": self._model,
            "system_fingerprint": "fp_ollama",
        }

    @staticmethod
    def _event(content: Mapping[str, object]) -> bytes:
        return b"data: " + go_json(content) + b"\n\n"


class ChatCompletionForm(_EventsForm):
    """The answers of `/v1/chat/completions`."""

    _id_begins = "chatcmpl"
    _whole_object = "chat.completion"
    _chunk_object = "chat.completion.chunk"

    def _said(self, text: str) -> dict[str, object]:
        return {"message": {"role": "assistant", "content": text}}

    def _said_in_chunk(self, text: str) -> dict[str, object]:
        return {"delta": {"role": "assistant", "content": text}}


class CompletionForm(_EventsForm):
    """The answers of `/v1/completions`."""

    _id_begins = "cmpl"
    _whole_object = _chunk_object = "text_completion"

    def _said(self, text: str) -> dict[str, object]:
        return {"text": text}


def _usage(ending: Ending) -> dict[str, int]:
    return {
        "prompt_tokens": ending.prompt_tokens,
        "completion_tokens": ending.tokens,
        "total_tokens": ending.prompt_tokens + ending.tokens,
    }
