"""The options of a run, which the dashboard and `serve` share, and what is made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fuseboard_tui.cli import option_types as types
from fuseboard_tui.cli.help_sections import Option
from fuseboard_tui.cli.problems import report

if TYPE_CHECKING:
    from fuseboard.engine.settings import EngineSettings
    from fuseboard.recording.recorder import Recorder
    from fuseboard.snapshot.snapshot import Snapshot

PORT_OPTIONS = "--metrics-port or --proxy-port"
"""What chooses another port if one is taken."""

ALTERNATIVES = ("ollama", "simulate")
"""Options that exclude each other."""

_SETTING_OF = {
    **{
        name: name
        for name in (
            *("ollama", "simulate", "model", "embedding_model"),
            *("traffic", "rate", "concurrency", "cache_ttl"),
            *("failure_threshold", "recovery_timeout", "scenario", "seed"),
            *("metrics_host", "metrics_port", "metrics_namespace", "proxy_port", "cache_entries"),
        )
    },
    "prompts": "questions",
    "allow_host": "allowed_hosts",
    "allow_origin": "allowed_origins",
}


def engine_settings(options: Mapping[str, Any]) -> EngineSettings:
    """Return the settings of an engine that the options stand for."""
    from fuseboard.engine.settings import EngineSettings
    from fuseboard.ollama.deadlines import Deadlines

    chosen = {_SETTING_OF[name]: options[name] for name in options if name in _SETTING_OF}
    if "fault" in options:
        chosen["faults"] = tuple(options["fault"])
    if "warm" in options:
        chosen["warm"] = options["warm"]
        if options["warm"] == types.PROMPTS_OF_TRAFFIC:
            chosen["warm"] = options.get("prompts", EngineSettings().questions)
    if "first_token_timeout" in options:
        seconds = options["first_token_timeout"]
        total = max(Deadlines().total, 2 * seconds)
        chosen["deadlines"] = Deadlines(first_token=seconds, total=total)
    return EngineSettings(**chosen)


def describe_dry_run(options: Mapping[str, Any]) -> int:
    """Write to stdout what a run with these options would call; return the exit code.

    Raises:
        ValueError: If an option is invalid.
    """
    import asyncio

    from fuseboard.engine.dry_run import describe_run
    from fuseboard.ollama.discovery import NoModelError
    from fuseboard_tui.text.sanitize import sanitize

    try:
        lines = asyncio.run(describe_run(engine_settings(options)))
    except NoModelError as error:
        return report(str(error))
    for line in lines:
        print(sanitize(line))  # noqa: T201
    return 0


def run_recorder(options: Mapping[str, Any], snapshot: Callable[[], Snapshot]) -> Recorder | None:
    """Return what records the run, or `None` without `--record`; entering it opens the file."""
    if "record" not in options:
        return None
    from fuseboard.recording.recorder import Recorder

    return Recorder(snapshot, options["record"], overwrite=options.get("force", False))


def combine(*groups: Mapping[str, Any]) -> dict[str, Any]:
    """Merge groups of options: a later group overrides an earlier one.

    The faults of all groups are combined.
    """
    combined: dict[str, Any] = {}
    for options in groups:
        for name in ALTERNATIVES:
            if name in options:
                combined = {key: combined[key] for key in combined if key not in ALTERNATIVES}
        faults = (*combined.get("fault", ()), *options.get("fault", ()))
        combined |= {**options, **({"fault": faults} if faults else {})}
    return combined


def fault_descriptions() -> str:
    """Return what each fault does, in a sentence."""
    from fuseboard.faults.catalogue import CATALOGUE

    faults = (f"{fault.name}: {fault.describe(fault.default)}" for fault in CATALOGUE)
    return f"faults: {'; '.join(faults)}"


def _defaults() -> dict[str, object]:
    from fuseboard.engine.settings import EngineSettings

    return {"settings": EngineSettings()}


def _names() -> dict[str, object]:
    from fuseboard.faults.catalogue import BY_NAME
    from fuseboard.faults.scenarios.scenario import BUILT_IN

    return {"faults": ", ".join(BY_NAME), "scenarios": ", ".join(BUILT_IN)}


def export_dir_option(section: str = "files") -> Option:
    """Return the option that says where the dashboard writes its files."""
    return Option(
        "--export-dir",
        section=section,
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="where the dashboard writes exports and screenshots (default: the current one)",
    )


def screen_options() -> list[click.Parameter]:
    """Return the options of everything that draws on the screen."""
    return [
        Option(
            "--theme",
            section="screen",
            metavar="NAME",
            help="the theme (default: the one that was chosen last)",
        ),
        Option(
            "--bell",
            section="screen",
            is_flag=True,
            help="ring the terminal's bell when a breaker opens",
        ),
    ]


def run_options() -> list[click.Parameter]:
    """Return the options of a run."""
    return [*_target(), *_traffic(), *_cache(), *_breaking(), *_files(), *_ports()]


def _target() -> list[click.Parameter]:
    section = "what to call"
    return [
        Option(
            "--ollama",
            section=section,
            type=types.server,
            metavar="URL",
            help="this Ollama and never the simulator (default: OLLAMA_HOST, if it answers)",
        ),
        Option(
            "--simulate",
            section=section,
            is_flag=True,
            help="the built-in simulator, whatever else is there; not with --ollama",
        ),
        Option(
            "--model",
            section=section,
            metavar="NAME",
            help="the model to call (default: one that is loaded, else the smallest that"
            " generates text; never one that runs elsewhere)",
        ),
        Option(
            "--embedding-model",
            section=section,
            metavar="NAME",
            help="the model that embeds (default: chosen in the same way)",
        ),
        Option(
            "--dry-run",
            section=section,
            is_flag=True,
            help="say what would be called, and call nothing",
        ),
    ]


def _traffic() -> list[click.Parameter]:
    section = "traffic"
    return [
        Option(
            "--traffic",
            section=section,
            type=types.traffic_kind,
            metavar="KIND",
            help="rag: embed each question and answer it from passages; generate, chat, embed:"
            " one call for each (default: rag, or generate where no model embeds)",
        ),
        Option(
            "--prompts",
            section=section,
            type=types.prompts_in_file,
            metavar="FILE",
            help="ask the questions in FILE, one a line, instead of the built-in ones",
        ),
        Option(
            "--rate",
            section=section,
            type=types.positive_number,
            metavar="CALLS_PER_SECOND",
            help="how many questions to ask a second (default: 4, on a real Ollama 1)",
        ),
        Option(
            "--concurrency",
            section=section,
            type=types.count,
            metavar="N",
            help="how many may be under way at once (default: 8, on a real Ollama 1)",
        ),
        Option(
            "--first-token-timeout",
            section=section,
            type=types.seconds,
            metavar="SECONDS",
            details=_defaults,
            help="how long the first token may take (default: {settings.deadlines.first_token:g})",
        ),
    ]


def _cache() -> list[click.Parameter]:
    section = "cache"
    return [
        Option(
            "--cache-entries",
            section=section,
            type=types.non_negative_count,
            metavar="N",
            details=_defaults,
            help="how many answers are stored; 0 stores none (default: {settings.cache_entries})",
        ),
        Option(
            "--cache-ttl",
            section=section,
            type=types.seconds,
            metavar="SECONDS",
            details=_defaults,
            help="how long an answer is stored (default: {settings.cache_ttl:g})",
        ),
        Option(
            "--warm",
            section=section,
            type=types.prompts_to_cache,
            is_flag=False,
            flag_value="",
            metavar="[FILE]",
            help="cache the answers to the questions in FILE, one a line, or to those of the"
            " traffic",
        ),
    ]


def _breaking() -> list[click.Parameter]:
    section = "breaking and breakers"
    return [
        Option(
            "--fault",
            section=section,
            type=types.fault,
            multiple=True,
            metavar="NAME[:PROBABILITY][,…]",
            details=_names,
            help="switch a fault on from the start, as in cut:0.5,chunks=10,path=/api/chat;"
            " may be repeated: {faults}",
        ),
        Option(
            "--scenario",
            section=section,
            type=types.scenario,
            metavar="NAME",
            details=_names,
            help="faults strung over time: {scenarios}, or a file",
        ),
        Option(
            "--seed",
            section=section,
            type=int,
            metavar="N",
            help="seed of the random numbers of faults and scenario",
        ),
        Option(
            "--failure-threshold",
            section=section,
            type=types.count,
            metavar="N",
            details=_defaults,
            help="how many consecutive failures trip a breaker"
            " (default: {settings.failure_threshold})",
        ),
        Option(
            "--recovery-timeout",
            section=section,
            type=types.seconds,
            metavar="SECONDS",
            details=_defaults,
            help="how long a breaker stays open before a probe"
            " (default: {settings.recovery_timeout:g})",
        ),
    ]


def _files() -> list[click.Parameter]:
    section = "files"
    return [
        Option(
            "--record",
            section=section,
            metavar="FILE",
            help="record the run, for `fuseboard replay`; compressed if the name ends in .gz",
        ),
        Option(
            "--force",
            section=section,
            is_flag=True,
            help="overwrite the FILE of --record if it is there",
        ),
        export_dir_option(section),
    ]


def _ports() -> list[click.Parameter]:
    section = "ports"
    return [
        Option(
            "--metrics-host",
            section=section,
            metavar="HOST",
            details=_defaults,
            help="where /metrics and /health listen (default: {settings.metrics_host})",
        ),
        Option(
            "--metrics-port",
            section=section,
            type=types.port,
            metavar="PORT",
            help="0 is any free port (default: 9464, or the next free one)",
        ),
        Option(
            "--metrics-namespace",
            section=section,
            metavar="NAME",
            details=_defaults,
            help="what every metric's name begins with (default: {settings.metrics_namespace})",
        ),
        Option(
            "--proxy-port",
            section=section,
            type=types.port,
            metavar="PORT",
            help="where the fault proxy listens, for other apps too (default: any free port)",
        ),
        *caller_options("ports"),
    ]


def caller_options(section: str = "options") -> list[click.Parameter]:
    """Return the options that say who may use a port that is reachable from this machine only."""
    return [
        Option(
            "--allow-host",
            section=section,
            type=types.allowed_host,
            multiple=True,
            metavar="NAME",
            help="another name by which clients may call this machine, as host.docker.internal;"
            " * is any name; may be repeated",
        ),
        Option(
            "--allow-origin",
            section=section,
            type=types.allowed_origin,
            multiple=True,
            metavar="ORIGIN",
            help="a web site whose pages may use the ports, as https://chat.example; * is any"
            " site; may be repeated (default: pages of this machine)",
        ),
    ]
