"""Objects that are alive in one process: they hold locks and counts, and are not copied."""

from __future__ import annotations

from typing import NoReturn, Self


class LiveObject:
    """A base of objects whose copy would be a second one beside the one that is counted.

    `copy.copy()`, `copy.deepcopy()` and `dataclasses.asdict()` keep the object
    itself, as they do functions and modules. It cannot be pickled.
    """

    __slots__ = ()

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        kind = type(self).__name__
        raise TypeError(f"a {kind} belongs to its process and cannot be pickled: make one there")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        self.__reduce__()
