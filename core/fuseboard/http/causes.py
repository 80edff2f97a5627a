"""What led to an exception: its causes, and what was being handled when it was raised."""

from __future__ import annotations

from collections.abc import Iterator


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and everything that led to it, once each, the nearest first.

    These are `__cause__`, `__context__` (though `raise … from None` hides it in a
    traceback) and the members of groups.
    """
    seen: set[int] = set()
    pending = [error]
    while pending:
        cause = pending.pop(0)
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        if isinstance(cause, BaseExceptionGroup):
            pending.extend(cause.exceptions)
        pending.extend(linked for linked in (cause.__cause__, cause.__context__) if linked)
