"""How long each part of a call to Ollama may take."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fuseboard.breaker.validation import NumberKind, plain_number


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
            value = plain_number(getattr(self, name))
            if name != "slowest_pace" or value != 0:
                value = NumberKind.SECONDS.check(f"the {name} deadline", getattr(self, name))
            object.__setattr__(self, name, value)

    def for_whole_text(self) -> Deadlines:
        """Return the deadlines of a text that is not streamed, and so arrives all at once."""
        return replace(self, first_token=self.total, slowest_pace=0)

    def for_object(self) -> Deadlines:
        """Return the deadlines of a response that is no stream of tokens."""
        return replace(self, slowest_pace=0)
