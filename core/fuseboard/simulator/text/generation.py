"""Making a text at a believable pace, with the figures that Ollama reports."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass

from fuseboard.simulator.go_json import nanoseconds, without_zeros
from fuseboard.simulator.models import Model
from fuseboard.simulator.scheduler import Scheduler
from fuseboard.simulator.settings import SimulatorSettings
from fuseboard.simulator.text.json_format import json_text
from fuseboard.simulator.text.options import Options
from fuseboard.simulator.text.sentences import compose
from fuseboard.simulator.text.tokens import tokens_of


@dataclass(frozen=True, slots=True)
class TextJob:
    """What is to be made, by which model."""

    model: Model
    prompt: str
    """All that the model reads."""
    options: Options
    schema: Mapping[str, object] | None
    """That of the JSON it shall be; `None` is prose."""
    keep_alive: float | None
    """Seconds; `None` changes nothing."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a text ended, and how long it took; durations are nanoseconds."""

    reason: str
    """`stop` or `length`; `load` or `unload` where there was no text to make."""
    text: str = ""
    """The whole text."""
    tokens: int = 0
    prompt_tokens: int = 0
    total_duration: int = 0
    load_duration: int = 0
    prompt_duration: int = 0
    token_duration: int = 0

    def fields(self) -> dict[str, object]:
        """Write it as the fields of the last object of an answer."""
        return without_zeros(
            {
                "done_reason": self.reason,
                "total_duration": self.total_duration,
                "load_duration": self.load_duration,
                "prompt_eval_count": self.prompt_tokens,
                "prompt_eval_duration": self.prompt_duration,
                "eval_count": self.tokens,
                "eval_duration": self.token_duration,
            }
        )


Pieces = AsyncGenerator[str | Ending, None]
"""A text token by token, and then its ending."""


async def make_text(job: TextJob, scheduler: Scheduler, settings: SimulatorSettings) -> Pieces:
    """Wait for the model and for a turn, then yield each token when it is due.

    Raises:
        RefusedError: Before the first token, if too many wait already.
    """
    loop = asyncio.get_running_loop()
    dice = _dice(job)
    tokens, reason = _limited(_compose(job, dice), job.options)
    started = loop.time()
    async with scheduler.loaded(job.model, job.keep_alive) as runner:
        loaded = loop.time()
        async with runner.turns:
            begun = loop.time()
            await asyncio.sleep(settings.prompt_seconds)
            due = evaluated = loop.time()
            for number, token in enumerate(tokens):
                if number:
                    due += dice.uniform(0.6, 1.4) / settings.tokens_per_second
                    await asyncio.sleep(max(0.0, due - loop.time()))
                yield token
            ended = loop.time()
    yield Ending(
        reason,
        "".join(tokens),
        tokens=len(tokens),
        prompt_tokens=len(tokens_of(job.prompt)),
        total_duration=nanoseconds(ended - started),
        load_duration=nanoseconds(loaded - started),
        prompt_duration=nanoseconds(evaluated - begun),
        token_duration=nanoseconds(ended - evaluated),
    )


def _dice(job: TextJob) -> random.Random:
    """Make dice that fall the same again where the options ask for that."""
    if job.options.temperature == 0:
        seed = "greedy"
    elif job.options.seed == -1:
        return random.Random()  # noqa: S311 (no secret)
    else:
        seed = str(job.options.seed)
    return random.Random(f"{seed} {job.model.name} {job.prompt}".encode("utf-8", "replace"))  # noqa: S311


def _compose(job: TextJob, dice: random.Random) -> str:
    if job.schema is not None:
        return json_text(job.schema, lambda: compose(job.prompt, dice, sentences=1), dice)
    return compose(job.prompt, dice, sentences=dice.randint(2, 4))


def _limited(text: str, options: Options) -> tuple[list[str], str]:
    """Cut a text where its options end it, into tokens; tells why it ends."""
    stops = [place for stop in options.stop if (place := text.find(stop)) >= 0]
    tokens = tokens_of(text[: min(stops)] if stops else text)
    if 0 < options.num_predict < len(tokens):
        return tokens[: options.num_predict], "length"
    return tokens, "stop"
