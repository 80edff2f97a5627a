"""Checks that run in a forked child."""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Callable
from contextlib import suppress

PATIENCE = 20  # seconds


def in_child(check: Callable[[], object]) -> None:
    """Run a check in a forked child and fail if it raises or hangs there."""
    readable, writable = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a process of several threads forks is the subject
        child = os.fork()
    if child == 0:
        os.close(readable)
        signal.alarm(PATIENCE)
        message = b"ok"
        try:
            check()
        except BaseException as error:  # noqa: BLE001 (the parent says it)
            message = f"{type(error).__name__}: {error}".encode()
        with suppress(OSError):
            os.write(writable, message)
        os._exit(0)
    os.close(writable)
    with os.fdopen(readable, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(child, 0)
    assert said == "ok", said or "the child hung or died"
