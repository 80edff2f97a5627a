"""Generating a text at a believable pace, with the durations that Ollama reports."""

from __future__ import annotations

import asyncio
import random
import time
import zlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fuseboard.simulator.prose import compose
from fuseboard.simulator.settings import SimulatorSettings

_NANOSECONDS = 1_000_000_000


@dataclass(slots=True)
class Generation:
    """One text in the making."""

    model: str
    prompt: str
    options: Mapping[str, Any]
    settings: SimulatorSettings
    done_reason: str = "stop"
    tokens: int = 0
    _started: float = field(default_factory=time.monotonic)
    _evaluated: float = 0.0

    async def run(self) -> AsyncIterator[str]:
        """Speak token by token."""
        pace = random.Random(self.prompt)  # noqa: S311 (no secret)
        await asyncio.sleep(self.settings.prompt_seconds)
        self._evaluated = time.monotonic()
        limit = self.options.get("num_predict")
        stops = self.options.get("stop") or []
        said = ""
        for token in compose(self._seed()):
            if isinstance(limit, int) and 0 <= limit <= self.tokens:
                self.done_reason = "length"
                return
            said += token
            if any(stop in said for stop in stops):
                return
            if self.tokens:
                await asyncio.sleep(pace.uniform(0.6, 1.4) / self.settings.tokens_per_second)
            self.tokens += 1
            yield token

    def figures(self) -> dict[str, object]:
        """Report how it ended and how long it took."""
        now = time.monotonic()
        prompt_tokens = len(self.prompt.split()) + 8
        return {
            "done_reason": self.done_reason,
            "total_duration": round((now - self._started) * _NANOSECONDS),
            "load_duration": 0,
            "prompt_eval_count": prompt_tokens,
            "prompt_eval_duration": round((self._evaluated - self._started) * _NANOSECONDS),
            "eval_count": self.tokens,
            "eval_duration": round((now - self._evaluated) * _NANOSECONDS),
        }

    def _seed(self) -> int:
        seed = self.options.get("seed")
        if isinstance(seed, int):
            return zlib.crc32(f"{seed} {self.prompt}".encode())
        return random.getrandbits(32)


def created_at() -> str:
    """Write the present time as Ollama does."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")
