"""The entry point of the command `fuseboard`; imports nothing that may not be installed."""

from __future__ import annotations

import gc
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO, cast

from fuseboard_tui.cli.missing_package import missing_package
from fuseboard_tui.cli.safe_streams import safe_streams


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code: 2 where the user can correct something."""
    gc.disable()  # imported objects are not garbage; searching them takes 5 % of the start
    try:
        _open_missing_streams()
        with safe_streams():
            return _run(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    finally:
        if arguments is None:  # the process is about to end, and Ctrl+C would be a traceback now
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        gc.enable()


def _run(arguments: list[str]) -> int:
    stdout = None if sys.stdout is None else _Stdout(sys.stdout)
    try:
        with redirect_stdout(cast("TextIO | None", stdout)):
            from fuseboard_tui.cli.command_line import run

            code = run(arguments)
            if stdout is not None:
                stdout.flush()
    except ModuleNotFoundError as error:
        return _report(missing_package(error))
    except Exception as error:  # noqa: BLE001 (the interpreter would write it to the bare stream)
        if stdout is None or error is not stdout.failure:
            traceback.print_exc()
            return 1
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nor does the interpreter fail at its end
        return _report(f"cannot write stdout: {stdout.failure.strerror}")
    return code


def _report(problem: str) -> int:
    print(f"fuseboard: {problem}", file=sys.stderr)  # noqa: T201
    return 2


def _open_missing_streams() -> None:
    """Open the null device in place of a closed stdin, stdout or stderr.

    Otherwise a socket would get its number, and with that whatever is written there.
    To write to a closed stdout stays an error.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(
                os.devnull, os.O_RDONLY if descriptor == 1 else os.O_RDWR
            )  # gets the lowest number that is free
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115


class _Stdout:
    """A stream that remembers why it could not be written."""

    def __init__(self, stream: TextIO) -> None:
        self.failure: OSError | None = None
        self._stream = stream

    def write(self, text: str) -> int:
        with self._remembering():
            return self._stream.write(text)

    def flush(self) -> None:
        with self._remembering():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextmanager
    def _remembering(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.failure = error
            raise
