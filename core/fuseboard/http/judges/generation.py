"""How far the output of a model has come, told from the objects in which an API sends it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fuseboard.breaker.outcome import Verdict
from fuseboard.http.judges.json_object import TOO_LONG, InvalidResponseError

_MAX_CHOICES = 4096  # a request for more completions at once is no request

# Reasons to finish that mean a failure of the server, though the status was 200.
_FAILED = frozenset(
    {
        "abort", "aborted", "engine_error", "error", "failed", "internal_error",
        "insufficient_system_resource", "network_error", "server_error", "timeout",
    }
)  # fmt: skip
_CANCELLED = frozenset({"cancelled", "canceled"})
_UNFINISHED = frozenset({"", "null", "none"})  # as DashScope and others say it

_COMPLETIONS = ("chat.completion.chunk", "chat.completion", "text_completion")

# Parts of a choice or a message that carry no output.
_WITHOUT_OUTPUT = frozenset({"role", "name", "index", "id", "type"})

# Events with a `type`: those that end a stream, with output or after it, and those before.
_LAST_EVENTS = frozenset(
    {
        "response.completed", "response.incomplete", "response.done",
        "image_generation.completed", "image_edit.completed", "transcript.text.done",
    }
)  # fmt: skip
_LAST_EVENTS_WITHOUT_OUTPUT = frozenset(
    {"speech.audio.done", "message_stop", "message-end", "stream-end", "chat.end"}
)
_EVENTS_WITHOUT_OUTPUT = frozenset(
    {
        "response.created", "response.queued", "response.in_progress",
        "response.content_part.added", "message_start", "message-start", "stream-start",
        "content-start", "content_block_stop",
        "chat.start", "model_load.start", "model_load.progress", "model_load.end",
        "prompt_processing.start", "prompt_processing.progress", "prompt_processing.end",
        "message.start", "reasoning.start", "ping", "keepalive", "heartbeat",
    }
)  # fmt: skip
_LAST_EVENT_OF = {
    "response": "response.completed",
    "image_generation": "image_generation.completed",
    "image_edit": "image_edit.completed",
    "transcript": "transcript.text.done",
    "speech": "speech.audio.done",
    "chat": "chat.end",
}


class Generation:
    """The output of a model as far as it has arrived, in the form of any API.

    Known are OpenAI's chat completions, completions, responses, images and
    audio, Anthropic's messages, and the own forms of llama.cpp, TGI, SGLang,
    DashScope, Cohere, Gemini and LM Studio. An object in a form that is not
    known is output.

    Args:
        chosen: Returns the verdict that the user gives a reason to finish; `None` for none.
    """

    def __init__(self, chosen: Callable[[str], Verdict | None] = lambda _: None) -> None:
        self._chosen = chosen
        self.content_started = False
        """Whether something of the output has arrived: text, thought, a tool call, its end."""
        self.missing = "[DONE]"
        """What ends a stream of this form."""
        self._open: set[int] = set()  # choices that are not finished
        self._finished: set[int] = set()
        self._ended = False

    @property
    def whole(self) -> bool:
        """Whether the output is complete: every choice finished, or the last event seen."""
        return self._ended or bool(self._finished and not self._open)

    @property
    def begun(self) -> bool:
        """Whether a choice has been seen, finished or not."""
        return bool(self._open or self._finished)

    def read(self, item: Mapping[str, Any], name: str = "") -> None:
        """Process the next object; `name` is the type of the event that brought it.

        Raises:
            InvalidResponseError: If it says that the server failed, or that the
                response was cancelled.
        """
        kind = item.get("type", name)
        if "choices" in item or item.get("object") in _COMPLETIONS:
            self._read_choices(item.get("choices"))
        elif isinstance(item.get("candidates"), list):  # Gemini
            self.missing = "finishReason"
            self._read_choices(item["candidates"])
        elif isinstance(output := item.get("output"), dict) and (
            "choices" in output or "finish_reason" in output
        ):  # DashScope
            self.missing = "finish_reason"
            self._read_choices(output.get("choices", [output]))
        elif isinstance(kind, str) and kind:
            self._read_event(kind, item)
        elif item.get("object") == "response":
            self._read_response(item)
        else:
            self._read_own_form(item)

    def _read_choices(self, choices: object) -> None:
        for position, choice in enumerate(choices if isinstance(choices, list) else ()):
            if isinstance(choice, dict):
                index = choice.get("index")
                self._read_choice(index if isinstance(index, int) else position, choice)

    def _read_choice(self, index: int, choice: Mapping[str, Any]) -> None:
        if index not in self._finished:
            self._open.add(index)
        if not self.content_started:
            self.content_started = any(
                _has_output(choice.get(name)) for name in ("delta", "message", "text", "content")
            )
        if self._finishes(choice.get("finish_reason", choice.get("finishReason"))):
            self._open.discard(index)
            self._finished.add(index)
        if len(self._open) + len(self._finished) > _MAX_CHOICES:
            raise InvalidResponseError(TOO_LONG)

    def _finishes(self, reason: object) -> bool:
        """Return whether a reason to finish is one; raise if it is a failure's."""
        if isinstance(reason, dict):  # SGLang's
            reason = reason.get("type")
        if not isinstance(reason, str) or reason.casefold() in _UNFINISHED:
            return False
        verdict = self._chosen(reason) or _verdict_on_finish(reason.casefold())
        if verdict is not Verdict.SUCCESS:
            # Only reasons that we or the user named come here.
            raise InvalidResponseError(
                f"error in the answer: finish_reason {reason.casefold()}", verdict
            )
        self.content_started = True
        return True

    def _read_event(self, kind: str, event: Mapping[str, Any]) -> None:
        family = kind.partition(".")[0]
        self.missing = _LAST_EVENT_OF.get(family, self.missing)
        match kind:
            case "message":  # Anthropic's, not streamed
                self._read_message(event)
            case "content_block_start":
                self._read_part(event.get("content_block"))
            case "content_block_delta":
                self.missing = "message_stop"
                self._read_part(event.get("delta"))
            case "message_delta":
                self.missing = "message_stop"
                delta = event.get("delta")
                if isinstance(delta, dict) and self._finishes(delta.get("stop_reason")):
                    self._ended = True
            case "message_start":
                self.missing = "message_stop"
            case "response.output_item.added":
                item = event.get("item")
                if isinstance(item, dict) and item.get("type") not in ("message", "reasoning"):
                    self.content_started = True
            case "response.failed":
                raise InvalidResponseError("error in the answer: unnamed")
            case "response.cancelled" | "response.canceled":
                self._finishes("cancelled")
            case _ if kind in _LAST_EVENTS:
                if isinstance(response := event.get("response"), dict):
                    self._read_response(response)
                self.content_started = self._ended = True
            case _ if kind in _LAST_EVENTS_WITHOUT_OUTPUT:
                self._ended = self.content_started
            case _ if kind not in _EVENTS_WITHOUT_OUTPUT:
                self.content_started = True

    def _read_message(self, message: Mapping[str, Any]) -> None:
        finished = self._finishes(message.get("stop_reason"))
        if isinstance(message.get("content"), list) and (finished or message["content"]):
            self.content_started = self._ended = True
        else:
            self.content_started = False

    def _read_part(self, part: object) -> None:
        if isinstance(part, dict):
            named = part.get("type") in ("tool_use", "server_tool_use")
            self.content_started = self.content_started or named or _has_output(part)

    def _read_response(self, response: Mapping[str, Any]) -> None:
        """Read an object of OpenAI's Responses API; one that runs in the background is good."""
        status = response.get("status")
        if status in ("cancelled", "canceled"):
            self._finishes("cancelled")
        if status == "failed":
            raise InvalidResponseError("error in the answer: unnamed")
        self.content_started = True

    def _read_own_form(self, item: Mapping[str, Any]) -> None:
        if isinstance(stop := item.get("stop"), bool) and "content" in item:  # llama.cpp
            self.missing = "stop"
            self._read_choice(0, {"content": item["content"], "finish_reason": stop and "stop"})
        elif "generated_text" in item and "token" in item:  # TGI
            self.missing = "generated_text"
            text = item["generated_text"]
            self._read_choice(
                0, {"text": item["token"], "finish_reason": text is not None and "stop"}
            )
        elif isinstance(meta := item.get("meta_info"), dict):  # SGLang
            self.missing = "finish_reason"
            self._read_choice(
                0, {"text": item.get("text"), "finish_reason": meta.get("finish_reason")}
            )
        elif isinstance(done := item.get("done"), bool):  # Ollama
            self.missing = "done"
            self._read_choice(
                0,
                {
                    "text": item.get("response"),
                    "message": item.get("message"),
                    "finish_reason": done and "stop",
                },
            )
        elif item:
            self.content_started = True


def _verdict_on_finish(reason: str) -> Verdict:
    if reason in _CANCELLED:  # by somebody, which no server does by itself
        return Verdict.IGNORED
    return Verdict.FAILURE if reason in _FAILED else Verdict.SUCCESS


def _has_output(part: object) -> bool:
    if isinstance(part, dict):
        return any(value for name, value in part.items() if name not in _WITHOUT_OUTPUT)
    return bool(part)
