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
        """The ruling that no further byte can change; `None` while there is none.

        An error status is final at once, an error inside the body when it
        arrives, a success when the last object or event has arrived.
        """
        ...

    @property
    def content_started(self) -> bool:
        """Whether content of a good response has arrived: an object, an event, a byte.

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
