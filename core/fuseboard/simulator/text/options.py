"""The options of a request that shape its text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fuseboard.simulator.errors import RefusedError

_INTEGERS = [
    "num_keep",
    "seed",
    "num_predict",
    "top_k",
    "repeat_last_n",
    "num_ctx",
    "num_batch",
    "num_gpu",
    "main_gpu",
    "num_thread",
    "draft_num_predict",
]
_FLOATS = [
    "top_p",
    "min_p",
    "typical_p",
    "temperature",
    "repeat_penalty",
    "presence_penalty",
    "frequency_penalty",
]


@dataclass(frozen=True, slots=True)
class Options:
    """How a text is to be made."""

    seed: int
    """The same one makes the same text of a prompt; -1 is any."""
    temperature: float
    """At 0 a prompt has one text, whatever the seed."""
    num_predict: int
    """The most tokens; where it is not positive, as many as it takes."""
    stop: tuple[str, ...]
    """Texts before which it ends."""


def read_options(fields: Mapping[str, object]) -> Options:
    """Read options; unknown ones are let pass.

    Raises:
        RefusedError: If a known one has the wrong type.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    for name in given.keys() & {*_INTEGERS, *_FLOATS}:
        number = given[name]
        if isinstance(number, bool) or not isinstance(number, int | float):
            wanted = "integer" if name in _INTEGERS else "float32"
            raise RefusedError(500, f'option "{name}" must be of type {wanted}')
    if not isinstance(given.get("use_mmap", False), bool):
        raise RefusedError(500, 'option "use_mmap" must be of type boolean')
    return Options(
        seed=_integer(given.get("seed", -1)),
        temperature=_float(given.get("temperature", 0.8)),
        num_predict=_integer(given.get("num_predict", -1)),
        stop=_stops(given.get("stop", [])),
    )


def _float(number: object) -> float:
    assert isinstance(number, int | float)  # noqa: S101 (it has been looked at)
    return number


def _integer(number: object) -> int:
    bounded = max(-(2.0**63), min(_float(number), 2.0**63))  # 1e999 is infinite
    return int(bounded)


def _stops(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise RefusedError(500, 'option "stop" must be of type array')
    if not all(isinstance(text, str) for text in value):
        raise RefusedError(500, 'option "stop" must be of an array of strings')
    return tuple(text for text in value if text)
