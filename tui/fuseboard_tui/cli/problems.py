"""The messages about what cannot be done, and the exit code that goes with them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from fuseboard.recording.recorder import Recorder
    from fuseboard.server.sockets import ListenError

_MAX_LENGTH = 2000  # characters of a message
BROKEN_PIPE = 128 + 13
"""The exit code where nobody reads stdout any more: that of a program which SIGPIPE ended."""


def report(problem: str) -> int:
    """Write what is wrong to stderr and return the exit code for it."""
    print(f"fuseboard: {_shorten(problem)}", file=sys.stderr)  # noqa: T201
    return 2


def port_problem(error: ListenError, options: str) -> str:
    """Return why a port cannot be bound; if it is taken, with the options that choose another."""
    from fuseboard.server.sockets import PortTakenError

    if not isinstance(error, PortTakenError):
        return str(error)
    return f"{error}; choose another with {options}, 0 is any free one"


def report_recording(recorder: Recorder) -> None:
    """Write to stderr which file a recording is in, unless it ended before its time."""
    if not recorder.problem:
        print(f"fuseboard: wrote {recorder.path}", file=sys.stderr)  # noqa: T201


def report_usage(error: click.UsageError) -> int:
    """Write the usage and what is wrong to stderr and return the exit code for it."""
    command = "fuseboard"
    if error.ctx is not None:
        command = error.ctx.command_path
        print(error.ctx.get_usage(), file=sys.stderr)  # noqa: T201
    print(f"{command}: error: {_shorten(message_of(error))}", file=sys.stderr)  # noqa: T201
    return 2


def message_of(error: click.UsageError) -> str:
    """Return what is wrong, with the option that it is about."""
    match error:
        case click.NoSuchOption():
            meant = f"; is {error.possibilities[0]} meant?" if error.possibilities else ""
            return f"unrecognized arguments: {error.option_name}{meant}"
        case click.MissingParameter():
            return f"the following arguments are required: {_name(error)}"
        case click.BadParameter():
            return f"argument {_name(error)}: {error.message}"
        case _:
            return error.format_message()


def _shorten(problem: str) -> str:
    """Return a message without the middle of what it may repeat."""
    if len(problem) <= _MAX_LENGTH:
        return problem
    half = _MAX_LENGTH // 2
    return f"{problem[:half]}…{problem[-half:]}"


def _name(error: click.BadParameter) -> str:
    if error.param is None:
        return str(error.param_hint)
    if isinstance(error.param, click.Argument):
        return error.param.human_readable_name
    return "/".join(error.param.opts)
