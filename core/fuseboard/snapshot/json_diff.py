"""What has changed between two JSON values, as a JSON value that is small if little has.

It reads like the new value with everything left out that stayed the same:

- an object holds the members of an object that have changed or are new;
- an object whose members are numbers holds the items of an array that have changed;
- `{"-": n, "+": […]}` takes `n` items from the front of an array and adds others to its
  end, which is how bounded histories move on;
- `{"=": value}` is a new object as a whole;
- anything else is the new value itself.
"""

from __future__ import annotations

from typing import Any

_WHOLE, _DROPPED, _ADDED = "=", "-", "+"


def diff(old: Any, new: Any) -> Any:
    """Say what turns `old` into `new`."""
    found = None
    if isinstance(old, dict) and isinstance(new, dict):
        found = _changed_members(old, new)
    elif isinstance(old, list) and isinstance(new, list):
        found = _changed_items(old, new)
    if found is not None:
        return found
    return {_WHOLE: new} if isinstance(new, dict) else new


def apply_diff(old: Any, found: Any) -> Any:
    """Give the new value; `old` stays as it is, and they share what has not changed.

    Raises:
        ValueError: If these are no changes of such a value.
    """
    if not isinstance(found, dict):
        return found
    if found.keys() == {_WHOLE}:
        return found[_WHOLE]
    if isinstance(old, dict):
        return {**old, **{name: apply_diff(old.get(name), part) for name, part in found.items()}}
    if isinstance(old, list):
        return _with_changed_items(old, found)
    raise ValueError("there are changes of a value that has no parts")


def _changed_members(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any] | None:
    if not old.keys() <= new.keys() or _WHOLE in new:
        return None
    return {
        name: diff(old.get(name), part)
        for name, part in new.items()
        if name not in old or old[name] != part
    }


def _changed_items(old: list[Any], new: list[Any]) -> dict[str, Any] | None:
    changed: list[int] | None = None
    if len(old) == len(new):
        changed = [place for place, part in enumerate(new) if old[place] != part]
    if changed is None or len(changed) * 2 > len(new):
        dropped = _moved_on(old, new)
        if dropped is not None:
            return {_DROPPED: dropped, _ADDED: new[len(old) - dropped :]}
    if changed is None:
        return None
    return {str(place): diff(old[place], new[place]) for place in changed}


def _moved_on(old: list[Any], new: list[Any]) -> int | None:
    """Say how many items have left the front, if the others are the first of the new ones."""
    if not old:
        return 0
    for last, part in enumerate(new):
        dropped = len(old) - 1 - last
        if dropped >= 0 and part == old[-1] and old[dropped:] == new[: last + 1]:
            return dropped
    return None


def _with_changed_items(old: list[Any], found: dict[str, Any]) -> list[Any]:
    if found.keys() == {_DROPPED, _ADDED}:
        dropped, added = found[_DROPPED], found[_ADDED]
        if type(dropped) is not int or not 0 <= dropped <= len(old) or not isinstance(added, list):
            raise ValueError(f"nothing can be taken from an array as {found!r:.60} has it")
        return old[dropped:] + added
    new = list(old)
    for place, part in found.items():
        if not (place.isascii() and place.isdigit() and int(place) < len(old)):
            raise ValueError(f"an array of {len(old)} has no item {place!r:.20}")
        new[int(place)] = apply_diff(old[int(place)], part)
    return new
