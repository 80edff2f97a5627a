"""Writing a text that matches a regular expression, for the common part of their syntax."""

from __future__ import annotations

import random
import string
from collections.abc import Sequence
from typing import NoReturn

MAX_LENGTH = 10_000
"""Characters of a text; a pattern that asks for more is refused."""
_MAX_PATTERN = 2_000
_MAX_DEPTH = 30  # of groups in groups
_CLASSES = {
    "d": string.digits,
    "w": string.ascii_letters + string.digits + "_",
    "s": " ",
}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v"}
_PRINTABLE = string.ascii_letters + string.digits + string.punctuation + " "
_WORDS = string.ascii_lowercase


class PatternError(ValueError):
    """No text is written for a pattern; the message is the pattern and why."""


def write_match(pattern: str, rng: random.Random, min_length: int = 0) -> tuple[str, int]:
    r"""Return a text that matches a pattern, and how many steps it took.

    It knows literals, classes (`[a-z]`, `\d`), groups, alternatives, quantifiers,
    and `^` and `$` at its ends.

    Args:
        pattern: A regular expression in the syntax of ECMA 262.
        rng: The source of randomness.
        min_length: How long the text is to be where a quantifier leaves that open.

    Raises:
        PatternError: If it has anything else, or its shortest text is too long.
    """
    writer = _Writer(pattern, rng, min_length)
    return writer.write(), writer.steps


class _Writer:
    def __init__(self, pattern: str, rng: random.Random, min_length: int) -> None:
        self._pattern = pattern
        self._rng = rng
        self._min_length = min_length
        self._place = 0
        self.steps = len(pattern)

    def write(self) -> str:
        if len(self._pattern) > _MAX_PATTERN:
            self._fail("it is too long")
        text = self._alternatives(0)
        if self._place < len(self._pattern):
            self._fail("a parenthesis is not opened")
        return text

    def _alternatives(self, depth: int) -> str:
        if depth > _MAX_DEPTH:
            self._fail("its groups are nested too deep")
        self._counted("")
        branches = [self._sequence(depth)]
        while self._take("|"):
            branches.append(self._sequence(depth))
        return self._rng.choice(branches)

    def _sequence(self, depth: int) -> str:
        parts: list[str] = []
        while (char := self._peek()) and char not in "|)":
            self._place += 1
            if char == "^" and not parts:
                continue
            if char == "$" and (self._peek() or ")") in "|)":
                continue
            begin = self._place
            choices: Sequence[str] = ()
            if char == "(":
                text = self._group(depth)
            else:
                choices = self._choices(char)
                text = self._rng.choice(choices)
            low, high = self._quantifier()
            count = self._rng.randint(low, high)
            if choices:
                text = "".join(self._rng.choice(choices) for _ in range(count))
            elif count > 1:
                end = self._place
                repeated = [text]
                for _ in range(count - 1):  # each time another text of the group
                    self._place = begin
                    repeated.append(self._group(depth))
                self._place = end
                text = "".join(repeated)
            else:
                text *= count
            parts.append(self._counted(text))
        return "".join(parts)

    def _group(self, depth: int) -> str:
        if self._take("?"):
            if self._take("<"):
                name_ends = self._pattern.find(">", self._place)
                if self._peek() in {"=", "!"} or name_ends < 0:
                    self._fail("it looks around")
                self._place = name_ends + 1
            elif not self._take(":"):
                self._fail("it looks around")
        text = self._alternatives(depth + 1)
        if not self._take(")"):
            self._fail("a parenthesis is not closed")
        return text

    def _choices(self, char: str) -> Sequence[str]:
        match char:
            case ".":
                return _WORDS
            case "[":
                return self._class()
            case "\\":
                return self._escape()
            case "*" | "+" | "?" | "{" | "^" | "$":
                self._fail(f"{char} stands where nothing is repeated, or within")
        return char

    def _class(self) -> Sequence[str]:
        negated = self._take("^")
        chars: list[str] = []
        while (char := self._next()) != "]" or not chars:
            part = "".join(self._escape()) if char == "\\" else char
            if len(part) == 1 and self._peek() == "-" and self._peek(1) not in {"]", ""}:
                self._place += 1
                last = self._next()
                last = self._escape()[0] if last == "\\" else last
                if not 0 <= ord(last) - ord(part) < 0x10000:
                    self._fail("a range of characters is the wrong way round, or too wide")
                part = "".join(map(chr, range(ord(part), min(ord(last), ord(part) + 500) + 1)))
            chars.extend(part)
        if negated:
            chars = [char for char in _PRINTABLE if char not in set(chars)]
        if not chars:
            self._fail("a class has no character")
        return chars

    def _escape(self) -> Sequence[str]:
        char = self._next()
        if char in _CLASSES:
            return _CLASSES[char]
        if char.lower() in _CLASSES:
            return [each for each in _PRINTABLE if each not in _CLASSES[char.lower()]]
        if char in "xu":
            digits = self._pattern[self._place : self._place + (2 if char == "x" else 4)]
            self._place += len(digits)
            try:
                return chr(int(digits, 16))
            except ValueError:
                self._fail("an escape is broken")
        if char.isalnum() and char not in _ESCAPES:
            self._fail(f"\\{char} is not known")
        return _ESCAPES.get(char, char)

    def _quantifier(self) -> tuple[int, int]:
        low, high = 1, 1
        char = self._peek()
        if char in {"*", "+", "?"}:
            self._place += 1
            low = 1 if char == "+" else 0
            high = 1 if char == "?" else max(low + 4, self._min_length)
            if char != "?" and self._min_length:
                low = min(max(low, self._min_length), MAX_LENGTH)
        elif char == "{":
            end = self._pattern.find("}", self._place)
            first, comma, last = self._pattern[self._place + 1 : max(end, 0)].partition(",")
            if not _is_count(first) or not (last == "" or _is_count(last)):
                self._fail("a quantifier is broken")
            self._place = end + 1
            low = int(first)
            high = int(last) if last else max(low + 4, self._min_length) if comma else low
            if low <= self._min_length <= high:
                low = self._min_length
            high = min(high, max(low, 4 + low))
        if self._peek() == "?":
            self._place += 1  # lazy, which makes no difference to what matches
        if low > MAX_LENGTH or low > high:
            self._fail("a quantifier is too large, or the wrong way round")
        return low, min(high, MAX_LENGTH)

    def _counted(self, text: str) -> str:
        self.steps += len(text) + 1
        if self.steps > 2 * MAX_LENGTH:
            self._fail("its texts are too long")
        return text

    def _peek(self, ahead: int = 0) -> str:
        return self._pattern[self._place + ahead : self._place + ahead + 1]

    def _next(self) -> str:
        char = self._peek()
        if not char:
            self._fail("it ends too early")
        self._place += 1
        return char

    def _take(self, char: str) -> bool:
        taken = self._peek() == char
        self._place += taken
        return taken

    def _fail(self, why: str) -> NoReturn:
        raise PatternError(f"the pattern {self._pattern[:100]!r}: {why}")


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 6
