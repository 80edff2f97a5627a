"""The garbage collector, which the entry point keeps off while everything is imported."""

from __future__ import annotations

import gc


def resume_collecting() -> None:
    """Collect garbage from now on, but never look for any in what has been imported."""
    gc.freeze()
    gc.enable()
