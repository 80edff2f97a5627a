"""Which names a breaker, pool or cache may have."""

from __future__ import annotations

from unicodedata import category

# Control characters, halves of surrogate pairs, and separators of lines and of paragraphs.
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})


def check_name(name: object, of: str = "a breaker") -> str:
    """Return a name as plain text if it can be shown, logged and exported.

    Args:
        name: What is to be the name.
        of: What has the name, for the error.

    Raises:
        TypeError: If it is no text.
        ValueError: If it is empty, or has a character that does not belong into a name: a
            control character, a line separator, or half of a surrogate pair.
    """
    if not isinstance(name, str):
        raise TypeError(f"the name of {of} is text, not {name!r}")
    if not name:
        raise ValueError(f"{of} needs a name")
    plain = str.__str__(name)  # a subclass may write itself in another way
    if not plain.isprintable():  # a blank other than the space is not, and is allowed
        for letter in plain:
            if category(letter) in _FORBIDDEN_CATEGORIES:
                raise ValueError(f"the name of {of} has no {letter!r} in it, as {plain!r} has")
    return plain
