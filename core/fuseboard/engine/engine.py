"""The engine: breakers, client, traffic, fault proxy, simulator and endpoint on one thread.

The thread has its own event loop, so that a busy screen does not delay a call
or a scrape, and a hanging call does not freeze the screen.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, ExitStack
from typing import Any

from fuseboard.breaker.breaker import CircuitBreaker
from fuseboard.breaker.fork import renew_in_children
from fuseboard.breaker.registry import REGISTRY, Registry
from fuseboard.engine.assembly import Assembly, Ports, bind_ports
from fuseboard.engine.command_handlers import CommandHandlers
from fuseboard.engine.commands import Command
from fuseboard.engine.freeze_tolerant_loop import FreezeTolerantLoop
from fuseboard.engine.settings import EngineSettings, check_settings
from fuseboard.engine.status import EngineStatus
from fuseboard.invalid_input import InvalidInputError
from fuseboard.metrics.endpoint import METRICS_OFF
from fuseboard.metrics.report import METRICS_ENABLED
from fuseboard.ollama.discovery import NoModelError
from fuseboard.server.sockets import ListenError
from fuseboard.snapshot.snapshot import Snapshot

_POLL_INTERVAL = 0.1  # seconds; the longest delay of a listener after a transition by time
_STOP_TIMEOUT = 5.0  # seconds

_logger = logging.getLogger(__name__)


class Engine:
    """A run of traffic through circuit breakers. Every public method is thread-safe.

    Args:
        settings: What to run.
        registry: Where the breakers are registered.
        environment: Reads an environment variable, given its name and a default;
            `OLLAMA_HOST` and `OLLAMA_API_KEY` are used.
        clock: Seconds, monotonic; the clock of the breakers and the cache.

    Raises:
        ValueError: If a setting or an environment variable is invalid.
    """

    def __init__(
        self,
        settings: EngineSettings,
        *,
        registry: Registry = REGISTRY,
        environment: Callable[[str, str], str] = os.environ.get,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        check_settings(settings)
        self._settings = settings
        self._registry = registry
        self._assembly = Assembly(settings, registry, environment, clock)
        self._status = EngineStatus(self._assembly, clock)
        self._commands = CommandHandlers(self._assembly, self._status)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopping = asyncio.Event()
        self._started_or_failed = threading.Event()
        self._runs_in_parent = False
        renew_in_children(self)

    @property
    def breakers(self) -> Sequence[CircuitBreaker]:
        """The breakers of its client, one for each operation of the traffic."""
        return self._assembly.breakers

    def start(self) -> None:
        """Bind the ports, register the breakers and start the thread.

        Returns before any traffic flows. If it raises, no port stays bound and
        no breaker registered.

        Raises:
            ListenError: If a port cannot be bound.
            ValueError: If the name of a breaker is taken in the registry.
            RuntimeError: If the engine was started before.
        """
        if self._loop is not None:
            raise RuntimeError("an engine can be started only once: make a new one")
        with ExitStack() as undo:
            ports = bind_ports(self._settings)
            undo.callback(ports.close)
            for breaker in self.breakers:
                self._registry.add(breaker)
                undo.callback(self._registry.remove, breaker.name)
            # Not the platform's default: the fault proxy needs `add_reader`.
            loop = FreezeTolerantLoop()
            undo.callback(loop.close)
            thread = threading.Thread(
                target=self._run_thread, args=(loop, ports), name="fuseboard-engine", daemon=True
            )
            thread.start()
            undo.pop_all()  # the thread closes loop and ports, `stop()` removes the breakers
        self._loop = loop
        self._thread = thread

    def wait_until_ready(self, seconds: float = 30.0) -> Snapshot:
        """Wait until the engine runs or has failed; return a snapshot."""
        self._started_or_failed.wait(seconds)
        return self.snapshot()

    def stop(self) -> None:
        """Stop everything and cancel calls in progress; may be called more than once."""
        if self._thread is None:
            return
        self._post(self._stopping.set)
        self._thread.join(_STOP_TIMEOUT)
        if self._thread.is_alive():
            _logger.error("the engine did not stop within %s s", _STOP_TIMEOUT)
        for breaker in self.breakers:
            self._registry.remove(breaker.name)
        self._thread = None

    def snapshot(self) -> Snapshot:
        """Return a snapshot of everything, without waiting for the engine's thread."""
        return self._status.snapshot()

    def send(self, command: Command) -> None:
        """Post a command to the engine's thread and return at once.

        If it cannot be carried out, `Snapshot.refusals` has the reason. After
        `stop()` it is dropped.

        Raises:
            RuntimeError: If the engine was not started.
        """
        self._post(lambda: self._commands.handle(command))

    def renew_in_child(self) -> None:
        """Know in a forked child that its thread is in the parent only."""
        self._started_or_failed = threading.Event()
        if self._thread is None:
            return
        self._thread = None
        self._runs_in_parent = True
        self._started_or_failed.set()
        self._status.set_failed("the engine runs in the process that this one was forked from")
        for breaker in self.breakers:
            self._registry.remove(breaker.name)

    def _post(self, action: Callable[[], object]) -> None:
        """Run `action` on the event loop; do nothing if that is closed."""
        if self._loop is None:
            raise RuntimeError("the engine has not been started: call start() before send()")
        if self._runs_in_parent:  # to wake the loop would wake the parent's
            return
        try:
            self._loop.call_soon_threadsafe(action)
        except RuntimeError:
            _logger.debug("the engine stopped before it was asked")

    # On the engine's own thread

    def _run_thread(self, loop: asyncio.AbstractEventLoop, ports: Ports) -> None:
        with self._status.log.capture():
            try:
                for notice in ports.notices:
                    self._status.add_notice(notice)
                with asyncio.Runner(loop_factory=lambda: loop) as runner:
                    runner.run(self._run(ports))
            except (InvalidInputError, ListenError, NoModelError) as error:
                self._status.set_failed(str(error))
            except Exception as error:
                _logger.exception("the engine broke")
                self._status.set_failed(f"the engine broke: {type(error).__name__}: {error}")
            else:
                self._status.set_stopped()
            finally:
                self._started_or_failed.set()
                ports.close()

    async def _run(self, ports: Ports) -> None:
        status = self._status
        async with AsyncExitStack() as stack:
            stack.callback(asyncio.create_task(self._beat()).cancel)
            status.metrics_url = await self._assembly.start_endpoint(
                stack, ports.metrics, status.not_ready_reason
            )
            if not METRICS_ENABLED:
                status.add_notice(METRICS_OFF)
            running = await self._assembly.build(stack, ports.proxy)
            status.set_running(running)
            self._started_or_failed.set()
            await self._run_until_stopped(
                self._assembly.run(running, status.show_loading), self._poll_breakers()
            )

    async def _run_until_stopped(self, *endless: Coroutine[Any, Any, None]) -> None:
        """Run coroutines that never return until the engine is stopped; raise what they raise."""
        tasks = [asyncio.create_task(coroutine) for coroutine in endless]
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            stopping.cancel()
            for task in tasks:
                task.cancel()
            await asyncio.gather(stopping, *tasks, return_exceptions=True)

    async def _beat(self) -> None:
        while True:
            self._status.record_heartbeat()
            await asyncio.sleep(_POLL_INTERVAL)

    async def _poll_breakers(self) -> None:
        """Read every breaker's state, so that its listeners are notified; sample the rates."""
        sampled_at = time.monotonic()
        self._status.rates.sample(self._registry.snapshots(), 1)  # what the rates begin with
        while True:
            await asyncio.sleep(_POLL_INTERVAL)
            for breaker in self.breakers:
                _ = breaker.state
            now = time.monotonic()
            if now - sampled_at >= 1:
                self._status.rates.sample(self._registry.snapshots(), now - sampled_at)
                sampled_at = now
