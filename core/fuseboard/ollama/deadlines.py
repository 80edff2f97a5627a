"""How long each part of a call to Ollama may take."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long each part of an exchange may take, in seconds.

    Raises `ValueError` if one is not a positive number.
    """

    pool: float = 30.0
    """Until a connection is free; a call that waits longer is never sent."""
    connect: float = 2.0
    """Until the TCP connection stands."""
    first_token: float = 5.0
    """Until the first bytes of the answer's body; queueing and loading are in it."""
    between_tokens: float = 5.0
    """From any piece of the body to the next."""
    total: float = 60.0
    """Until the end of the body."""
    slowest_pace: float = 0.5
    """No seconds, but tokens a second, each a line of a streamed text: fewer over any ten
    seconds of it are a drip, which the other deadlines notice late or never. 0 lets it drip."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if name == "slowest_pace" and value == 0:
                continue
            if not 0 < value < inf:
                raise ValueError(f"the {name} deadline must be a positive number, not {value!r}")

    def for_whole_text(self) -> Deadlines:
        """Those of a text that is not streamed: nothing comes until all of it is there."""
        return replace(self, first_token=self.total, slowest_pace=0)

    def for_object(self) -> Deadlines:
        """Those of an answer that is no text."""
        return replace(self, slowest_pace=0)
