"""The tools of a request: which of them the simulated model calls, and with what arguments."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from fuseboard.simulator.errors import ApiError
from fuseboard.simulator.text.schema_sampler import SchemaError, sample

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_CAPITALIZED = re.compile(r"(?<=[\w,;:] )[A-Z]\w+")  # not at the beginning of a sentence
_SENTENCE_END = re.compile(r"[.\n]")
_EMPTY_WORDS = {
    word
    for line in (
        "and are can did does for from get given has have how into not run set that the this tool",
        "use was what when where which who why will with you your return returns",
    )
    for word in line.split()
}
_STEM = 5  # letters that two words must share
_LONGEST_DESCRIPTION = 300  # characters that are looked at


class ToolChoice(Enum):
    """Whether a tool is called."""

    AUTO = "auto"
    """If it has to do with the question, and its result is not there yet."""
    REQUIRED = "required"
    """In any case."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call."""

    name: str
    description: str
    parameters: Mapping[str, object]
    """The JSON schema of its arguments."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that the model asks for."""

    id: str
    index: int
    """Its place among the calls of the response."""
    name: str
    arguments: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ToolUse:
    """The tools of a request, and what the conversation says about them."""

    tools: tuple[Tool, ...] = ()
    choice: ToolChoice = ToolChoice.AUTO
    parallel: bool = True
    """Whether one response may contain several calls."""
    question: str = ""
    """The last message of the user."""
    called: frozenset[str] = frozenset()
    """The names of the tools that were called since the question."""
    has_result: bool = False
    """Whether the conversation ends with the result of a tool."""

    def chosen(self) -> Sequence[Tool]:
        """Return the tools to call.

        The first is the one that shares most words with the question. Others
        follow it if the question has a word of their name. A tool that was
        called since the question is not called again while there is another.
        """
        asked = _stems(self.question)
        named = {tool.name: len(asked & _stems(tool.name)) for tool in self.tools}
        related = {
            tool.name: 2 * named[tool.name] + len(asked & _description_stems(tool))
            for tool in self.tools
        }
        candidates = [tool for tool in self.tools if tool.name not in self.called]
        if self.choice is ToolChoice.REQUIRED:
            candidates = candidates or list(self.tools)
        elif self.has_result:
            candidates = []
        else:
            candidates = [tool for tool in candidates if related[tool.name]]
        if not candidates:
            return ()
        first = max(candidates, key=lambda tool: related[tool.name])
        others = [tool for tool in candidates if tool is not first and named[tool.name]]
        return (first, *others) if self.parallel else (first,)

    def calls(self, rng: random.Random) -> list[ToolCall]:
        """Return the calls, with arguments that conform to the tools' schemas.

        Raises:
            ApiError: If there are no such arguments of a reasonable size.
        """
        return [
            ToolCall(_call_id(rng), index, tool.name, self._arguments(tool, rng))
            for index, tool in enumerate(self.chosen())
        ]

    def _arguments(self, tool: Tool, rng: random.Random) -> Mapping[str, object]:
        schema = {"type": "object", **tool.parameters}
        words: list[str] = _CAPITALIZED.findall(self.question)
        words = words or [max(self.question.split(), key=len, default="text").strip("?!.,")]
        used = 0

        def write_word(_: str) -> str:
            nonlocal used
            used += 1
            return words[(used - 1) % len(words)]

        try:
            arguments = sample(schema, write_word, rng)
        except SchemaError as error:
            raise ApiError(400, f"invalid parameters of the tool {tool.name!r}: {error}") from error
        if not isinstance(arguments, dict):
            raise ApiError(400, f"the parameters of the tool {tool.name!r} are no object")
        return arguments


NO_TOOLS = ToolUse()


def _call_id(rng: random.Random) -> str:
    return f"call_{rng.getrandbits(32):08x}"


def _stems(text: str) -> set[str]:
    words = (word.lower() for word in _WORD.findall(text))
    return {word[:_STEM] for word in words if len(word) > 2 and word not in _EMPTY_WORDS}


def _description_stems(tool: Tool) -> set[str]:
    """Return the words of the first sentence: the others say how the tool is used."""
    return _stems(_SENTENCE_END.split(tool.description[:_LONGEST_DESCRIPTION], 1)[0])
