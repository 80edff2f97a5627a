"""The interface between the transport and whatever judges an HTTP exchange."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar, overload

from fuseboard.breaker.outcome import Ruling

T = TypeVar("T")


class Headers(Protocol):
    """The headers of a message as httpx and httpx2 have them; names match in any case."""

    @overload
    def get(self, key: str, /) -> str | None: ...

    @overload
    def get(self, key: str, default: T, /) -> str | T: ...

    def get(self, key: str, default: Any = None, /) -> Any:
        """Return the values of a header, joined by commas; `default` if it is absent."""
        ...

    def get_list(self, key: str, split_commas: bool = False) -> list[str]:
        """Return the values of a header one by one."""
        ...


class Url(Protocol):
    """What a judge reads of a URL."""

    @property
    def path(self) -> str:
        """The path, its escapes undone."""
        ...


class Request(Protocol):
    """What a judge reads of a request, whether httpx or httpx2 made it."""

    @property
    def method(self) -> str:
        """The method, in capitals."""
        ...

    @property
    def url(self) -> Url:
        """The URL."""
        ...

    @property
    def headers(self) -> Headers:
        """The headers."""
        ...

    @property
    def content(self) -> bytes:
        """The body; raises a `RuntimeError` if it is sent as a stream."""
        ...


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

    def begin(self, status: int, headers: Headers) -> None:
        """Process the head of the response."""
        ...

    def feed(self, data: bytes) -> None:
        """Process the next chunk of the decompressed body; chunks may be cut anywhere."""
        ...

    def end(self) -> Ruling:
        """Return the ruling on a response whose body ended regularly."""
        ...
