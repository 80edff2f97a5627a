"""`fuseboard simulator`: run the simulator alone, as a stand-in for Ollama."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fuseboard.server.limits import long_lived_limiter
from fuseboard.server.local_hosts import AllowedCallers, OnlyLocalHosts, listens_locally
from fuseboard.server.server import HttpServer
from fuseboard.server.sockets import ListenError, bind
from fuseboard.simulator.app import simulator_app
from fuseboard.simulator.settings import SimulatorSettings
from fuseboard_tui.cli import option_types as types
from fuseboard_tui.cli.background_stderr import stderr_in_background
from fuseboard_tui.cli.garbage_collection import resume_collecting
from fuseboard_tui.cli.help_sections import Command, Option
from fuseboard_tui.cli.problems import port_problem, report
from fuseboard_tui.cli.run_options import caller_options
from fuseboard_tui.cli.stop_request import StopRequest

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_OLLAMA_PORT = 11434

_WAIT_SECONDS = 3600.0  # repeated for ever: `select()` takes no infinity
_DEFAULT = SimulatorSettings()


def _simulator(
    *,
    host: str,
    port: int,
    allow_host: tuple[str, ...],
    allow_origin: tuple[str, ...],
    chat_models: tuple[str, ...],
    embedding_models: tuple[str, ...],
    tokens_per_second: float,
    load_seconds: float,
    parallel: int,
    max_queue: int,
) -> int:
    settings = SimulatorSettings(
        chat_models=chat_models or _DEFAULT.chat_models,
        embedding_models=embedding_models or _DEFAULT.embedding_models,
        tokens_per_second=tokens_per_second,
        load_seconds=load_seconds,
        parallel=parallel,
        max_queue=max_queue,
    )
    resume_collecting()
    with stderr_in_background():
        try:
            return simulate(settings, host, port, AllowedCallers(allow_host, allow_origin))
        except ListenError as error:
            return report(port_problem(error, "--port"))


def simulate(settings: SimulatorSettings, host: str, port: int, allowed: AllowedCallers) -> int:
    """Serve the simulator until a signal comes and return the exit code.

    Raises:
        ListenError: If the port cannot be bound.
    """
    with StopRequest() as stopping:
        stopping.on_signals()
        listener = bind(host, port)
        app: ASGIApp = simulator_app(settings)
        if listens_locally(listener):
            app = OnlyLocalHosts(app, allowed)
        server = HttpServer(app, listener, long_lived_limiter())
        with _running(server):
            address = server.url.removeprefix("http://")
            print(  # noqa: T201
                f"simulated Ollama at {server.url} (OLLAMA_HOST={address} leads a client there)",
                flush=True,
            )
            while not stopping.wait(_WAIT_SECONDS):
                pass
    return 0


@contextmanager
def _running(server: HttpServer) -> Iterator[None]:
    """Run a server on a thread of its own: asyncio would take the signals on the main one."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="fuseboard-simulator")
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result()
        yield
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


COMMAND = Command(
    "simulator",
    "Serve the Ollama API without any model, until Ctrl+C or SIGTERM.",
    callback=_simulator,
    params=[
        Option(
            "--host",
            default="127.0.0.1",
            metavar="HOST",
            help="where it listens (default: 127.0.0.1)",
        ),
        Option(
            "--port",
            type=types.port,
            default=str(_OLLAMA_PORT),
            metavar="PORT",
            help=f"0 is any free port (default: {_OLLAMA_PORT})",
        ),
        *caller_options(),
        Option(
            "--model",
            "chat_models",
            multiple=True,
            metavar="NAME",
            help="a model that speaks; may be repeated"
            f" (default: {', '.join(_DEFAULT.chat_models)})",
        ),
        Option(
            "--embedding-model",
            "embedding_models",
            multiple=True,
            metavar="NAME",
            help="a model that embeds; may be repeated"
            f" (default: {', '.join(_DEFAULT.embedding_models)})",
        ),
        Option(
            "--tokens-per-second",
            type=types.positive_number,
            default=str(_DEFAULT.tokens_per_second),
            metavar="N",
            help=f"the pace of each answer (default: {_DEFAULT.tokens_per_second:g})",
        ),
        Option(
            "--load-seconds",
            type=types.non_negative_number,
            default=str(_DEFAULT.load_seconds),
            metavar="SECONDS",
            help=f"what it takes to load a model (default: {_DEFAULT.load_seconds:g})",
        ),
        Option(
            "--parallel",
            type=types.count,
            default="1",
            metavar="N",
            help="answers that a model makes at once, as OLLAMA_NUM_PARALLEL (default: 1)",
        ),
        Option(
            "--max-queue",
            type=types.non_negative_count,
            default=str(_DEFAULT.max_queue),
            metavar="N",
            help=f"requests that may wait, as OLLAMA_MAX_QUEUE (default: {_DEFAULT.max_queue})",
        ),
    ],
)
