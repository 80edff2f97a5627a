"""Writing out what Prometheus and Grafana need, to stdout or a file."""

from __future__ import annotations

import sys
from pathlib import Path

STDOUT = "-"
"""Stands for stdout where a file is asked for."""
_STDOUT_DESCRIPTOR = 1


def export(document: str, output: str, *, overwrite: bool) -> int:
    """Write a document; returns the exit code."""
    encoded = document.encode()
    try:
        if output == STDOUT:
            # Not through sys.stdout, which would complain once more when the process ends.
            with open(_STDOUT_DESCRIPTOR, "wb", closefd=False) as stdout:
                stdout.write(encoded)
            return 0
        with Path(output).open("wb" if overwrite else "xb") as file:
            file.write(encoded)
    except FileExistsError:
        return _complain(f"{output} is there already; --force overwrites it")
    except BrokenPipeError:
        return 0  # the reader has had enough
    except OSError as error:
        where = "stdout" if output == STDOUT else output
        return _complain(f"cannot write {where}: {error.strerror}")
    print(f"fuseboard: wrote {output}", file=sys.stderr)  # noqa: T201
    return 0


def _complain(said: str) -> int:
    print(f"fuseboard: {said}", file=sys.stderr)  # noqa: T201
    return 2
