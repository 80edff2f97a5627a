"""`fuseboard.toml`: what one would otherwise type each time."""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from platformdirs import user_config_path

NAME = "fuseboard.toml"


def usual_place() -> Path:
    """Say where the file is looked for on this platform."""
    return user_config_path("fuseboard") / NAME


def read_config(named: str | None, options: Sequence[argparse.ArgumentParser]) -> dict[str, Any]:
    """Read the options in a file: their long names without `--`, as `rate = 2`.

    Args:
        named: The file; `None` is the one in its usual place, if there is one.
        options: What can stand in it.

    Raises:
        ValueError: If it cannot be read or makes no sense; the message says where.
    """
    path = Path(named) if named is not None else usual_place()
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except FileNotFoundError:
        if named is None:
            return {}
        raise ValueError(f"there is no file {named!r}") from None
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not TOML: {error}") from None
    known = _Options(parents=list(options), add_help=False, argument_default=argparse.SUPPRESS)
    for action in known._actions:  # noqa: SLF001 (argparse offers no other way)
        action.default = argparse.SUPPRESS
    try:
        return vars(known.parse_args(list(_as_arguments(table, known))))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


class _Options(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(message.replace("argument --", ""))


def _as_arguments(table: Mapping[str, Any], known: argparse.ArgumentParser) -> Iterator[str]:
    """Write the entries as they would be typed."""
    flags = {option for action in known._actions for option in action.option_strings}  # noqa: SLF001
    for name, value in table.items():
        flag = f"--{name}"
        if flag not in flags:
            raise ValueError(f"there is no option {name!r}; `fuseboard --help` lists them")
        for each in value if isinstance(value, list) else [value]:
            match each:
                case True:
                    yield flag
                case False:
                    pass
                case str() | int() | float():
                    yield f"{flag}={each}"
                case _:
                    raise ValueError(f"{name} is no text, number, true or false, or list of them")
