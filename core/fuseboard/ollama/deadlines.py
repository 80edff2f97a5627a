"""How long each part of a call to Ollama may take."""

from __future__ import annotations

from dataclasses import dataclass, replace

_LONGEST = 1e9  # seconds; beyond, arithmetic with clocks overflows


@dataclass(frozen=True, slots=True)
class Deadlines:
    """The limits of one exchange, in seconds except for `slowest_pace`.

    Raises:
        TypeError, ValueError: If one is no positive number; `slowest_pace` may be 0.
    """

    pool: float = 30.0
    """Until a connection is free; a call that waits longer is never sent."""
    connect: float = 2.0
    """Until the TCP connection is established."""
    first_token: float = 5.0
    """Until the first bytes of the response body, including queueing and model loading."""
    between_tokens: float = 5.0
    """From one chunk of the body to the next."""
    total: float = 60.0
    """Until the end of the body."""
    slowest_pace: float = 0.5
    """The lowest token rate of a streamed text, tokens a second (a token is a line), over
    any ten seconds: a stream that trickles meets the other deadlines late or never. 0
    disables it."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if type(value) not in (int, float):
                value = _plain(name, value)
                object.__setattr__(self, name, value)
            if name == "slowest_pace" and value == 0:
                continue
            if not 0 < value <= _LONGEST:
                raise ValueError(f"the {name} deadline must be a positive number, not {value!r}")

    def for_whole_text(self) -> Deadlines:
        """Return the deadlines of a text that is not streamed, and so arrives all at once."""
        return replace(self, first_token=self.total, slowest_pace=0)

    def for_object(self) -> Deadlines:
        """Return the deadlines of a response that is no stream of tokens."""
        return replace(self, slowest_pace=0)


def _plain(name: str, value: object) -> float:
    # Not at the top: the dashboard's first frame needs the deadlines, and no breaker.
    from fuseboard.breaker.validation import plain_number

    plain = plain_number(value)
    if plain is None:
        raise TypeError(f"the {name} deadline takes seconds, not {value!r}")
    return plain
