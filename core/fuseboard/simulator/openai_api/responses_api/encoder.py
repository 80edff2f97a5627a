"""The responses of `/v1/responses`: OpenAI's events with Ollama's particulars."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence

from fuseboard.simulator.go_json import compact_json, go_json
from fuseboard.simulator.request_body import RequestBody
from fuseboard.simulator.text.generation import GenerationResult
from fuseboard.simulator.text.tool_calls import ToolCall


class ResponsesEncoder:
    """The encoding of a text, or of calls of tools, as events that end with the whole response.

    Like Ollama's, a response that was cut at its limit is `completed` too.

    Args:
        body: The request, parts of which the response repeats.
    """

    stream_type = "text/event-stream"

    def __init__(self, body: RequestBody) -> None:
        self._request = body
        self._id = f"resp_{random.randrange(999_999)}"  # noqa: S311 (no secret)
        self._item_id = f"msg_{random.randrange(999_999)}"  # noqa: S311
        self._sequence_number = 0
        self._items: list[dict[str, object]] = []
        self._text = ""

    def token(self, token: str) -> bytes:
        """Return the events of one token."""
        place = {"item_id": self._item_id, "output_index": 0, "content_index": 0}
        events = self._begin()
        if not self._text:
            item = {**_message(self._item_id, ""), "status": "in_progress", "content": []}
            events += self._event("response.output_item.added", output_index=0, item=item)
            events += self._event("response.content_part.added", **place, part=_part(""))
        self._text += token
        delta = {"delta": token, "logprobs": []}
        return events + self._event("response.output_text.delta", **place, **delta)

    def tool_call(self, call: ToolCall) -> bytes:
        """Return the events of one call."""
        item = _function_call(f"fc_{random.randrange(999_999)}_{call.index}", call)  # noqa: S311
        started = {**item, "status": "in_progress", "arguments": ""}
        place = {"item_id": item["id"], "output_index": call.index}
        self._items.append(item)
        arguments = item["arguments"]
        return b"".join(
            [
                self._begin(),
                self._event("response.output_item.added", output_index=call.index, item=started),
                self._event("response.function_call_arguments.delta", **place, delta=arguments),
                self._event("response.function_call_arguments.done", **place, arguments=arguments),
                self._event("response.output_item.done", output_index=call.index, item=item),
            ]
        )

    def end(self, result: GenerationResult) -> bytes:
        """Return the events that complete the response."""
        events = self._begin()
        if self._text:
            place = {"item_id": self._item_id, "output_index": 0, "content_index": 0}
            item = _message(self._item_id, self._text)
            self._items.append(item)
            events += self._event(
                "response.output_text.done", **place, text=self._text, logprobs=[]
            )
            events += self._event("response.content_part.done", **place, part=_part(self._text))
            events += self._event("response.output_item.done", output_index=0, item=item)
        response = self._response("completed", self._items, _usage(result))
        return events + self._event("response.completed", response=response)

    def body(self, result: GenerationResult) -> Mapping[str, object]:
        """Return the response as one object."""
        items = [_function_call(f"fc_{self._id}_{call.index}", call) for call in result.tool_calls]
        return self._response(
            "completed", items or [_message(self._item_id, result.text)], _usage(result)
        )

    def _begin(self) -> bytes:
        """Return the events that precede all others, the first time."""
        if self._sequence_number:
            return b""
        response = self._response("in_progress", [], None)
        return self._event("response.created", response=response) + self._event(
            "response.in_progress", response=response
        )

    def _event(self, kind: str, **fields: object) -> bytes:
        data = {"type": kind, "sequence_number": self._sequence_number, **fields}
        self._sequence_number += 1
        return b"event: " + kind.encode() + b"\ndata: " + go_json(data) + b"\n\n"

    def _response(
        self, status: str, output: Sequence[Mapping[str, object]], usage: object
    ) -> dict[str, object]:
        request = self._request
        now = int(time.time())
        tools = [
            {key: tool.get(key) for key in ("type", "name", "description", "strict", "parameters")}
            for tool in request.items("tools", dict, "openai.ResponsesTool")
        ]
        temperature, top_p = request.number("temperature"), request.number("top_p")
        return {
            "id": self._id,
            "object": "response",
            "created_at": now,
            "completed_at": now if status == "completed" else None,
            "status": status,
            "incomplete_details": None,
            "model": request.text("model"),
            "previous_response_id": None,
            "instructions": request.text("instructions") or None,
            "output": output,
            "error": None,
            "tools": tools,
            "tool_choice": "auto",
            "truncation": request.text("truncation") or "disabled",
            "parallel_tool_calls": True,
            "text": {"format": request.mapping("text").get("format") or {"type": "text"}},
            "top_p": 1.0 if top_p is None else top_p,
            "presence_penalty": 0,
            "frequency_penalty": 0,
            "top_logprobs": 0,
            "temperature": 1.0 if temperature is None else temperature,
            "reasoning": request.mapping("reasoning") or None,
            "usage": usage,
            "max_output_tokens": request.integer("max_output_tokens"),
            "max_tool_calls": None,
            "store": False,
            "background": request.flag("background", default=False),
            "service_tier": "default",
            "metadata": {},
            "safety_identifier": None,
            "prompt_cache_key": None,
        }


def _message(item_id: str, text: str) -> dict[str, object]:
    return {
        "id": item_id,
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [_part(text)],
    }


def _part(text: str) -> dict[str, object]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _function_call(item_id: str, call: ToolCall) -> dict[str, object]:
    return {
        "id": item_id,
        "type": "function_call",
        "status": "completed",
        "call_id": call.id,
        "name": call.name,
        "arguments": compact_json(call.arguments),
    }


def _usage(result: GenerationResult) -> dict[str, object]:
    return {
        "input_tokens": result.prompt_tokens,
        "output_tokens": result.tokens,
        "total_tokens": result.prompt_tokens + result.tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    }
