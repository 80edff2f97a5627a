"""Reading the JSON objects that an answer consists of."""

from __future__ import annotations

import json
from typing import Any

from fuseboard.judges.server_words import ServerWords

TOO_LONG = "answer is too long"


class BadAnswerError(Exception):
    """An answer is no good one; the message is fit for a reason."""


def item_in(data: bytes, words: ServerWords) -> dict[str, Any]:
    """Read one JSON object; `words` reads what an error among them says.

    Raises:
        BadAnswerError: If it is none, or tells of an error; that is looked for
            before anything else, because some servers send `done` with it.
    """
    try:
        item = json.loads(data)
    except (ValueError, RecursionError):
        raise BadAnswerError("answer is not JSON") from None
    if not isinstance(item, dict):
        raise BadAnswerError("answer is not a JSON object")
    if item.get("error"):
        raise error_in_the_answer(words.in_item(item))
    return item


def error_in_the_answer(words: str) -> BadAnswerError:
    """Make what is raised for an answer that tells of an error in these words."""
    return BadAnswerError(f"error in the answer: {words or 'unnamed'}")
