"""Calls of tools in each API of the simulator, streamed and whole, as Ollama sends them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.core.serving import simulated

MODEL = "llama3.2"
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "maximum": 7}},
    "required": ["city"],
}
FUNCTIONS = [
    {"name": "get_weather", "description": "The weather of a city", "parameters": CITY},
    {"name": "get_time", "description": "The time in a city", "parameters": CITY},
]
TOOLS = [{"type": "function", "function": function} for function in FUNCTIONS]
QUESTION = {"role": "user", "content": "What is the weather in Paris?"}
BOTH = {"role": "user", "content": "Tell me the weather and the time in Paris"}


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with simulated() as url, httpx.AsyncClient(base_url=url) as client:
        yield client


async def post(http: httpx.AsyncClient, path: str, **body: Any) -> Any:
    response = await http.post(path, json={"model": MODEL, **body})
    assert response.status_code == 200, response.text
    if response.headers["content-type"] == "text/event-stream":
        events = [line[6:] for line in response.text.split("\n") if line.startswith("data: ")]
        return [json.loads(event) for event in events if event != "[DONE]"]
    if response.headers["content-type"] == "application/x-ndjson":
        return [json.loads(line) for line in response.text.split("\n") if line]
    return response.json()


def check_arguments(arguments: Any) -> None:
    assert set(arguments) <= {"city", "days"}
    assert arguments["city"] == "Paris"
    assert arguments.get("days", 1) <= 7


class TestOllama:
    async def test_a_whole_response_has_the_calls(self, http: httpx.AsyncClient) -> None:
        for _ in range(2):
            body = await post(http, "/api/chat", messages=[QUESTION], tools=TOOLS, stream=False)
            message = body["message"]
            assert (message["role"], message["content"]) == ("assistant", "")
            (call,) = message["tool_calls"]
            assert call["id"].startswith("call_")
            assert (call["function"]["index"], call["function"]["name"]) == (0, "get_weather")
            check_arguments(call["function"]["arguments"])
            assert (body["done"], body["done_reason"]) == (True, "stop")
            assert body["eval_count"] > 5

    async def test_a_stream_has_each_call_in_a_line_of_its_own(
        self, http: httpx.AsyncClient
    ) -> None:
        *called, last = await post(http, "/api/chat", messages=[BOTH], tools=TOOLS)
        calls = [line["message"]["tool_calls"][0]["function"] for line in called]
        assert [(call["index"], call["name"]) for call in calls] == [
            (0, "get_weather"),
            (1, "get_time"),
        ]
        assert not any(line["done"] for line in called)
        assert last["message"] == {"role": "assistant", "content": ""}
        assert (last["done"], last["done_reason"]) == (True, "stop")

    async def test_the_result_of_a_call_is_answered_with_text(
        self, http: httpx.AsyncClient
    ) -> None:
        call = {"function": {"name": "get_weather", "arguments": {"city": "Paris"}}}
        messages = [
            QUESTION,
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "content": "sunny", "tool_name": "get_weather"},
        ]
        body = await post(http, "/api/chat", messages=messages, tools=TOOLS, stream=False)
        assert body["message"]["content"]
        assert "tool_calls" not in body["message"]

    async def test_a_limit_cuts_a_call(self, http: httpx.AsyncClient) -> None:
        body = await post(
            http, "/api/chat", messages=[QUESTION], tools=TOOLS, options={"num_predict": 3}
        )
        (last,) = body
        assert (last["done_reason"], last["eval_count"]) == ("length", 3)

    @pytest.mark.parametrize(
        ("tool", "error"),
        [
            ({"type": "function", "function": {}}, "needs a function with a name"),
            ({"type": "retrieval", "function": {"name": "f"}}, "no tools of type 'retrieval'"),
            ({"function": {"name": "f", "parameters": 7}}, "cannot unmarshal number"),
        ],
    )
    async def test_tools_that_are_none_are_refused(
        self, http: httpx.AsyncClient, tool: dict[str, Any], error: str
    ) -> None:
        body = {"model": MODEL, "messages": [QUESTION], "tools": [tool]}
        response = await http.post("/api/chat", json=body)
        assert response.status_code == 400
        assert error in response.json()["error"]


class TestChatCompletions:
    async def test_a_whole_response_has_the_calls(self, http: httpx.AsyncClient) -> None:
        path = "/v1/chat/completions"
        (choice,) = (await post(http, path, messages=[QUESTION], tools=TOOLS))["choices"]
        assert choice["finish_reason"] == "tool_calls"
        (call,) = choice["message"]["tool_calls"]
        assert (call["type"], call["index"]) == ("function", 0)
        check_arguments(json.loads(call["function"]["arguments"]))

    async def test_a_stream_has_the_calls_in_deltas(self, http: httpx.AsyncClient) -> None:
        body = {"messages": [BOTH], "tools": TOOLS, "stream": True}
        body["stream_options"] = {"include_usage": True}
        *called, finish, usage = await post(http, "/v1/chat/completions", **body)
        deltas = [chunk["choices"][0]["delta"] for chunk in called]
        assert [delta.get("role") for delta in deltas] == ["assistant", None]
        calls = [delta["tool_calls"][0] for delta in deltas]
        assert [call["index"] for call in calls] == [0, 1]
        assert len({call["id"] for call in calls}) == 2
        check_arguments(json.loads(calls[0]["function"]["arguments"]))
        assert finish["choices"] == [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]
        assert (usage["choices"], usage["usage"]["completion_tokens"] > 5) == ([], True)

    @pytest.mark.parametrize(
        ("choice", "called"),
        [
            ("auto", []),
            ("none", []),
            ("required", ["get_weather"]),
            ({"type": "function", "function": {"name": "get_time"}}, ["get_time"]),
            (
                {
                    "type": "allowed_tools",
                    "allowed_tools": {"mode": "required", "tools": [TOOLS[1]]},
                },
                ["get_time"],
            ),
        ],
    )
    async def test_the_choice_of_tools_is_obeyed(
        self, http: httpx.AsyncClient, choice: object, called: list[str]
    ) -> None:
        hello = [{"role": "user", "content": "hello"}]
        body = await post(
            http, "/v1/chat/completions", messages=hello, tools=TOOLS, tool_choice=choice
        )
        message = body["choices"][0]["message"]
        names = [call["function"]["name"] for call in message.get("tool_calls", [])]
        assert names == called
        assert bool(message["content"]) is not bool(called)

    async def test_calls_are_parallel_unless_that_is_forbidden(
        self, http: httpx.AsyncClient
    ) -> None:
        for parallel in (True, False):
            body = await post(
                http,
                "/v1/chat/completions",
                messages=[BOTH],
                tools=TOOLS,
                parallel_tool_calls=parallel,
            )
            assert len(body["choices"][0]["message"]["tool_calls"]) == 1 + parallel

    @pytest.mark.parametrize(
        ("fields", "error"),
        [
            ({"tool_choice": "required"}, "requires a tool, and there are no tools"),
            ({"tools": TOOLS, "tool_choice": "some"}, "tool_choice must be"),
            ({"tools": TOOLS, "tool_choice": {"type": "function"}}, "names no function"),
            (
                {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "x"}}},
                "there is no tool 'x' in tools",
            ),
        ],
    )
    async def test_a_choice_that_cannot_be_obeyed_is_refused(
        self, http: httpx.AsyncClient, fields: dict[str, Any], error: str
    ) -> None:
        body = {"model": MODEL, "messages": [QUESTION], **fields}
        response = await http.post("/v1/chat/completions", json=body)
        assert response.status_code == 400
        assert error in response.json()["error"]["message"]

    async def test_a_tool_is_not_called_again_while_there_is_another(
        self, http: httpx.AsyncClient
    ) -> None:
        function = {"name": "get_weather", "arguments": '{"city": "Paris"}'}
        call = {"id": "c1", "type": "function", "function": function}
        messages = [
            QUESTION,
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
        ]
        body = {"messages": messages, "tools": TOOLS, "tool_choice": "required"}
        answer = await post(http, "/v1/chat/completions", **body)
        (second,) = answer["choices"][0]["message"]["tool_calls"]
        assert second["function"]["name"] == "get_time"


class TestResponses:
    TOOLS = [{"type": "function", **function} for function in FUNCTIONS]  # noqa: RUF012

    async def test_a_whole_response_has_a_message(self, http: httpx.AsyncClient) -> None:
        body = await post(
            http, "/v1/responses", input="hello", instructions="be brief", max_output_tokens=4
        )
        assert (body["object"], body["status"], body["error"]) == ("response", "completed", None)
        assert body["instructions"] == "be brief"
        (message,) = body["output"]
        assert (message["type"], message["role"]) == ("message", "assistant")
        (part,) = message["content"]
        assert (part["type"], part["annotations"]) == ("output_text", [])
        assert part["text"]
        usage = body["usage"]
        assert usage["output_tokens"] == 4
        assert usage["total_tokens"] == usage["input_tokens"] + 4
        assert body["max_output_tokens"] == 4

    async def test_the_events_of_a_text_are_in_order(self, http: httpx.AsyncClient) -> None:
        events = await post(http, "/v1/responses", input="hello", stream=True)
        deltas = [each["delta"] for each in events if each["type"].endswith("text.delta")]
        assert [each["type"] for each in events] == [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            *["response.output_text.delta"] * len(deltas),
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
        assert [each["sequence_number"] for each in events] == list(range(len(events)))
        last = events[-1]["response"]
        assert last["output"][0]["content"][0]["text"] == "".join(deltas)
        assert last["usage"]["output_tokens"] == len(deltas)
        assert {each["response"]["id"] for each in events if "response" in each} == {last["id"]}

    async def test_the_events_of_calls_are_in_order(self, http: httpx.AsyncClient) -> None:
        body = {"input": BOTH["content"], "tools": self.TOOLS, "stream": True}
        events = await post(http, "/v1/responses", **body)
        of_a_call = [
            "response.output_item.added",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            "response.output_item.done",
        ]
        assert [each["type"] for each in events] == [
            "response.created",
            "response.in_progress",
            *of_a_call,
            *of_a_call,
            "response.completed",
        ]
        output = events[-1]["response"]["output"]
        assert [item["name"] for item in output] == ["get_weather", "get_time"]
        check_arguments(json.loads(output[0]["arguments"]))
        assert [each["output_index"] for each in events[2:-1]] == [0] * 4 + [1] * 4

    async def test_a_conversation_goes_on(self, http: httpx.AsyncClient) -> None:
        first = await post(http, "/v1/responses", input=[QUESTION], tools=self.TOOLS)
        (call,) = first["output"]
        assert call["type"] == "function_call"
        result = {"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"}
        history = [QUESTION, {"type": "reasoning", "summary": []}, call, result]
        second = await post(http, "/v1/responses", input=history, tools=self.TOOLS)
        assert [item["type"] for item in second["output"]] == ["message"]

    @pytest.mark.parametrize(
        ("fields", "error"),
        [
            ({"input": 7}, "input must be a string or array"),
            ({"input": [7]}, "input[0]: it is no object"),
            ({"input": [{}]}, "input[0]: input item missing required 'type' field"),
            ({"input": [{"type": "x"}]}, 'input[0]: unknown input item type: "x"'),
            (
                {"input": [{"role": "user", "content": [{"type": "input_file"}]}]},
                "file inputs are not currently supported",
            ),
            ({"input": "x", "tools": [{"type": "web_search"}]}, "no tools of type 'web_search'"),
            ({"input": "x", "reasoning": {"effort": "huge"}}, "invalid reasoning value"),
            ({"input": "x", "reasoning": {"effort": "low"}}, "does not support thinking"),
        ],
    )
    async def test_errors(
        self, http: httpx.AsyncClient, fields: dict[str, Any], error: str
    ) -> None:
        response = await http.post("/v1/responses", json={"model": MODEL, **fields})
        assert response.status_code == 400
        assert error in response.json()["error"]["message"]
        assert response.json()["error"]["type"] == "invalid_request_error"


class TestMessages:
    TOOLS = [  # noqa: RUF012
        {"name": each["name"], "description": each["description"], "input_schema": CITY}
        for each in FUNCTIONS
    ]

    async def test_a_whole_message_has_a_text(self, http: httpx.AsyncClient) -> None:
        body = await post(http, "/v1/messages", messages=[QUESTION], max_tokens=500)
        assert (body["type"], body["role"], body["model"]) == ("message", "assistant", MODEL)
        assert body["id"].startswith("msg_")
        assert body["content"][0]["type"] == "text"
        assert body["stop_reason"] == "end_turn"
        assert body["usage"]["output_tokens"] > 5

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({}, "end_turn"),
            ({"max_tokens": 3}, "max_tokens"),
            ({"tools": TOOLS}, "tool_use"),
            ({"tools": TOOLS, "tool_choice": {"type": "any"}}, "tool_use"),
            ({"tools": TOOLS, "tool_choice": {"type": "tool", "name": "get_time"}}, "tool_use"),
            ({"tools": TOOLS, "tool_choice": {"type": "none"}}, "end_turn"),
            ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "end_turn"),
        ],
    )
    async def test_the_reasons_to_stop(
        self, http: httpx.AsyncClient, fields: dict[str, Any], reason: str
    ) -> None:
        body = {"messages": [QUESTION], "max_tokens": 500, **fields}
        whole = await post(http, "/v1/messages", **body)
        events = await post(http, "/v1/messages", **body, stream=True)
        assert whole["stop_reason"] == events[-2]["delta"]["stop_reason"] == reason

    async def test_the_events_of_a_text_are_in_order(self, http: httpx.AsyncClient) -> None:
        body = {"messages": [QUESTION], "max_tokens": 500, "stream": True}
        events = await post(http, "/v1/messages", **body)
        count = sum(each["type"] == "content_block_delta" for each in events)
        assert [each["type"] for each in events] == [
            "message_start",
            "content_block_start",
            *["content_block_delta"] * count,
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
        start, end = events[0]["message"], events[-2]
        assert (start["content"], start["usage"]["output_tokens"]) == ([], 0)
        assert start["usage"]["input_tokens"] > 0
        assert end["usage"]["output_tokens"] == count
        response = await http.post("/v1/messages", json={"model": MODEL, **body})
        assert response.text.startswith('event: message_start\ndata: {"type":"message_start",')

    async def test_the_events_of_calls_are_in_order(self, http: httpx.AsyncClient) -> None:
        body = {"messages": [BOTH], "max_tokens": 500, "tools": self.TOOLS, "stream": True}
        events = await post(http, "/v1/messages", **body)
        block = ["content_block_start", "content_block_delta", "content_block_stop"]
        assert [each["type"] for each in events] == [
            "message_start",
            *block,
            *block,
            "message_delta",
            "message_stop",
        ]
        assert [each["index"] for each in events[1:-2]] == [0, 0, 0, 1, 1, 1]
        assert events[1]["content_block"]["input"] == {}
        assert events[2]["delta"]["type"] == "input_json_delta"
        check_arguments(json.loads(events[2]["delta"]["partial_json"]))

    async def test_a_conversation_goes_on(self, http: httpx.AsyncClient) -> None:
        body = {"max_tokens": 500, "tools": self.TOOLS, "system": [{"type": "text", "text": "x"}]}
        first = await post(http, "/v1/messages", messages=[QUESTION], **body)
        (call,) = first["content"]
        result = {"type": "tool_result", "tool_use_id": call["id"], "content": "sunny"}
        reminder = {"type": "text", "text": "mind the weather"}
        history = [
            QUESTION,
            {"role": "assistant", "content": first["content"]},
            {"role": "user", "content": [result, reminder]},
        ]
        second = await post(http, "/v1/messages", messages=history, **body)
        assert second["content"][0]["type"] == "text"

    @pytest.mark.parametrize(
        ("fields", "status", "kind", "message"),
        [
            ({"model": "nope"}, 404, "not_found_error", "model 'nope' not found"),
            ({"model": ""}, 400, "invalid_request_error", "model is required"),
            (
                {"max_tokens": 0},
                400,
                "invalid_request_error",
                "max_tokens is required and must be positive",
            ),
            ({"messages": []}, 400, "invalid_request_error", "messages is required"),
            (
                {"messages": [{"role": "user", "content": [{"type": "image"}]}]},
                400,
                "invalid_request_error",
                "invalid image source",
            ),
            (
                {"messages": [{"role": "assistant", "content": [{"type": "tool_use"}]}]},
                400,
                "invalid_request_error",
                "tool_use block missing required 'id' field",
            ),
            (
                {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
                400,
                "invalid_request_error",
                "the simulator has no tools of type 'web_search_20250305'",
            ),
            (
                {"tool_choice": {"type": "some"}},
                400,
                "invalid_request_error",
                'tool_choice.type must be "auto", "any", "tool" or "none"',
            ),
        ],
    )
    async def test_errors(
        self,
        http: httpx.AsyncClient,
        fields: dict[str, Any],
        status: int,
        kind: str,
        message: str,
    ) -> None:
        body = {"model": MODEL, "max_tokens": 9, "messages": [QUESTION], **fields}
        response = await http.post("/v1/messages", json=body)
        assert response.status_code == status
        error = response.json()
        assert error.pop("request_id").startswith("req_")
        assert error == {"type": "error", "error": {"type": kind, "message": message}}
