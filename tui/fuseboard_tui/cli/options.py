"""The options of the command line, and what is wrong with them in words."""

from __future__ import annotations

import argparse
from pathlib import Path

from fuseboard import __version__
from fuseboard.engine.settings import EngineSettings
from fuseboard.faults.catalogue import BY_NAME, CATALOGUE
from fuseboard.faults.scenarios.scenario import BUILT_IN as SCENARIOS
from fuseboard.metrics.export import documents as exported
from fuseboard.ollama.deadlines import Deadlines
from fuseboard.simulator.settings import SimulatorSettings
from fuseboard_tui.cli import argument_types
from fuseboard_tui.cli.config_file import NAME as CONFIG_FILE
from fuseboard_tui.cli.config_file import read_config
from fuseboard_tui.cli.export import STDOUT

_OLLAMA_PORT = 11434


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line and the config file.

    Exits with code 2 and a message if either makes no sense. What is typed
    goes before what is in the file; faults of both are on.
    """
    parser = _parser()
    try:
        config = read_config(_config_file(arguments), [_common_options(), _screen_options()])
    except ValueError as error:
        parser.error(str(error))
    parser.set_defaults(**config)
    options = parser.parse_args(arguments)
    if options.ollama and options.simulate:  # one was typed, and the other in the file
        options.simulate = "ollama" in config
        options.ollama = None if options.simulate else options.ollama
    return options


def _config_file(arguments: list[str] | None) -> str | None:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--config")
    try:
        named: str | None = parser.parse_known_args(arguments)[0].config
    except argparse.ArgumentError:
        return None  # the whole parser will tell
    return named


def engine_settings(options: argparse.Namespace) -> EngineSettings:
    """Turn parsed options into what an engine shall run."""
    return EngineSettings(
        ollama=options.ollama,
        simulate=options.simulate,
        model=options.model,
        embedding_model=options.embedding_model,
        traffic=options.traffic,
        prompts=options.prompts,
        rate=options.rate,
        concurrency=options.concurrency,
        failure_threshold=options.failure_threshold,
        recovery_timeout=options.recovery_timeout,
        deadlines=Deadlines(
            first_token=options.first_token_timeout,
            total=max(Deadlines().total, 2 * options.first_token_timeout),
        ),
        faults=tuple(options.fault),
        scenario=options.scenario,
        metrics_host=options.metrics_host,
        metrics_port=options.metrics_port,
        metrics_namespace=options.metrics_namespace,
        cache_entries=options.cache_entries,
        cache_seconds=options.cache_ttl,
        warm=options.prompts if options.warm is None else options.warm,
        proxy_port=options.proxy_port,
        seed=options.seed,
    )


def simulator_settings(options: argparse.Namespace) -> SimulatorSettings:
    """Turn parsed options into a simulator that stands alone.

    Raises:
        ValueError: If one makes no sense.
    """
    default = SimulatorSettings()
    return SimulatorSettings(
        chat_models=tuple(options.chat_models or default.chat_models),
        embedding_models=tuple(options.embedding_models or default.embedding_models),
        tokens_per_second=options.tokens_per_second,
        load_seconds=options.load_seconds,
        parallel=options.parallel,
        max_queue=options.max_queue,
    )


def exported_document(options: argparse.Namespace) -> str:
    """Read the document that `export` shall write.

    Raises:
        ValueError: If a name that was given for it makes no sense.
    """
    return exported.document(
        options.document,
        namespace=options.namespace,
        target=options.target,
        rule_file=options.rule_file,
    )


def _parser() -> argparse.ArgumentParser:
    common = _common_options()
    parser = argparse.ArgumentParser(
        prog="fuseboard",
        description="Watch circuit breakers guard an Ollama client, and break the wire under it.",
        epilog="faults: "
        + "; ".join(f"{fault.name}: {fault.describe(fault.default)}" for fault in CATALOGUE),
        parents=[common, _screen_options()],
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"fuseboard {__version__}")
    parser.add_argument(
        "--config",
        metavar="FILE",
        help=f"read options from this file, not from {CONFIG_FILE} in its usual place",
    )
    # The options may stand before `serve` or behind it; only given ones are taken from there.
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    serve = commands.add_parser(
        "serve",
        help="run without a screen and print JSON lines: ready, transition, summary",
        description="Run without a screen; JSON lines on stdout: ready, transition, summary.",
        parents=[_without_defaults(_common_options())],
        allow_abbrev=False,
    )
    serve.add_argument(
        "--duration",
        type=argument_types.positive_number,
        metavar="SECONDS",
        help="stop after so many seconds; without it, on Ctrl+C or SIGTERM",
    )
    _add_export(commands)
    _add_simulator(commands)
    _add_replay(commands)
    return parser


def _add_replay(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    replay = commands.add_parser(
        "replay",
        help="show a run again that was recorded with --record",
        description="Show a recorded run on the dashboard.",
        allow_abbrev=False,
    )
    replay.add_argument("file", metavar="FILE", help="what --record wrote")
    replay.add_argument(
        "--speed",
        type=argument_types.positive_number,
        default=1.0,
        metavar="N",
        help="seconds of the recording in a second (default: %(default)g)",
    )
    _add_export_dir(replay, argparse.SUPPRESS)


def _add_export_dir(options: argparse._ActionsContainer, default: object) -> None:
    options.add_argument(
        "--export-dir",
        type=Path,
        default=default,
        metavar="DIR",
        help="where the dashboard writes exports and pictures (default: the current one)",
    )


def _add_export(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    documents = commands.add_parser(
        "export",
        help="write a dashboard for Grafana, or alert rules or a configuration for Prometheus",
        description="Write what Grafana and Prometheus need to watch the breakers.",
        allow_abbrev=False,
    ).add_subparsers(metavar="DOCUMENT", required=True)
    common = _export_options()
    rules = argparse.ArgumentParser(add_help=False)
    rules.add_argument(
        "--rule-file",
        default=exported.RULE_FILE,
        metavar="FILE",
        help="what the file with the alert rules is called (default: %(default)s)",
    )

    grafana = documents.add_parser(
        "grafana", help="a dashboard for Grafana", parents=[common], allow_abbrev=False
    )
    grafana.set_defaults(document=exported.GRAFANA)

    alerts = documents.add_parser(
        "alerts", help="alert rules for Prometheus", parents=[common, rules], allow_abbrev=False
    )
    alerts.add_argument(
        "--tests",
        dest="document",
        action="store_const",
        const=exported.ALERT_TESTS,
        default=exported.ALERTS,
        help="write the unit tests of the rules instead, for promtool",
    )

    prometheus = documents.add_parser(
        "prometheus",
        help="a configuration for Prometheus",
        parents=[common, rules],
        allow_abbrev=False,
    )
    prometheus.set_defaults(document=exported.PROMETHEUS)
    prometheus.add_argument(
        "--target",
        default=exported.TARGET,
        metavar="HOST:PORT",
        help="what to scrape (default: %(default)s)",
    )


def _add_simulator(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    default = SimulatorSettings()
    options = commands.add_parser(
        "simulator",
        help="serve the Ollama API without any model, for your own program or its tests",
        description="Serve the Ollama API without any model, until Ctrl+C or SIGTERM.",
        allow_abbrev=False,
    )
    options.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="HOST",
        help="where it listens (default: %(default)s)",
    )
    options.add_argument(
        "--port",
        type=argument_types.port,
        default=_OLLAMA_PORT,
        metavar="PORT",
        help="0 is any free port (default: %(default)d)",
    )
    options.add_argument(
        "--model",
        dest="chat_models",
        action="append",
        metavar="NAME",
        help=f"a model that speaks; may be repeated (default: {', '.join(default.chat_models)})",
    )
    options.add_argument(
        "--embedding-model",
        dest="embedding_models",
        action="append",
        metavar="NAME",
        help="a model that embeds; may be repeated"
        f" (default: {', '.join(default.embedding_models)})",
    )
    options.add_argument(
        "--tokens-per-second",
        type=argument_types.positive_number,
        default=default.tokens_per_second,
        metavar="N",
        help="the pace of each answer (default: %(default)g)",
    )
    options.add_argument(
        "--load-seconds",
        type=argument_types.number_or_none,
        default=default.load_seconds,
        metavar="SECONDS",
        help="what it takes to load a model (default: %(default)g)",
    )
    options.add_argument(
        "--parallel",
        type=argument_types.count,
        default=1,
        metavar="N",
        help="answers that a model makes at once, as OLLAMA_NUM_PARALLEL (default: %(default)d)",
    )
    options.add_argument(
        "--max-queue",
        type=argument_types.count_or_none,
        default=default.max_queue,
        metavar="N",
        help="requests that may wait, as OLLAMA_MAX_QUEUE (default: %(default)d)",
    )


def _export_options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    # A document that does not name them is written the same whatever they are.
    options.set_defaults(target=exported.TARGET, rule_file=exported.RULE_FILE)
    options.add_argument(
        "--namespace",
        default=EngineSettings().metrics_namespace,
        metavar="NAME",
        help="what the names of the metrics begin with (default: %(default)s)",
    )
    options.add_argument(
        "-o",
        "--output",
        default=STDOUT,
        metavar="FILE",
        help="where to write it (default: %(default)s, which is stdout)",
    )
    options.add_argument(
        "--force", action="store_true", help="overwrite FILE if it is there already"
    )
    return options


def _common_options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    where = options.add_argument_group("what to call")
    which = where.add_mutually_exclusive_group()
    which.add_argument(
        "--ollama",
        type=argument_types.server,
        metavar="URL",
        help="this Ollama and never the simulator (default: OLLAMA_HOST, if it answers)",
    )
    which.add_argument(
        "--simulate",
        action="store_true",
        help="the built-in simulator, whatever else is there",
    )
    where.add_argument("--model", metavar="NAME", help="the model to call")
    where.add_argument(
        "--embedding-model", metavar="NAME", help="the model that embeds (default: one that it has)"
    )
    traffic = options.add_argument_group("traffic")
    traffic.add_argument(
        "--traffic",
        type=argument_types.traffic_kind,
        metavar="KIND",
        help="rag: embed each question and answer it from passages; generate, chat, embed:"
        " one call for each (default: rag, or generate where no model embeds)",
    )
    traffic.add_argument(
        "--prompts",
        type=argument_types.prompts_in_file,
        default=EngineSettings().prompts,
        metavar="FILE",
        help="ask the questions in FILE, one a line, instead of the built-in ones",
    )
    traffic.add_argument(
        "--rate",
        type=argument_types.positive_number,
        metavar="CALLS_PER_SECOND",
        help="how many questions to ask a second (default: 4, on a real Ollama 1)",
    )
    traffic.add_argument(
        "--concurrency",
        type=argument_types.count,
        metavar="N",
        help="how many may be under way at once (default: 8, on a real Ollama 1)",
    )
    traffic.add_argument(
        "--first-token-timeout",
        type=argument_types.positive_number,
        default=Deadlines().first_token,
        metavar="SECONDS",
        help="how long the first token may take (default: %(default)g)",
    )
    cache = options.add_argument_group("cache")
    cache.add_argument(
        "--cache-entries",
        type=argument_types.count_or_none,
        default=EngineSettings().cache_entries,
        metavar="N",
        help="how many answers are kept; 0 keeps none (default: %(default)d)",
    )
    cache.add_argument(
        "--cache-ttl",
        type=argument_types.positive_number,
        default=EngineSettings().cache_seconds,
        metavar="SECONDS",
        help="how long an answer is kept (default: %(default)g)",
    )
    cache.add_argument(
        "--warm",
        type=argument_types.prompts_in_file,
        nargs="?",
        default=(),
        metavar="FILE",
        help="cache the answers to the questions in FILE, one a line, or to those of the traffic",
    )
    breaking = options.add_argument_group("breaking and breakers")
    breaking.add_argument(
        "--fault",
        type=argument_types.fault,
        action="append",
        default=[],
        metavar="NAME[:PROBABILITY][,…]",
        help="switch a fault on from the start, as in cut:0.5,chunks=10,path=/api/chat;"
        f" may be repeated: {', '.join(BY_NAME)}",
    )
    breaking.add_argument(
        "--scenario",
        type=argument_types.scenario,
        metavar="NAME",
        help=f"faults strung over time: {', '.join(SCENARIOS)}, or a file",
    )
    breaking.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help="make the dice of the faults and the scenario fall the same each time",
    )
    breaking.add_argument(
        "--failure-threshold",
        type=argument_types.count,
        default=EngineSettings().failure_threshold,
        metavar="N",
        help="how many consecutive failures trip a breaker (default: %(default)d)",
    )
    breaking.add_argument(
        "--recovery-timeout",
        type=argument_types.positive_number,
        default=EngineSettings().recovery_timeout,
        metavar="SECONDS",
        help="how long a breaker stays open before a probe (default: %(default)g)",
    )
    files = options.add_argument_group("files")
    files.add_argument(
        "--record",
        metavar="FILE",
        help="record the run, for `fuseboard replay`; compressed if the name ends in .gz",
    )
    files.add_argument(
        "--force", action="store_true", help="overwrite the FILE of --record if it is there"
    )
    _add_export_dir(files, Path())
    ports = options.add_argument_group("ports")
    ports.add_argument(
        "--metrics-host",
        default=EngineSettings().metrics_host,
        metavar="HOST",
        help="where /metrics and /health listen (default: %(default)s)",
    )
    ports.add_argument(
        "--metrics-port",
        type=argument_types.port,
        metavar="PORT",
        help="0 is any free port (default: 9464, or the next free one)",
    )
    ports.add_argument(
        "--metrics-namespace",
        default=EngineSettings().metrics_namespace,
        metavar="NAME",
        help="what every metric's name begins with (default: %(default)s)",
    )
    ports.add_argument(
        "--proxy-port",
        type=argument_types.port,
        default=EngineSettings().proxy_port,
        metavar="PORT",
        help="where the fault proxy listens, for other apps too (default: any free port)",
    )
    return options


def _screen_options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    screen = options.add_argument_group("screen")
    screen.add_argument(
        "--theme", metavar="NAME", help="the theme (default: the one that was chosen last)"
    )
    screen.add_argument(
        "--bell", action="store_true", help="ring the terminal's bell when a breaker opens"
    )
    return options


def _without_defaults(options: argparse.ArgumentParser) -> argparse.ArgumentParser:
    for action in options._actions:  # noqa: SLF001 (argparse offers no other way)
        action.default = argparse.SUPPRESS
    return options
