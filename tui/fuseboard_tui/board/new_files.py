"""Files that the dashboard writes for its user; none that is there is ever overwritten."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import chain, count
from pathlib import Path


def write_new(directory: Path, contents: Mapping[str, str], now: datetime) -> list[Path]:
    """Write texts into files named by the time, all or none; returns the files.

    Args:
        directory: Where.
        contents: The texts, by how the names of their files end: `-breakers.csv`.
        now: The time that the names begin with.

    Raises:
        OSError: If one cannot be written; its `filename` says which.
    """
    paths = _free_paths(directory, list(contents), f"fuseboard-{now:%Y%m%d-%H%M%S}")
    begun: list[Path] = []
    for path, text in zip(paths, contents.values(), strict=True):
        try:
            with path.open("x", encoding="utf-8", newline="") as file:
                begun.append(path)
                file.write(text)
        except OSError as error:
            for partly in begun:
                partly.unlink(missing_ok=True)
            raise OSError(error.errno, error.strerror, str(path)) from None
    return [path.absolute() for path in paths]


def _free_paths(directory: Path, endings: list[str], stem: str) -> list[Path]:
    stems = chain([stem], (f"{stem}-{number}" for number in count(2)))
    tried = ([directory / f"{stem}{ending}" for ending in endings] for stem in stems)
    return next(paths for paths in tried if not any(path.exists() for path in paths))
