"""Generating a text token by token at a believable speed, with the statistics Ollama reports."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass

from fuseboard.simulator.go_json import nanoseconds, omit_empty
from fuseboard.simulator.models import Model
from fuseboard.simulator.scheduler import Scheduler
from fuseboard.simulator.settings import SimulatorSettings
from fuseboard.simulator.text.json_format import write_json
from fuseboard.simulator.text.options import Options
from fuseboard.simulator.text.sentences import SentenceWriter
from fuseboard.simulator.text.tokens import tokenize
from fuseboard.simulator.text.tool_calls import NO_TOOLS, ToolCall, ToolUse

_FEW_STOPS = 100


@dataclass(frozen=True, slots=True)
class GenerationJob:
    """The prompt to complete, and the model that completes it."""

    model: Model
    prompt: str
    """The whole input of the model."""
    options: Options
    schema: Mapping[str, object] | None
    """The schema of the JSON to generate; `None` generates sentences."""
    keep_alive: float | None
    """Seconds; `None` leaves the model's as it is."""
    tool_use: ToolUse = NO_TOOLS

    @property
    def is_small(self) -> bool:
        """Whether planning it takes no longer than a millisecond or so."""
        return (
            self.schema is None and not self.tool_use.tools and len(self.options.stop) <= _FEW_STOPS
        )


@dataclass(frozen=True, slots=True)
class GenerationResult:
    """A complete text, and how long generating it took; durations are nanoseconds."""

    done_reason: str
    """`stop` or `length`; `load` or `unload` if no text was requested."""
    text: str = ""
    """The whole text."""
    tool_calls: tuple[ToolCall, ...] = ()
    tokens: int = 0
    prompt_tokens: int = 0
    total_duration: int = 0
    load_duration: int = 0
    prompt_duration: int = 0
    token_duration: int = 0

    def fields(self) -> dict[str, object]:
        """Return the fields of the last object of an Ollama response."""
        return omit_empty(
            {
                "done_reason": self.done_reason,
                "total_duration": self.total_duration,
                "load_duration": self.load_duration,
                "prompt_eval_count": self.prompt_tokens,
                "prompt_eval_duration": self.prompt_duration,
                "eval_count": self.tokens,
                "eval_duration": self.token_duration,
            }
        )


TokenStream = AsyncGenerator[str | ToolCall | GenerationResult]
"""The tokens of a text, or the calls of tools, and then the result."""


async def generate_text(
    job: GenerationJob, scheduler: Scheduler, settings: SimulatorSettings
) -> TokenStream:
    """Wait for the model and for one of its slots, then yield each token at its time.

    A call of a tool is yielded when its last token is due.

    Raises:
        ApiError: Before the first token, if the queue is full, or if what the
            job asks for cannot be generated.
    """
    loop = asyncio.get_running_loop()
    rng = _random_generator(job)
    plan = _make_plan(job, rng) if job.is_small else await asyncio.to_thread(_make_plan, job, rng)
    started = loop.time()
    async with scheduler.loaded(job.model, job.keep_alive) as runner:
        loaded = loop.time()
        async with runner.slots:
            prompt_started = loop.time()
            await asyncio.sleep(settings.prompt_seconds)
            token_time = prompt_ended = loop.time()
            generated = 0
            for piece, tokens in plan.pieces:
                for _ in range(tokens if generated else tokens - 1):
                    token_time += rng.uniform(0.6, 1.4) / settings.tokens_per_second
                await asyncio.sleep(max(0.0, token_time - loop.time()))
                generated += tokens
                yield piece
            ended = loop.time()
    yield GenerationResult(
        plan.done_reason,
        "".join(piece for piece, _ in plan.pieces if isinstance(piece, str)),
        tool_calls=tuple(piece for piece, _ in plan.pieces if isinstance(piece, ToolCall)),
        tokens=plan.tokens,
        prompt_tokens=min(len(tokenize(job.prompt)), job.model.context_length),
        total_duration=nanoseconds(ended - started),
        load_duration=nanoseconds(loaded - started),
        prompt_duration=nanoseconds(prompt_ended - prompt_started),
        token_duration=nanoseconds(ended - prompt_ended),
    )


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is going to be generated."""

    pieces: Sequence[tuple[str | ToolCall, int]]
    """Each token, or call of a tool, and how many tokens it has."""
    tokens: int
    done_reason: str


def _make_plan(job: GenerationJob, rng: random.Random) -> _Plan:
    if calls := job.tool_use.calls(rng):
        return _plan_calls(calls, job.options.num_predict)
    sentences = SentenceWriter(job.prompt, rng)
    if job.schema is not None:
        text = write_json(job.schema, job.prompt, lambda: sentences.write(1), rng)
    else:
        text = sentences.write(rng.randint(2, 4))
    tokens, done_reason = _truncate(text, job.options)
    return _Plan([(token, 1) for token in tokens], len(tokens), done_reason)


def _plan_calls(calls: Sequence[ToolCall], num_predict: int) -> _Plan:
    """Return a plan with the calls that are complete before `num_predict` tokens."""
    pieces: list[tuple[str | ToolCall, int]] = []
    generated = 0
    for call in calls:
        tokens = len(tokenize(json.dumps({"name": call.name, "parameters": call.arguments})))
        if 0 < num_predict < generated + tokens:
            return _Plan(pieces, num_predict, "length")
        pieces.append((call, tokens))
        generated += tokens
    return _Plan(pieces, generated, "stop")


def _random_generator(job: GenerationJob) -> random.Random:
    """Return a generator, seeded where the options require a reproducible text."""
    if job.options.temperature == 0:
        seed = "greedy"
    elif job.options.seed == -1:
        return random.Random()  # noqa: S311 (no secret)
    else:
        seed = str(job.options.seed)
    return random.Random(f"{seed} {job.model.name} {job.prompt}".encode("utf-8", "replace"))  # noqa: S311


def _truncate(text: str, options: Options) -> tuple[list[str], str]:
    """Return the tokens of a text up to where the options end it, and why it ends there."""
    stops = [index for stop in options.stop if (index := text.find(stop)) >= 0]
    tokens = tokenize(text[: min(stops)] if stops else text)
    if 0 < options.num_predict < len(tokens):
        return tokens[: options.num_predict], "length"
    return tokens, "stop"
