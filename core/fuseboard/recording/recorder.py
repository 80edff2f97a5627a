"""The recorder of a run, which writes snapshots to a file.

The file has one line for each snapshot: the first one whole, of each later one
the difference to the one before (see `fuseboard.snapshot.json_diff`).
"""

from __future__ import annotations

import errno
import gzip
import logging
import os
import stat
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast

from fuseboard.invalid_input import InvalidInputError
from fuseboard.snapshot.codec import encode_builtins, to_builtins
from fuseboard.snapshot.json_diff import diff
from fuseboard.snapshot.snapshot import Snapshot

_PAUSE = 0.5  # seconds between snapshots
_SHARE = 0.1  # of the time may be spent on writing; large snapshots are written less often
_MAX_PAUSE = 10.0  # also after a write during which the process was stopped
_FLUSH_SECONDS = 2.0  # a crash loses no more than this
_STOP_SECONDS = 5.0

_logger = logging.getLogger(__name__)


class Recorder:
    """Write a snapshot twice a second, on a thread of its own.

    A context manager that records until its block ends. An error such as a full
    disk ends the recording, not the program; `problem` describes it.

    Args:
        take: Returns a snapshot; called on the recorder's thread.
        path: The file; compressed if its name ends in `.gz`.
        overwrite: Whether an existing file may be overwritten.
    """

    def __init__(
        self, take: Callable[[], Snapshot], path: str | Path, *, overwrite: bool = False
    ) -> None:
        self._take = take
        self._path = Path(path)
        self._overwrite = overwrite
        self._raw_file: IO[bytes]
        self._file: IO[bytes]  # compresses, if the name says so
        self._previous: dict[str, Any] | None = None
        self._flushed = time.monotonic()
        self._problem = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fuseboard-recorder", daemon=True)

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @property
    def problem(self) -> str:
        """Why the recording ended early; empty if it did not. May be read from any thread."""
        return self._problem

    def __enter__(self) -> Recorder:
        """Open the file and start recording.

        Raises:
            ValueError: If the file cannot be written.
        """
        self._raw_file = _open(self._path, overwrite=self._overwrite)
        is_zipped = self._path.suffix == ".gz"
        zipped = gzip.GzipFile(self._path.name, "wb", fileobj=self._raw_file) if is_zipped else None
        self._file = cast(IO[bytes], zipped or self._raw_file)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Write a last snapshot and close the file."""
        self._stopping.set()
        self._thread.join(_STOP_SECONDS)
        if self._thread.is_alive():
            self._give_up(f"it could not be closed within {_STOP_SECONDS:g} s")

    def _run(self) -> None:
        try:
            self._record()
        except OSError as error:
            self._give_up(error.strerror or str(error))
        except Exception as error:
            _logger.exception("the recorder broke")
            self._give_up(f"{type(error).__name__}: {error}")
        finally:
            with suppress(OSError):  # reported already; closing cannot write the rest either
                self._file.close()
            with suppress(OSError):
                self._raw_file.close()

    def _give_up(self, reason: str) -> None:
        self._problem = f"recording to {self._path} has ended: {reason}"
        _logger.error(self._problem)

    def _record(self) -> None:
        stopping = False
        while not stopping:
            began = time.monotonic()
            self._write(self._take())
            took = time.monotonic() - began
            stopping = self._stopping.wait(min(max(_PAUSE, took / _SHARE), _MAX_PAUSE))
        self._write(self._take())
        self._check_path()
        self._file.close()
        self._raw_file.close()

    def _write(self, snapshot: Snapshot) -> None:
        builtins = to_builtins(snapshot)
        self._file.write(encode_line(self._previous, builtins) + b"\n")
        self._previous = builtins
        if time.monotonic() - self._flushed >= _FLUSH_SECONDS:
            self._file.flush()
            self._check_path()
            self._flushed = time.monotonic()

    def _check_path(self) -> None:
        """Raise `FileNotFoundError` if the file is no longer where it was opened."""
        here = os.fstat(self._raw_file.fileno())
        try:
            there = self._path.stat()
        except FileNotFoundError:
            raise FileNotFoundError(errno.ENOENT, "the file was deleted") from None
        if not os.path.samestat(here, there):
            raise FileNotFoundError(errno.ENOENT, "the file was replaced by another one")


def encode_line(previous: dict[str, Any] | None, snapshot: dict[str, Any]) -> bytes:
    """Return the line of a snapshot, given in builtins as is the one before; the first has none."""
    return encode_builtins(snapshot if previous is None else diff(previous, snapshot))


def _open(path: Path, *, overwrite: bool) -> IO[bytes]:
    """Open a file to be written.

    What can hold a writer up for ever is refused: a pipe, a socket, a terminal.

    Raises:
        InvalidInputError: If that cannot be; the message says why.
    """
    try:
        file = open(path, "wb" if overwrite else "xb", opener=_open_at_once)  # noqa: SIM115
    except FileExistsError:
        if path.is_file():
            raise InvalidInputError(f"{path} is there already; --force overwrites it") from None
        raise InvalidInputError(f"cannot write {path}: it is no file") from None
    except OSError as error:
        reason = "it is no file" if error.errno == errno.ENXIO else error.strerror
        raise InvalidInputError(f"cannot write {path}: {reason}") from None
    mode = os.fstat(file.fileno()).st_mode
    if file.isatty() or not (stat.S_ISREG(mode) or stat.S_ISCHR(mode)):
        file.close()
        raise InvalidInputError(f"cannot write {path}: it is no file")
    return file


def _open_at_once(path: str, flags: int) -> int:
    # Without a reader, a pipe is refused with ENXIO then, instead of waited for.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o666)
