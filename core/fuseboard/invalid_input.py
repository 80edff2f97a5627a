"""The exception for what a user can correct."""

from __future__ import annotations


class InvalidInputError(ValueError):
    """Something that was typed, set or read from a file is invalid; the message is for the user.

    Any other `ValueError` is a bug.
    """
