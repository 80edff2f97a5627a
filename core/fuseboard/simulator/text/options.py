"""The `options` of a request that affect its text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fuseboard.simulator.errors import ApiError

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
    """The options that affect a generated text."""

    seed: int
    """The same seed and prompt give the same text; -1 chooses a random seed."""
    temperature: float
    """At 0 a prompt has one text, regardless of the seed."""
    num_predict: int
    """The maximum number of tokens; unlimited if it is not positive."""
    stop: tuple[str, ...]
    """Texts before which the generated text ends."""


def read_options(fields: Mapping[str, object]) -> Options:
    """Return the options; unknown ones are ignored.

    Raises:
        ApiError: If a known one has the wrong type.
    """
    options = {name: value for name, value in fields.items() if value is not None}
    for name in options.keys() & {*_INTEGERS, *_FLOATS}:
        number = options[name]
        if isinstance(number, bool) or not isinstance(number, int | float):
            go_type = "integer" if name in _INTEGERS else "float32"
            raise ApiError(500, f'option "{name}" must be of type {go_type}')
    if not isinstance(options.get("use_mmap", False), bool):
        raise ApiError(500, 'option "use_mmap" must be of type boolean')
    return Options(
        seed=_integer(options.get("seed", -1)),
        temperature=_float(options.get("temperature", 0.8)),
        num_predict=_integer(options.get("num_predict", -1)),
        stop=_stops(options.get("stop", [])),
    )


def _float(number: object) -> float:
    assert isinstance(number, int | float)  # noqa: S101 (checked by the caller)
    return number


def _integer(number: object) -> int:
    bounded = max(-(2.0**63), min(_float(number), 2.0**63))  # 1e999 parses as infinity
    return int(bounded)


def _stops(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ApiError(500, 'option "stop" must be of type array')
    if not all(isinstance(text, str) for text in value):
        raise ApiError(500, 'option "stop" must be of an array of strings')
    return tuple(text for text in value if text)
