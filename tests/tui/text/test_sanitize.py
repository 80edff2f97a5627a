"""Which characters are unsafe, and what becomes of them."""

from __future__ import annotations

import json
import sys
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color

from fuseboard_tui.text.safe_screen import SafeText
from fuseboard_tui.text.sanitize import escape_json, is_safe, sanitize, sanitize_lines
from tests.every_field import hostile, raw_attacks

# Default_Ignorable_Code_Point of Unicode 16, DerivedCoreProperties.txt.
IGNORABLE = [
    *(0xAD, 0x34F, 0x61C, *range(0x115F, 0x1161), *range(0x17B4, 0x17B6), *range(0x180B, 0x1810)),
    *(*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0x3164),
    *(*range(0xFE00, 0xFE10), 0xFEFF, 0xFFA0, *range(0xFFF0, 0xFFF9)),
    *(*range(0x1BCA0, 0x1BCA4), *range(0x1D173, 0x1D17B), *range(0xE0000, 0xE1000)),
]
ANY_TEXT = st.text(st.characters(exclude_categories=[]))


def test_what_commands_hides_or_reorders_is_unsafe() -> None:
    unsafe = {
        code
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code)) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
    }
    assert not {code for code in unsafe.union(IGNORABLE) if is_safe(chr(code))}


@pytest.mark.parametrize(
    "text", ["plain", "naïve", "日本語", "🙂", "a\u0301", "no\u00a0break", "→ …"]
)
def test_ordinary_text_is_safe_and_stays_as_it_is(text: str) -> None:
    assert is_safe(text)
    assert sanitize(text) == sanitize_lines(text) == escape_json(text) == text


@given(ANY_TEXT)
@example(hostile())
def test_nothing_unsafe_is_left(text: str) -> None:
    assert is_safe(sanitize(text, len(text) + 1))
    assert is_safe(sanitize_lines(text).replace("\n", ""))
    assert sanitize_lines(text).count("\n") == text.count("\n")
    assert is_safe(escape_json(text))


@given(st.recursive(ANY_TEXT, lambda parts: st.dictionaries(ANY_TEXT, parts) | st.lists(parts)))
def test_escaped_json_has_the_same_value(value: object) -> None:
    assert json.loads(escape_json(json.dumps(value, ensure_ascii=False))) == value


def test_white_space_becomes_a_blank_and_a_long_text_is_cut() -> None:
    assert sanitize("a\tb\r\nc\u2028d\x85e") == "a b  c d e"
    assert sanitize("a" * 600) == "a" * 499 + "…"
    assert sanitize("abcdef", 3) == "ab…"


@given(ANY_TEXT)
@example(hostile())
@example("👩‍👩‍👧")
def test_a_drawn_text_keeps_its_width(text: str) -> None:
    (segment,) = SafeText().apply([Segment(text)], Color(0, 0, 0))
    assert is_safe(segment.text)
    assert segment.cell_length == cell_len(text)


def test_the_attacks_are_recognized() -> None:
    assert len(raw_attacks(hostile().encode())) > 20
    assert raw_attacks(sanitize(hostile()).encode()) == []
