"""What must be made anew in a forked child: locks, and everything that is in flight.

Another thread of the parent may hold a lock at the moment of the fork; the
child has no such thread, and would wait for it for ever.
"""

from __future__ import annotations

import os
import threading
from typing import Protocol
from weakref import WeakSet


class Renewable(Protocol):
    """An object with a lock, or with something in flight."""

    def renew_in_child(self) -> None:
        """Make the lock anew and forget what goes on in the parent only."""
        ...


class LockOwner(Protocol):
    """An object of which nothing but the lock must be made anew."""

    _lock: threading.RLock


_renewables: WeakSet[Renewable] = WeakSet()
_lock_owners: WeakSet[LockOwner] = WeakSet()


def renew_in_children(renewable: Renewable) -> None:
    """Have an object renewed in every child that is forked while it exists."""
    _renewables.add(renewable)


def renewed_lock(owner: LockOwner) -> threading.RLock:
    """Return the lock that is to be `owner._lock`, and is made anew in every forked child.

    It is re-entrant, because garbage may be collected while it is held, and a
    finalizer may need it.
    """
    _lock_owners.add(owner)
    return threading.RLock()


def _renew_all() -> None:
    for owner in tuple(_lock_owners):
        owner._lock = threading.RLock()  # noqa: SLF001 (that is what it was passed for)
    for renewable in tuple(_renewables):
        renewable.renew_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
