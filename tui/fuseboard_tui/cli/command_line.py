"""The command line: the options before a command, and which command it is."""

from __future__ import annotations

import signal
from typing import Any

import click

from fuseboard.invalid_input import InvalidInputError
from fuseboard_tui.cli.config_file import NAME as CONFIG_FILE
from fuseboard_tui.cli.config_file import read_config
from fuseboard_tui.cli.help_sections import Group, Option, check_alternatives, explicit_values
from fuseboard_tui.cli.problems import report, report_usage
from fuseboard_tui.cli.run_options import (
    ALTERNATIVES,
    combine,
    fault_descriptions,
    run_options,
    screen_options,
)

_COMMANDS = {
    "serve": (
        "fuseboard_tui.cli.serve",
        "run without a screen and print JSON lines: ready, transition, summary",
    ),
    "export": (
        "fuseboard_tui.cli.export",
        "write a dashboard for Grafana, or alert rules or a configuration for Prometheus",
    ),
    "simulator": (
        "fuseboard_tui.cli.simulator",
        "serve the Ollama API without any model, for your own program or its tests",
    ),
    "replay": ("fuseboard_tui.cli.replay", "show a run again that was recorded with --record"),
}


def run(arguments: list[str]) -> int:
    """Run the command and return its exit code."""
    try:
        code: int = _fuseboard().main(arguments, prog_name="fuseboard", standalone_mode=False)
    except click.UsageError as error:
        return report_usage(error)
    except click.Abort:  # what click makes of Ctrl+C
        return 128 + signal.SIGINT
    except InvalidInputError as error:
        return report(str(error))
    return code


def _fuseboard() -> Group:
    return Group(
        "fuseboard",
        "Watch circuit breakers guard an Ollama client, and break the wire under it.",
        _COMMANDS,
        callback=_begin,
        invoke_without_command=True,
        epilog=fault_descriptions,
        subcommand_metavar="COMMAND",
        context_settings={"help_option_names": ["-h", "--help"]},
        params=[
            *run_options(),
            *screen_options(),
            Option(
                "--version",
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=_show_version,
                help="show the version and exit",
            ),
            Option(
                "--config",
                metavar="FILE",
                help=f"read options from this file, not from {CONFIG_FILE} in its usual place",
            ),
        ],
    )


@click.pass_context
def _begin(ctx: click.Context, /, *, config: str | None, **parameters: Any) -> int:
    """Read the config file; show the dashboard unless another command is called."""
    try:
        from_file = read_config(config, [*run_options(), *screen_options()])
    except InvalidInputError as error:
        raise click.UsageError(str(error), ctx) from None
    typed = explicit_values(parameters)
    check_alternatives(ctx, typed, ALTERNATIVES)
    ctx.obj = from_file, typed
    if ctx.invoked_subcommand is not None:
        return 0
    from fuseboard_tui.cli.dashboard import show_dashboard

    return show_dashboard(combine(from_file, typed))


def _show_version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted:
        from fuseboard.version import __version__

        print(f"fuseboard {__version__}")  # noqa: T201
        ctx.exit()
