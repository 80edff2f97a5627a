"""Running the simulator alone, as a stand-in for Ollama."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from fuseboard.server.server import HttpServer
from fuseboard.server.sockets import bind
from fuseboard.simulator.app import simulator_app
from fuseboard.simulator.settings import SimulatorSettings
from fuseboard_tui.cli.stop_request import StopRequest

_LOOK_SECONDS = 3600.0  # between looks at nothing: `select()` takes no infinity


def simulate(settings: SimulatorSettings, host: str, port: int) -> int:
    """Serve the simulator until a signal comes; returns the exit code.

    Raises `ListenError` if the port cannot be had.
    """
    with StopRequest() as stopping:

        def ask_to_stop(_signal: int, _frame: FrameType | None) -> None:
            stopping.make()

        for ending in (signal.SIGINT, signal.SIGTERM):
            signal.signal(ending, ask_to_stop)
        server = HttpServer(simulator_app(settings), bind(host, port))
        with _running(server):
            address = server.url.removeprefix("http://")
            print(  # noqa: T201
                f"simulated Ollama at {server.url} (OLLAMA_HOST={address} leads a client there)",
                flush=True,
            )
            while not stopping.wait(_LOOK_SECONDS):
                pass
    return 0


@contextmanager
def _running(server: HttpServer) -> Iterator[None]:
    """Run a server on a thread of its own: on the main one it would take the signals."""
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
