"""The status of an engine, and the snapshot that is made of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from msgspec.structs import replace

from fuseboard.engine.assembly import Assembly, Running
from fuseboard.engine.log_buffer import LogBuffer
from fuseboard.masked_url import mask_url, mask_urls
from fuseboard.snapshot.rates import RateTracker
from fuseboard.snapshot.snapshot import Phase, Refusal, Snapshot, TargetSnapshot

_MAX_REFUSALS = 5

_logger = logging.getLogger(__name__)


class EngineStatus:
    """The phase of an engine, its notices, refusals, rates and log.

    It is written on the engine's thread; `snapshot()` and `not_ready_reason()`
    may be called from any thread.

    Args:
        assembly: The parts that a snapshot shows.
        clock: Seconds, monotonic; measures the silence.
    """

    def __init__(self, assembly: Assembly, clock: Callable[[], float]) -> None:
        self.log = LogBuffer()
        self.rates = RateTracker()
        self.metrics_url = ""
        self.running: Running | None = None
        self._assembly = assembly
        self._clock = clock
        self._target: TargetSnapshot | None = None
        """The target of `running`, with its URL as it is shown."""
        self._phase = Phase.STARTING
        self._problem = ""
        self._notices: tuple[str, ...] = ()
        self._refusals: tuple[Refusal, ...] = ()
        self._loading = ""
        self._created_at = time.monotonic()
        self._heartbeat_at = clock()

    def record_heartbeat(self) -> None:
        """Record that the engine's loop runs."""
        self._heartbeat_at = self._clock()

    def add_notice(self, text: str) -> None:
        """Add a notice for the user, and log it."""
        self._notices += (mask_urls(text),)
        _logger.info(text)

    def add_refusal(self, reason: str) -> None:
        """Record that a command was refused; only the latest refusals are stored."""
        self._refusals = (*self._refusals, Refusal(time.time(), reason))[-_MAX_REFUSALS:]

    def show_loading(self, model: str) -> None:
        """Show that a model is being loaded; an empty name ends it."""
        self._loading = f"loading {model}" if model else ""
        if self._loading:
            _logger.info(self._loading)

    def set_running(self, running: Running) -> None:
        """Enter the phase RUNNING."""
        for notice in running.notices:
            self.add_notice(notice)
        self._target = replace(running.target, url=mask_url(running.target.url))
        self.running = running
        self._phase = Phase.RUNNING

    def set_failed(self, problem: str) -> None:
        """Enter the phase FAILED."""
        self._problem = mask_urls(problem)
        self._phase = Phase.FAILED

    def set_stopped(self) -> None:
        """Enter the phase STOPPED."""
        self._phase = Phase.STOPPED

    def not_ready_reason(self) -> str:
        """Return why no traffic can flow; empty if it can."""
        if self._phase is Phase.RUNNING:
            return self._pending()
        return self._problem or self._phase.value

    def snapshot(self) -> Snapshot:
        """Return a snapshot of everything, without waiting for the engine's thread."""
        phase = self._phase
        running = self.running
        registry = self._assembly.registry
        notices = self._notices
        if urgent := self._pending() or self._upstream_problem():
            notices = (urgent, *notices)  # the most important one comes first
        return Snapshot(
            taken_at=time.time(),
            phase=phase,
            uptime=time.monotonic() - self._created_at,
            silence=self._silence(),
            problem=self._problem,
            notices=notices,
            target=self._target,
            metrics_url=self.metrics_url,
            proxy_url=running.proxy.url if running else "",
            traffic=running.traffic.snapshot() if running else None,
            faults=self._assembly.switches.snapshot(),
            scenario=self._assembly.player.snapshot(),
            breakers=registry.snapshots(),
            pools=registry.pools.snapshots(),
            caches=registry.caches.snapshots(),
            warming=(running.cache_warmer.snapshot() if running and running.cache_warmer else None),
            rates=self.rates.by_breaker(),
            prompt=running.manual_prompt.snapshot() if running else None,
            log=self.log.lines(),
            refusals=self._refusals,
        )

    def _silence(self) -> float:
        """Return the seconds since the last heartbeat; 0 if none is due any more."""
        if self._phase in (Phase.FAILED, Phase.STOPPED):
            return 0.0
        return max(self._clock() - self._heartbeat_at, 0.0)

    def _upstream_problem(self) -> str:
        """Return why calls cannot go through the fault proxy; empty if they can."""
        problem = self.running.proxy.problem if self.running is not None else ""
        return f"the server behind the fault proxy fails: {problem}" if problem else ""

    def _pending(self) -> str:
        """Return what the traffic waits for: the first success, or a model; empty if nothing."""
        if self.running is not None and self.running.target_problem:
            breakers = self._assembly.breakers
            if not any(breaker.snapshot().calls.success for breaker in breakers):
                return mask_urls(self.running.target_problem)
        return self._loading
