"""The difference between two JSON values, as a JSON value that is small if little differs.

It has the form of the new value, without the parts that are equal in both:

- an object holds the members of an object that have changed or are new;
- an object whose names are numbers holds the changed elements of an array by index;
- `{"-": n, "+": […]}` removes the first `n` elements of an array and appends others,
  which is how a history of bounded length changes;
- `{"=": value}` replaces a value by an object;
- anything else replaces the value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fuseboard.invalid_input import InvalidInputError
from fuseboard.snapshot.strict_decoding import MAX_PARTS

_REPLACED, _REMOVED, _APPENDED = "=", "-", "+"
_MAX_DIGITS = 9  # of an index


def diff(old: Any, new: Any) -> Any:
    """Return the difference that leads from `old` to `new`; arrays may be lists or tuples."""
    found = None
    if isinstance(old, dict) and isinstance(new, dict):
        found = _changed_members(old, new)
    elif isinstance(old, list | tuple) and isinstance(new, list | tuple):
        found = _changed_elements(old, new)
    if found is not None:
        return found
    return {_REPLACED: new} if isinstance(new, dict) else new


def apply_diff(old: Any, found: Any) -> Any:
    """Return the new value. `old` is left unchanged, and unchanged parts are shared.

    Arrays are lists, as decoded JSON has them.

    Raises:
        ValueError: If `found` is no difference from such a value, or the value has
            more parts than a snapshot can have.
    """
    if not isinstance(found, dict):
        return found
    if found.keys() == {_REPLACED}:
        return found[_REPLACED]
    if isinstance(old, dict | list) and len(old) > MAX_PARTS:
        raise InvalidInputError(f"there are changes of a value with {len(old):,} parts")
    if isinstance(old, dict):
        return {**old, **{name: apply_diff(old.get(name), part) for name, part in found.items()}}
    if isinstance(old, list):
        return _with_changed_elements(old, found)
    raise InvalidInputError("there are changes of a value that has no parts")


def _changed_members(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any] | None:
    if not old.keys() <= new.keys() or _REPLACED in new:
        return None
    return {
        name: diff(old.get(name), part)
        for name, part in new.items()
        if name not in old or old[name] != part
    }


def _changed_elements(old: Sequence[Any], new: Sequence[Any]) -> dict[str, Any] | None:
    changed: list[int] | None = None
    if len(old) == len(new):
        changed = [index for index, part in enumerate(new) if old[index] != part]
    if changed is None or len(changed) * 2 > len(new):
        removed = _removed_from_front(old, new)
        if removed is not None:
            return {_REMOVED: removed, _APPENDED: new[len(old) - removed :]}
    if changed is None:
        return None
    return {str(index): diff(old[index], new[index]) for index in changed}


def _removed_from_front(old: Sequence[Any], new: Sequence[Any]) -> int | None:
    """Return how many elements were removed if the remaining ones begin `new`, else `None`."""
    if not old:
        return 0
    for last, part in enumerate(new):
        removed = len(old) - 1 - last
        if removed >= 0 and part == old[-1] and old[removed:] == new[: last + 1]:
            return removed
    return None


def _with_changed_elements(old: list[Any], found: dict[str, Any]) -> list[Any]:
    if found.keys() == {_REMOVED, _APPENDED}:
        removed, appended = found[_REMOVED], found[_APPENDED]
        if (
            type(removed) is not int
            or not 0 <= removed <= len(old)
            or not isinstance(appended, list)
        ):
            raise InvalidInputError(f"nothing can be taken from an array as {found!r:.60} has it")
        return old[removed:] + appended
    new = list(old)
    for index, part in found.items():
        is_index = index.isascii() and index.isdigit() and len(index) <= _MAX_DIGITS
        if not (is_index and int(index) < len(old)):
            raise InvalidInputError(f"an array of {len(old)} has no item {index!r:.20}")
        new[int(index)] = apply_diff(old[int(index)], part)
    return new
