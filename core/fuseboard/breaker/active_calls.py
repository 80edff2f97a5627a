"""Which calls are being made where, so that a breaker met inside its own call is recognised.

Such an inner call is part of the outer one: it is not admitted, and its
ruling becomes the outer call's, unless that raises.

A thread that runs a guarded function does nothing else meanwhile; what runs
on it is inside. Everything that suspends (coroutines, streams, `with` blocks)
marks its context instead, which the tasks that it starts inherit.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TypeAlias

from fuseboard.breaker.admission import Admission


class ThreadActivity:
    """What one thread does through one breaker. Changed by that thread only."""

    __slots__ = ("active", "inner")

    def __init__(self) -> None:
        self.active = False
        """Whether it runs a guarded function."""
        self.inner: Admission | None = None
        """The latest call inside the guarded function."""


class ActiveCall:
    """A call that marks its context while it is made."""

    __slots__ = ("core", "inner", "outer")

    core: object | None
    """The breaker; `None` once the call has ended, or does not run now."""
    inner: Admission | None
    """The latest call inside this one."""
    outer: ActiveCall | None
    """The call in which this one was begun."""

    # No __init__(), which would double what a guarded coroutine pays for it: see `unmarked_call()`.


OuterCall: TypeAlias = ThreadActivity | ActiveCall

innermost: ContextVar[ActiveCall | None] = ContextVar("fuseboard.innermost", default=None)
"""The innermost call that marked this context; it may have ended."""


def unmarked_call() -> ActiveCall:
    """Return a call that marks no context yet."""
    call = ActiveCall()
    call.core = call.inner = call.outer = None
    return call


def mark(call: ActiveCall, core: object) -> None:
    """Mark the context with a call through a breaker that begins or goes on."""
    outer = innermost.get()
    while outer is not None and (outer.core is None or outer is call):
        outer = outer.outer
    call.core = core
    call.outer = outer
    innermost.set(call)


def marked_call(core: object) -> ActiveCall | None:
    """Return the call through this breaker in which the context is, if there is one."""
    call = innermost.get()
    while call is not None and call.core is not core:
        call = call.outer
    return call
