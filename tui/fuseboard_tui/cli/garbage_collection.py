"""Garbage collection, which the entry point disables during the imports."""

from __future__ import annotations

import gc


def resume_collecting() -> None:
    """Enable garbage collection, and exempt what has been imported."""
    gc.freeze()
    gc.enable()
