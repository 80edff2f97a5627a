"""Parsing the tools of a chat request, and what its messages say about their calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fuseboard.simulator.errors import ApiError
from fuseboard.simulator.request_body import RequestBody
from fuseboard.simulator.text.tool_calls import NO_TOOLS, Tool, ToolChoice, ToolUse

_LONGEST_QUESTION = 10_000  # characters that are looked at


@dataclass(frozen=True, slots=True)
class ToolDirective:
    """What a request says about the use of its tools; Ollama's own API says nothing."""

    choice: ToolChoice | None = ToolChoice.AUTO
    """`None` forbids all calls."""
    names: frozenset[str] | None = None
    """The only tools that may be called; `None` for all."""
    parallel: bool = True
    """Whether one response may contain several calls."""


NO_DIRECTIVE = ToolDirective()


def read_tool_use(
    body: RequestBody, messages: Sequence[RequestBody], directive: ToolDirective
) -> ToolUse:
    """Return the tools in a body of `/api/chat`, and what its messages say about them.

    Raises:
        ApiError: If a tool is invalid, or the directive names one that is not there.
    """
    tools = [_read_tool(tool) for tool in body.objects("tools", "api.Tool")]
    names = directive.names
    if unknown := (names or frozenset()) - {tool.name for tool in tools}:
        raise ApiError(400, f"tool_choice: there is no tool {min(unknown)!r} in tools")
    if directive.choice is ToolChoice.REQUIRED and not tools:
        raise ApiError(400, "tool_choice requires a tool, and there are no tools")
    if directive.choice is None or not tools:
        return NO_TOOLS
    called: set[str] = set()
    question = ""
    for place in range(len(messages) - 1, -1, -1):
        message = messages[place]
        role = message.text("role")
        for call in message.objects("tool_calls", "api.ToolCall"):
            called.add(str(call.mapping("function").get("name")))
        # What a user says together with the results of tools is not the next question.
        if role == "user" and (place == 0 or messages[place - 1].text("role") != "tool"):
            question = message.text("content")
            if question:
                break
    return ToolUse(
        tools=tuple(tool for tool in tools if names is None or tool.name in names),
        choice=directive.choice,
        parallel=directive.parallel,
        question=question[-_LONGEST_QUESTION:],
        called=frozenset(called),
        has_result=_ends_with_result(messages),
    )


def _read_tool(tool: RequestBody) -> Tool:
    if tool.text("type") not in {"", "function"}:
        raise ApiError(400, f"the simulator has no tools of type {tool.text('type')!r}")
    function = RequestBody("api.Tool.function", tool.mapping("function"))
    name = function.text("name")
    if not name:
        raise ApiError(400, "each of tools needs a function with a name")
    return Tool(name, function.text("description"), function.mapping("parameters"))


def _ends_with_result(messages: Sequence[RequestBody]) -> bool:
    for message in reversed(messages):
        role = message.text("role")
        if role in {"tool", "assistant"}:
            return role == "tool"
    return False
