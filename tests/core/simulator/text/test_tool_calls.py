"""Which tools are called for which question."""

from __future__ import annotations

import random
from typing import Any

import pytest

from fuseboard.simulator.errors import ApiError
from fuseboard.simulator.text.tool_calls import Tool, ToolChoice, ToolUse

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = Tool("get_weather", "Look up how warm it is outside. Never use it for oceans.", CITY)
TIME = Tool("currentTime", "The time of day in a place", CITY)
MAIL = Tool("send_mail", "Send a letter", CITY)
TOOLS = (WEATHER, TIME, MAIL)


def names(question: str, **use: Any) -> list[str]:
    return [tool.name for tool in ToolUse(TOOLS, question=question, **use).chosen()]


@pytest.mark.parametrize(
    ("question", "called"),
    [
        ("How is the weather in Paris?", ["get_weather"]),
        ("Is it warm there?", ["get_weather"]),
        ("What time is it in Rome, and how is the weather?", ["currentTime", "get_weather"]),
        ("Tell me about oceans", []),
        ("hello", []),
        ("", []),
    ],
)
def test_tools_are_called_that_have_to_do_with_the_question(
    question: str, called: list[str]
) -> None:
    assert sorted(names(question)) == sorted(called)


def test_one_at_a_time_if_calls_are_not_parallel() -> None:
    assert names("time and weather", parallel=False) == ["currentTime"]


def test_a_required_call_is_made_in_any_case() -> None:
    assert names("hello", choice=ToolChoice.REQUIRED) == ["get_weather"]
    called = frozenset(["get_weather"])
    assert names("weather", choice=ToolChoice.REQUIRED, called=called) == ["currentTime"]
    everything = frozenset(tool.name for tool in TOOLS)
    assert names("mail", choice=ToolChoice.REQUIRED, called=everything) == ["send_mail"]


def test_a_result_is_answered() -> None:
    assert names("weather", has_result=True) == []
    assert names("weather and mail", called=frozenset(["get_weather"])) == ["send_mail"]


def test_arguments_come_from_the_question() -> None:
    use = ToolUse(TOOLS, question="How is the weather in Paris?")
    (call,) = use.calls(random.Random(1))
    assert (call.name, call.index, dict(call.arguments)) == ("get_weather", 0, {"city": "Paris"})
    assert call.id.startswith("call_")


@pytest.mark.parametrize(
    "parameters",
    [
        {"properties": {"a": {"minItems": 10**9}}, "required": ["a"]},
        {"type": "array"},
        {"$ref": "#/nowhere"},
    ],
)
def test_arguments_that_cannot_be_made_are_refused(parameters: dict[str, Any]) -> None:
    use = ToolUse((Tool("f", "", parameters),), ToolChoice.REQUIRED)
    with pytest.raises(ApiError, match="the tool 'f'") as caught:
        use.calls(random.Random(1))
    caught.match("parameters")
    assert caught.value.status == 400
