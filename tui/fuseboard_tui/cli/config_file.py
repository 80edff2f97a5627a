"""The config file `fuseboard.toml`: options of the command line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from platformdirs import user_config_path

from fuseboard.invalid_input import InvalidInputError
from fuseboard_tui.cli.help_sections import check_alternatives, explicit_values
from fuseboard_tui.cli.problems import message_of
from fuseboard_tui.cli.run_options import ALTERNATIVES

NAME = "fuseboard.toml"
_MAX_SIZE = 1_000_000  # bytes


def usual_place() -> Path:
    """Return where the file is looked for on this platform."""
    return user_config_path("fuseboard") / NAME


def read_config(named: str | None, options: Sequence[click.Parameter]) -> dict[str, Any]:
    """Read the options in a file: their long names without `--`, as `rate = 2`.

    Args:
        named: The file; `None` is the one in its usual place, if there is one.
        options: Those that the file can contain.

    Raises:
        ValueError: If it cannot be read or is invalid; the message says where.
    """
    path = Path(named) if named is not None else usual_place()
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_SIZE + 1)
    except FileNotFoundError:
        if named is None:
            return {}
        raise InvalidInputError(f"there is no file {named!r}") from None
    except OSError as error:
        raise InvalidInputError(f"cannot read {path}: {error.strerror}") from None
    if len(text) > _MAX_SIZE:
        raise InvalidInputError(f"{path} has more than {_MAX_SIZE:,} bytes: it is no config file")
    table = _parse(path, text)
    command = click.Command("config", params=list(options), add_help_option=False)
    try:
        context = command.make_context("config", list(_as_arguments(table, command)))
        check_alternatives(context, explicit_values(context.params), ALTERNATIVES)
    except click.UsageError as error:
        raise InvalidInputError(f"{path}: {message_of(error).replace('argument --', '')}") from None
    except InvalidInputError as error:
        raise InvalidInputError(f"{path}: {error}") from None
    return explicit_values(context.params)


def _parse(path: Path, text: bytes) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text.decode())
    except RecursionError:
        raise InvalidInputError(
            f"{path} is nested too deeply: an option has one value, or a list"
        ) from None
    except ValueError as error:  # tomllib raises others than its own for numbers and dates
        raise InvalidInputError(f"{path} is not TOML: {error}") from None


def _as_arguments(table: Mapping[str, Any], command: click.Command) -> Iterator[str]:
    """Yield the entries as command line arguments."""
    flags = {flag for parameter in command.params for flag in parameter.opts}
    for name, value in table.items():
        flag = f"--{name}"
        if flag not in flags:
            raise InvalidInputError(f"there is no option {name!r}; `fuseboard --help` lists them")
        for each in value if isinstance(value, list) else [value]:
            match each:
                case str() if "\0" in each:
                    raise InvalidInputError(f"{name} has a NUL in it, which nothing typed can have")
                case True:
                    yield flag
                case False:
                    pass
                case str() | int() | float():
                    yield f"{flag}={each}"
                case _:
                    raise InvalidInputError(
                        f"{name} is no text, number, true or false, or list of them"
                    )
