"""What a server says of its trouble, made fit for a reason: short, stable, never a prompt."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx

from fuseboard.http.judges.redaction import find_quotation

_LONGEST_WORDS = 120  # characters
_LOOKED_AT = 320  # characters; what is escaped takes several for each
_BEFORE_A_QUOTATION = " \t\"'`([{<:=,\\"

# What differs from call to call though the trouble is the same.
_VARYING = re.compile(
    r"""
    (?P<kept> (?: \d{1,3} (?:\.\d{1,3}){3} | localhost | \[[0-9a-f:]+\] ) : ) \d+   # its port
    | (?P<named> request[ _-]?id \W+ ) [\w-]+
    | \b [0-9a-f]{8} (?:-[0-9a-f]{4}){3} - [0-9a-f]{12} \b                          # a UUID
    | \b req_ \w+
    | \b 0x [0-9a-f]{9,} \b                                                         # an address
    | \b (?=[a-f]*\d) [0-9a-f]{16,} \b                                              # a digest
    | \b \d{4}-\d\d-\d\d [T\ ] \d\d:\d\d:\d\d (?:\.\d+)? (?: Z\b | [+-]\d\d:?\d\d )?
    | (?<![\w.]) \d+ (?:\.\d+)? (?= \s? [KMGT]i?B \b )                              # a size
    | (?<![\w.]) (?: \d+ (?= \s? [mµn]s \b ) | \d+\.\d+ (?= \s? [mµn]?s \b ) )      # a duration
    """,
    re.VERBOSE | re.IGNORECASE,
)


class ErrorMessage:
    """Finds what the answers to a request say, and nothing in it that the request said."""

    def __init__(self, request: httpx.Request) -> None:
        self._request = request

    def in_body(self, body: bytes) -> str:
        """Find what an error says, in JSON or in plain text; empty if it says nothing."""
        try:
            item = json.loads(body)
        except (ValueError, RecursionError):
            text = body.decode("utf-8", "replace").strip()
            # A page for people, or JSON that is not whole.
            return "" if text.startswith(("<", "{", "[")) else self._fit(text)
        return self.in_item(item) if isinstance(item, dict) else ""

    def in_item(self, item: dict[str, Any]) -> str:
        """Find the words of an error that came as a JSON object; empty if it has none."""
        error = item.get("error")
        if isinstance(error, dict):  # OpenAI's form
            error = error.get("message")
        for words in (error, item.get("message"), item.get("detail")):
            if isinstance(words, str):
                return self._fit(words)
        return ""

    def _fit(self, text: str) -> str:
        first_line = text.strip().partition("\n")[0][:_LOOKED_AT].rstrip()
        return _shortened(_stable(self._without_quotation(first_line)))

    def _without_quotation(self, words: str) -> str:
        at = find_quotation(words, self._request)
        if at is None:
            return words
        ours = words[:at].rstrip(_BEFORE_A_QUOTATION)
        return f"{ours} …" if ours else ""


def _stable(words: str) -> str:
    return _VARYING.sub(lambda found: f"{found['kept'] or found['named'] or ''}…", words)


def _shortened(words: str) -> str:
    return words if len(words) <= _LONGEST_WORDS else words[: _LONGEST_WORDS - 1] + "…"
