"""`fuseboard replay`: show a recorded run on the dashboard."""

from __future__ import annotations

from typing import Any

import click

from fuseboard.invalid_input import InvalidInputError
from fuseboard.recording.reader import read_recording
from fuseboard.recording.replay import Replay
from fuseboard_tui.cli import option_types as types
from fuseboard_tui.cli.dashboard import draw, has_terminal, screen_settings
from fuseboard_tui.cli.deferred_log import log_deferred
from fuseboard_tui.cli.garbage_collection import resume_collecting
from fuseboard_tui.cli.help_sections import Command, Option, explicit_values
from fuseboard_tui.cli.run_options import combine, export_dir_option, screen_options
from fuseboard_tui.terminal.requirements import check_terminal


@click.pass_context
def _replay(ctx: click.Context, /, *, file: str, speed: float, **parameters: Any) -> int:
    from_file, before = ctx.obj
    options = combine(from_file, before, explicit_values(parameters))
    screen = screen_settings(options)
    recording = read_recording(file)
    if not has_terminal():
        raise InvalidInputError("there is no terminal to draw on")
    check_terminal()
    from fuseboard_tui.app import FuseboardApp

    app = FuseboardApp(Replay(recording, speed), **screen)
    resume_collecting()
    with log_deferred():
        return draw(app)


COMMAND = Command(
    "replay",
    "Show a recorded run on the dashboard; FILE is what --record wrote.",
    callback=_replay,
    params=[
        click.Argument(["file"], metavar="FILE"),
        Option(
            "--speed",
            type=types.positive_number,
            default="1",
            metavar="N",
            help="seconds of the recording in a second (default: 1)",
        ),
        export_dir_option("options"),
        *screen_options(),
    ],
)
