"""What must be made anew in a forked child: locks, and everything that is in flight.

Another thread of the parent may hold a lock at the moment of the fork; the
child has no such thread, and would wait for it for ever.
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Renewable(Protocol):
    """An object with a lock, or with something in flight."""

    def renew_in_child(self) -> None:
        """Make the lock anew and forget what goes on in the parent only."""
        ...


_renewables: WeakSet[Renewable] = WeakSet()


def renew_in_children(renewable: Renewable) -> None:
    """Have an object renewed in every child that is forked while it exists."""
    _renewables.add(renewable)


def _renew_all() -> None:
    for renewable in tuple(_renewables):
        renewable.renew_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
