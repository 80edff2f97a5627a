"""What OpenAI's two text APIs say about the use of tools; Ollama itself ignores it."""

from __future__ import annotations

from fuseboard.simulator.errors import ApiError
from fuseboard.simulator.ollama_api.tool_request import ToolDirective
from fuseboard.simulator.request_body import RequestBody
from fuseboard.simulator.text.tool_calls import ToolChoice

_CHOICES = {"auto": ToolChoice.AUTO, "required": ToolChoice.REQUIRED, "none": None}


def read_directive(body: RequestBody) -> ToolDirective:
    """Return what the fields `tool_choice` and `parallel_tool_calls` say.

    Raises:
        ApiError: If a field is invalid.
    """
    parallel = body.flag("parallel_tool_calls", default=True)
    match body.value("tool_choice"):
        case None:
            return ToolDirective(parallel=parallel)
        case str() as choice if choice in _CHOICES:
            return ToolDirective(_CHOICES[choice], parallel=parallel)
        case {"type": "function"} as choice:
            return ToolDirective(ToolChoice.REQUIRED, frozenset([_name(choice)]), parallel=False)
        case {"allowed_tools": {"mode": mode, "tools": list(tools)}} | {
            "mode": mode,
            "tools": list(tools),
        } if mode in {"auto", "required"}:
            return ToolDirective(ToolChoice(mode), frozenset(map(_name, tools)), parallel)
    raise ApiError(400, 'tool_choice must be "auto", "none", "required" or one function')


def _name(choice: object) -> str:
    match choice:
        case {"function": {"name": str(name)}} | {"name": str(name)}:
            return name
    raise ApiError(400, "tool_choice names no function")
