"""`fuseboard export`: write what Prometheus and Grafana need, to stdout or a file."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from fuseboard.metrics.export import documents
from fuseboard.metrics.namespace import NAMESPACE
from fuseboard_tui.cli.help_sections import Command, Group, Option
from fuseboard_tui.cli.problems import report

_STDOUT = "-"
_STDOUT_DESCRIPTOR = 1


def _options() -> list[click.Parameter]:
    return [
        Option(
            "--namespace",
            default=NAMESPACE,
            metavar="NAME",
            help=f"what the names of the metrics begin with (default: {NAMESPACE})",
        ),
        Option(
            "-o",
            "--output",
            default=_STDOUT,
            metavar="FILE",
            help=f"where to write it (default: {_STDOUT}, which is stdout)",
        ),
        Option("--force", is_flag=True, help="overwrite FILE if it is there already"),
    ]


def _rule_file() -> Option:
    return Option(
        "--rule-file",
        default=documents.RULE_FILE,
        metavar="FILE",
        help=f"what the file with the alert rules is called (default: {documents.RULE_FILE})",
    )


def _grafana(**options: Any) -> int:
    return _export(documents.GRAFANA, **options)


def _alerts(*, tests: bool, **options: Any) -> int:
    return _export(documents.ALERT_TESTS if tests else documents.ALERTS, **options)


def _prometheus(**options: Any) -> int:
    return _export(documents.PROMETHEUS, **options)


def _export(name: str, *, output: str, force: bool, **names: str) -> int:
    return write_document(documents.document(name, **names), output, overwrite=force)


def write_document(document: str, output: str, *, overwrite: bool) -> int:
    """Write a document to a file, or to stdout if that is `-`, and return the exit code."""
    encoded = document.encode()
    try:
        if output == _STDOUT:
            # Not through sys.stdout, which would complain once more when the process ends.
            with open(_STDOUT_DESCRIPTOR, "wb", closefd=False) as stdout:
                stdout.write(encoded)
            return 0
        with Path(output).open("wb" if overwrite else "xb") as file:
            file.write(encoded)
    except FileExistsError:
        if not Path(output).is_file():
            return report(f"cannot write {output}: it is no file")
        return report(f"{output} is there already; --force overwrites it")
    except BrokenPipeError:
        return 0  # the reader has closed the pipe
    except OSError as error:
        where = "stdout" if output == _STDOUT else output
        return report(f"cannot write {where}: {error.strerror}")
    print(f"fuseboard: wrote {output}", file=sys.stderr)  # noqa: T201
    return 0


@click.pass_context
def _require_document(ctx: click.Context, /) -> None:
    if ctx.invoked_subcommand is None:
        raise click.UsageError("the following arguments are required: DOCUMENT", ctx)


def _document(
    name: str, about: str, write: Callable[..., int], *options: click.Parameter
) -> Command:
    return Command(name, about, callback=write, params=[*_options(), *options])


COMMAND = Group(
    "export",
    "Write what Grafana and Prometheus need to watch the breakers.",
    {},
    callback=_require_document,
    invoke_without_command=True,
    subcommand_metavar="DOCUMENT",
    commands=[
        _document("grafana", "a dashboard for Grafana", _grafana),
        _document(
            "alerts",
            "alert rules for Prometheus",
            _alerts,
            _rule_file(),
            Option(
                "--tests",
                is_flag=True,
                help="write the unit tests of the rules instead, for promtool",
            ),
        ),
        _document(
            "prometheus",
            "a configuration for Prometheus",
            _prometheus,
            _rule_file(),
            Option(
                "--target",
                default=documents.TARGET,
                metavar="HOST:PORT",
                help=f"what to scrape (default: {documents.TARGET})",
            ),
        ),
    ],
)
