"""Generating a text token by token at a believable speed, with the statistics Ollama reports."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass

from fuseboard.simulator.go_json import nanoseconds, omit_empty
from fuseboard.simulator.models import Model
from fuseboard.simulator.scheduler import Scheduler
from fuseboard.simulator.settings import SimulatorSettings
from fuseboard.simulator.text.json_format import write_json
from fuseboard.simulator.text.options import Options
from fuseboard.simulator.text.sentences import write_sentences
from fuseboard.simulator.text.tokens import tokenize


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


@dataclass(frozen=True, slots=True)
class GenerationResult:
    """A complete text, and how long generating it took; durations are nanoseconds."""

    done_reason: str
    """`stop` or `length`; `load` or `unload` if no text was requested."""
    text: str = ""
    """The whole text."""
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


TokenStream = AsyncGenerator[str | GenerationResult, None]
"""The tokens of a text, and then its result."""


async def generate_text(
    job: GenerationJob, scheduler: Scheduler, settings: SimulatorSettings
) -> TokenStream:
    """Wait for the model and for one of its slots, then yield each token at its time.

    Raises:
        ApiError: Before the first token, if the queue is full.
    """
    loop = asyncio.get_running_loop()
    rng = _random_generator(job)
    tokens, done_reason = _truncate(_write_text(job, rng), job.options)
    started = loop.time()
    async with scheduler.loaded(job.model, job.keep_alive) as runner:
        loaded = loop.time()
        async with runner.slots:
            prompt_started = loop.time()
            await asyncio.sleep(settings.prompt_seconds)
            token_time = prompt_ended = loop.time()
            for number, token in enumerate(tokens):
                if number:
                    token_time += rng.uniform(0.6, 1.4) / settings.tokens_per_second
                    await asyncio.sleep(max(0.0, token_time - loop.time()))
                yield token
            ended = loop.time()
    yield GenerationResult(
        done_reason,
        "".join(tokens),
        tokens=len(tokens),
        prompt_tokens=len(tokenize(job.prompt)),
        total_duration=nanoseconds(ended - started),
        load_duration=nanoseconds(loaded - started),
        prompt_duration=nanoseconds(prompt_ended - prompt_started),
        token_duration=nanoseconds(ended - prompt_ended),
    )


def _random_generator(job: GenerationJob) -> random.Random:
    """Return a generator, seeded where the options require a reproducible text."""
    if job.options.temperature == 0:
        seed = "greedy"
    elif job.options.seed == -1:
        return random.Random()  # noqa: S311 (no secret)
    else:
        seed = str(job.options.seed)
    return random.Random(f"{seed} {job.model.name} {job.prompt}".encode("utf-8", "replace"))  # noqa: S311


def _write_text(job: GenerationJob, rng: random.Random) -> str:
    if job.schema is not None:
        return write_json(job.schema, lambda: write_sentences(job.prompt, rng, count=1), rng)
    return write_sentences(job.prompt, rng, count=rng.randint(2, 4))


def _truncate(text: str, options: Options) -> tuple[list[str], str]:
    """Return the tokens of a text up to where the options end it, and why it ends there."""
    stops = [index for stop in options.stop if (index := text.find(stop)) >= 0]
    tokens = tokenize(text[: min(stops)] if stops else text)
    if 0 < options.num_predict < len(tokens):
        return tokens[: options.num_predict], "length"
    return tokens, "stop"
