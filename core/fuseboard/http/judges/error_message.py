"""The message of a server's error, made safe and stable enough to be a reason."""

from __future__ import annotations

import re
from typing import Any

from fuseboard.http.judge import Request
from fuseboard.http.judges.redaction import find_quotation
from fuseboard.http.judges.reported_error import read_error, read_error_body

_MAX_LENGTH = 120  # characters of a message
_MAX_SCANNED = 320  # characters; an escaped one takes several
_BEFORE_QUOTATION = " \t\"'`([{<:=,\\"

# What varies from call to call though the error is the same.
_VARIABLE = re.compile(
    r"""
    (?P<host> (?: \d{1,3} (?:\.\d{1,3}){3} | localhost | \[[0-9a-f:]+\] ) : ) \d+   # its port
    | (?P<label>
        (?: request | trace | log | generation ) [ _-]? id \W+
        | \b cf-ray \W+
      ) [\w-]+
    | (?P<amount>                                                                   # 10 or 6m0s
        \b (?: limit | used | usage | requested | remaining | current | afford | position
             | n_prompt_tokens | n_ctx ) ['"]? (?: \s? [:=] | \s of )? \s? ['"]?
        | \b (?: again | retry (?:ing)? | wait | resets? ) (?: \s (?: in | after | at | for ) )? \s
        | \b retry [-_\s]? (?: after | delay ) (?: [-_\s]? (?: ms | seconds ) )? ['"]? \W{1,2} ['"]?
      )
      \d++ (?: [.,:] \d++ )*+
      (?: (?: ms | [dhms] ) (?: \d++ (?: [.,] \d++ )*+ (?: ms | [dhms] ) )*+ )?+ (?! \w )
    | \b [0-9a-f]{8} (?:-[0-9a-f]{4}){3} - [0-9a-f]{12} \b                          # a UUID
    | \b [\w.+-]+ @ [\w-]+ \. [\w.-]*\w                                              # an account
    | \b sk-[\w*-]{4,}
    | \b (?: req | org | proj | acct | user | resp | msg | chatcmpl | cmpl ) [_-] (?=\w*\d) \w+
    | \b (?: org | proj ) [_-] \w{6,}
    | \b 0x [0-9a-f]{9,} \b                                                         # an address
    | \b (?=[a-f]*\d) [0-9a-f]{16,} \b                                              # a digest
    | \b \d{4}-\d\d-\d\d [T\ ] \d\d:\d\d:\d\d (?:\.\d+)? (?: Z\b | [+-]\d\d:?\d\d )?
    | (?<![\w.:]) \d\d? : \d\d (?: : \d\d (?:\.\d+)? )? (?= \s? (?:[AP]M|UTC|GMT) \b )  # of the day
    | \$ \s? \d [\d.,]*
    | (?<![\w.]) \d+ (?:\.\d+)? (?= \s? [KMGT]i?B \b )                              # a size
    | (?<![\w.]) (?: \d+ (?= \s? [mµn]s \b ) | \d+\.\d+ (?= \s? [mµn]?s \b ) )      # a duration
    | (?<![\w.,-]) \d[\d,]*
      (?= \s (?: [`\w]+ \s )? (?: token | request | character | credit )s? \b | \s in \s the \s )
    | (?<! [\w.,-] ) (?<! error\s ) (?<! code\s ) (?<! code:\s ) (?! (?<= [(] ) \d+ [)] )
      \d (?: ,? \d ){3,}+ (?! \w | [.,-] \w )                                        # a count
    """,
    re.VERBOSE | re.IGNORECASE,
)


class ErrorMessageReader:
    """Extract the message from an error response to a request.

    A message is the first line, at most 120 characters. It is cut where it
    quotes the request (prompt, input, key), and what varies between equal
    errors (ports, identifiers, accounts, times, sizes, counts) is replaced by `…`.
    """

    def __init__(self, request: Request) -> None:
        self._request = request

    def from_body(self, body: bytes) -> str:
        """Return the message in a body of JSON, events or plain text; empty if there is none."""
        return self.clean(read_error_body(body).message)

    def from_object(self, parsed: dict[str, Any]) -> str:
        """Return the message in a parsed JSON object; empty if there is none."""
        return self.clean(read_error(parsed).message)

    def clean(self, text: str) -> str:
        """Return a server's words as a message."""
        first_line = text.strip().partition("\n")[0][:_MAX_SCANNED].rstrip()
        return _truncate(_mask_variables(self._cut_quotation(first_line))) if first_line else ""

    def _cut_quotation(self, message: str) -> str:
        start = find_quotation(message, self._request)
        if start is None:
            return message
        before = message[:start].rstrip(_BEFORE_QUOTATION)
        return f"{before} …" if before else ""


def _mask_variables(message: str) -> str:
    return _VARIABLE.sub(
        lambda found: f"{found['host'] or found['label'] or found['amount'] or ''}…", message
    )


def _truncate(message: str) -> str:
    return message if len(message) <= _MAX_LENGTH else message[: _MAX_LENGTH - 1] + "…"
