"""Writing a run to a file while it runs.

The file has one snapshot a line: the first one whole, of each later one what
has changed (see `fuseboard.snapshot.json_diff`). `fuseboard.recording.reader` reads it.
"""

from __future__ import annotations

import gzip
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast

from fuseboard.snapshot.codec import encode_builtins, to_builtins
from fuseboard.snapshot.json_diff import diff
from fuseboard.snapshot.snapshot import Snapshot

_PAUSE = 0.5  # seconds between snapshots
_SHARE = 0.1  # of the time, at most, is spent on writing, however large the snapshots are
_FLUSH_SECONDS = 2.0  # what a crash loses at most
_STOP_SECONDS = 5.0

_logger = logging.getLogger(__name__)


class Recorder:
    """Takes a snapshot twice a second and writes it, on a thread of its own.

    A context manager: what is in its block is recorded. A disk that is full
    ends the recording and nothing else.

    Args:
        take: Takes a snapshot; is called on the recorder's thread.
        path: The file; it is compressed if its name ends in `.gz`.
        overwrite: Whether a file that is there already may be overwritten.
    """

    def __init__(
        self, take: Callable[[], Snapshot], path: str | Path, *, overwrite: bool = False
    ) -> None:
        self._take = take
        self._path = Path(path)
        self._overwrite = overwrite
        self._file: IO[bytes]
        self._written: dict[str, Any] | None = None
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
        """Why nothing is recorded any longer, in words; empty while all is well.

        May be read from any thread.
        """
        return self._problem

    def __enter__(self) -> Recorder:
        """Open the file and begin to record.

        Raises:
            ValueError: If the file cannot be written.
        """
        self._file = _open(self._path, overwrite=self._overwrite)
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
            with suppress(OSError):  # told already, and what was not written cannot be written now
                self._file.close()

    def _give_up(self, why: str) -> None:
        self._problem = f"recording to {self._path} has ended: {why}"
        _logger.error(self._problem)

    def _record(self) -> None:
        stopping = False
        while not stopping:
            began = time.monotonic()
            self._write(self._take())
            took = time.monotonic() - began
            stopping = self._stopping.wait(max(_PAUSE, took / _SHARE))
        self._write(self._take())
        self._file.close()

    def _write(self, snapshot: Snapshot) -> None:
        now_written = to_builtins(snapshot)
        line = now_written if self._written is None else diff(self._written, now_written)
        self._written = now_written
        self._file.write(encode_builtins(line) + b"\n")
        if time.monotonic() - self._flushed >= _FLUSH_SECONDS:
            self._file.flush()
            self._flushed = time.monotonic()


def _open(path: Path, *, overwrite: bool) -> IO[bytes]:
    opens = gzip.open if path.suffix == ".gz" else open
    try:
        return cast(IO[bytes], opens(path, "wb" if overwrite else "xb"))
    except FileExistsError:
        raise ValueError(f"{path} is there already; --force overwrites it") from None
    except OSError as error:
        raise ValueError(f"cannot write {path}: {error.strerror}") from None
