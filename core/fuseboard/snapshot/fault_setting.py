"""The setting of a fault: how often it hits, when, and which requests."""

from __future__ import annotations

from msgspec import Struct

from fuseboard.invalid_input import InvalidInputError


class FaultSetting(Struct, frozen=True, gc=False):
    """The setting of one fault. `None` marks what cannot be chosen about it.

    Raises:
        ValueError: If a value is out of range; the message names the range.
    """

    probability: float = 1.0
    """Share of requests it hits while it is on, above 0 and at most 1."""
    seconds: float | None = None
    """How long it takes, for a fault that takes time."""
    chunks: int | None = None
    """How many chunks of a response are passed on before it."""
    paths: tuple[str, ...] | None = ()
    """Prefixes of the request paths that it hits; all paths if empty."""

    def __post_init__(self) -> None:
        if not 0 < self.probability <= 1:
            raise InvalidInputError(
                f"a probability is above 0 and at most 1, not {self.probability:g}"
            )
        if self.seconds is not None and not 0 < self.seconds < float("inf"):
            raise InvalidInputError(f"seconds must be a number above 0, not {self.seconds:g}")
        if self.chunks is not None and self.chunks < 0:
            raise InvalidInputError(f"chunks must be 0 or more, not {self.chunks}")
        for path in self.paths or ():
            if not path.startswith("/"):
                raise InvalidInputError(f"a path begins with /, as in /api/chat; {path!r} does not")

    def concerns(self, path: str) -> bool:
        """Return whether requests to `path` can be hit."""
        return not self.paths or path.startswith(self.paths)
