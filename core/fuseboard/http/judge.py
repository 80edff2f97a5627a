"""The interface between the transport and whatever judges an HTTP exchange."""

from __future__ import annotations

from typing import Protocol

import httpx

from fuseboard.breaker.outcome import Ruling


class Judge(Protocol):
    """Judge one exchange from its response: the head, then the body, then the end.

    A judge does no I/O and should raise nothing. One is made for each request and is
    called by one thread at a time: `begin()` once, `feed()` for each chunk,
    `end()` if the body ends regularly.
    """

    @property
    def ruling(self) -> Ruling | None:
        """The ruling if nothing more arrived; `None` while the response would be incomplete.

        An error status has one at once, an error inside the body when it
        arrives, a success when the last object or event has arrived. More of
        the body may add to what an error says of itself, and may turn a
        success into a failure by an error that follows.
        """
        ...

    @property
    def content_started(self) -> bool:
        """Whether something of a good response has arrived: a byte, a token, a tool call.

        An event without output is nothing: a role, a ping, the filter's results.

        It ends the time to the first item. A reader that stops after it has
        been served, which is a success.
        """
        ...

    def begin(self, status: int, headers: httpx.Headers) -> None:
        """Process the head of the response."""
        ...

    def feed(self, data: bytes) -> None:
        """Process the next chunk of the decompressed body; chunks may be cut anywhere."""
        ...

    def end(self) -> Ruling:
        """Return the ruling on a response whose body ended regularly."""
        ...
