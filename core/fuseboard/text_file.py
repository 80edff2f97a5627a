"""Reading a text file that a user names."""

from __future__ import annotations

from pathlib import Path

from fuseboard.invalid_input import InvalidInputError

MAX_SIZE = 10_000_000
"""Bytes; a device or a pipe may have no end."""


def read_text_file(path: str, content: str, *, missing: str = "") -> str:
    """Return the text in a file.

    Args:
        path: The file.
        content: What is in it, for the messages: `the prompts`.
        missing: The message where there is no such file; by default as for other errors.

    Raises:
        InvalidInputError: If it cannot be read, is too large or is not UTF-8.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_SIZE + 1)
    except OSError as error:
        if missing and isinstance(error, FileNotFoundError):
            raise InvalidInputError(missing) from None
        raise InvalidInputError(f"cannot read {content} in {path}: {error.strerror}") from None
    if len(data) > MAX_SIZE:
        raise InvalidInputError(f"cannot read {content} in {path}: it exceeds {MAX_SIZE:,} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInputError(f"cannot read {content} in {path}: it is not UTF-8 text") from None
