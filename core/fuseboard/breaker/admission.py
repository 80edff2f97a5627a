"""What a breaker knows of a call that it has let through."""

from __future__ import annotations

from fuseboard.breaker.generation import Generation
from fuseboard.breaker.outcome import Ruling


class Admission:
    """One call that was admitted, or that is made inside an admitted one and so is part of it."""

    __slots__ = ("generation", "ruling", "seconds_to_first_item", "started")

    def __init__(self) -> None:
        self.generation: Generation | None = None
        """The generation it was admitted in; `None` for a call inside another one."""
        self.started = 0.0
        """When it began, on the breaker's clock."""
        self.seconds_to_first_item: float | None = None
        """`None` if it has streamed nothing."""
        self.ruling: Ruling | None = None
        """How a call inside another one ended; `None` until then."""
