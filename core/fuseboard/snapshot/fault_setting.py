"""How a fault is set: how often it hits, and what else there is to choose about it."""

from __future__ import annotations

from msgspec import Struct


class FaultSetting(Struct, frozen=True, gc=False):
    """One fault's setting; `None` is what there is not to choose about it.

    Raises:
        ValueError: If a value makes no sense; the message says what would.
    """

    probability: float = 1.0
    """The share of requests it hits while it is on, above 0 and at most 1."""
    seconds: float | None = None
    """How long it takes, where it takes time."""
    chunks: int | None = None
    """How many chunks of an answer come before it."""
    paths: tuple[str, ...] | None = ()
    """What the path of a request begins with that it hits; empty hits all."""

    def __post_init__(self) -> None:
        if not 0 < self.probability <= 1:
            raise ValueError(f"a probability is above 0 and at most 1, not {self.probability:g}")
        if self.seconds is not None and not 0 < self.seconds < float("inf"):
            raise ValueError(f"seconds must be a number above 0, not {self.seconds:g}")
        if self.chunks is not None and self.chunks < 0:
            raise ValueError(f"chunks must be 0 or more, not {self.chunks}")
        for path in self.paths or ():
            if not path.startswith("/"):
                raise ValueError(f"a path begins with /, as in /api/chat; {path!r} does not")

    def concerns(self, path: str) -> bool:
        """Say whether requests to `path` can be hit."""
        return not self.paths or path.startswith(self.paths)
