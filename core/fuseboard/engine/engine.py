"""Everything that runs: breakers, client, traffic, fault proxy, simulator, endpoint.

It has a thread and an event loop of its own, so that a busy screen never
delays a call or a scrape, and a stuck call never freezes the screen.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

from fuseboard.breaker.breaker import CircuitBreaker
from fuseboard.breaker.policies.consecutive import ConsecutiveFailures
from fuseboard.breaker.records import Transition
from fuseboard.breaker.registry import REGISTRY, Registry
from fuseboard.breaker.tunables import tunables_of, with_tunables, written
from fuseboard.engine.commands import (
    Ask,
    ClearFaults,
    Command,
    ConfigureBreaker,
    DisableBreaker,
    PlayScenario,
    ResetBreaker,
    RunTraffic,
    SetFault,
    SetRate,
    StopAsking,
    TripBreaker,
)
from fuseboard.engine.log_buffer import LogBuffer
from fuseboard.engine.settings import EngineSettings, check_settings
from fuseboard.faults.proxy.proxy import FaultProxy
from fuseboard.faults.scenarios.player import ScenarioPlayer
from fuseboard.faults.switches import FaultSwitches
from fuseboard.metrics import report as metrics
from fuseboard.metrics.endpoint import DEFAULT_PORT, METRICS_OFF, endpoint_app
from fuseboard.ollama.caching import CachingClient
from fuseboard.ollama.client import OllamaClient, Operation, breaker_per_operation
from fuseboard.ollama.discovery import (
    DEFAULT_EMBEDDING_MODEL,
    DEFAULT_MODEL,
    DiscoveredOllama,
    NoModelError,
    discover,
    load_model,
)
from fuseboard.ollama.host import ollama_api_key, ollama_url
from fuseboard.ollama.response_cache import ResponseCache
from fuseboard.server.limits import ConnectionLimiter
from fuseboard.server.local_hosts import listens_locally
from fuseboard.server.server import HttpServer
from fuseboard.server.sockets import ListenError, bind, bind_from
from fuseboard.simulator.app import simulator_app
from fuseboard.snapshot.rates import RateTracker
from fuseboard.snapshot.snapshot import Phase, Refusal, Snapshot, TargetSnapshot
from fuseboard.snapshot.traffic_kind import TrafficKind
from fuseboard.traffic.cache_warmer import CacheWarmer
from fuseboard.traffic.generator import TrafficGenerator
from fuseboard.traffic.manual_prompt import ManualPrompt
from fuseboard.traffic.workload import Workload

_TICK = 0.1  # seconds; how late at most a listener hears of a transition that time alone made
_SPARE_CONNECTIONS = 4
_STOP_SECONDS = 5.0
_REFUSALS_KEPT = 5

_GUARDED = (Operation.GENERATE, Operation.CHAT, Operation.EMBED)  # what traffic is made of

_SIMULATED_RATE, _SIMULATED_CONCURRENCY = 4.0, 8
_REAL_RATE, _REAL_CONCURRENCY = 1.0, 1  # a developer's own machine has other things to do

_logger = logging.getLogger(__name__)


class Engine:
    """Runs what `settings` say. Every public method may be called from any thread.

    Args:
        settings: What to run.
        registry: Where the breakers are found, by `/metrics` and whoever else looks.
        environment: Where `OLLAMA_HOST` and `OLLAMA_API_KEY` are read.
        clock: The breakers' clock, and the cache's, seconds.

    Raises:
        ValueError: If a setting makes no sense.
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
        self._cache: ResponseCache | None = None
        if settings.cache_entries:
            self._cache = ResponseCache(
                "ollama", settings.cache_entries, settings.cache_seconds, clock
            )
        self._warming: CacheWarmer | None = None
        self._settings = settings
        self._clock = clock
        self._registry = registry
        self._address = ""
        self._api_key = ollama_api_key(environment("OLLAMA_API_KEY", ""))
        if not settings.simulate:
            self._address = ollama_url(settings.ollama or environment("OLLAMA_HOST", ""))
        self._board = FaultSwitches(settings.seed)
        for name, setting in settings.faults:
            self._board.switch(name, active=True, setting=setting)
        self._player = ScenarioPlayer(self._board, settings.seed)
        self._breakers = breaker_per_operation(self._make_breaker, _GUARDED)
        self._activity = RateTracker()
        self._log = LogBuffer()
        self._notices: tuple[str, ...] = ()
        self._refusals: tuple[Refusal, ...] = ()
        self._loading = ""  # a notice that holds until the model is loaded
        self._silence = ""  # a notice that holds until the first answer
        self._phase = Phase.STARTING
        self._problem = ""
        self._target: TargetSnapshot | None = None
        self._traffic: TrafficGenerator | None = None
        self._prompter: ManualPrompt | None = None
        self._metrics_url = ""
        self._proxy_url = ""
        self._started = time.monotonic()
        self._alive_at = clock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._has_loop = threading.Event()
        self._settled = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def breakers(self) -> Sequence[CircuitBreaker]:
        """The breakers that guard its client, one for each operation of the traffic."""
        return tuple(self._breakers.values())

    def start(self) -> None:
        """Bind the ports and start running; returns before everything runs.

        Raises:
            ListenError: If a port that was asked for cannot be had.
        """
        listeners = self._bind()
        for breaker in self.breakers:
            self._registry.add(breaker)
        self._thread = threading.Thread(
            target=self._run_loop, args=listeners, name="fuseboard-engine", daemon=True
        )
        self._thread.start()

    def wait_until_ready(self, seconds: float = 30.0) -> Snapshot:
        """Wait until it runs or has failed, and take a snapshot."""
        self._settled.wait(seconds)
        return self.snapshot()

    def stop(self) -> None:
        """Stop everything, dropping calls that are under way; safe to call twice."""
        if self._thread is None:
            return
        self._post(self._stopping.set)
        self._thread.join(_STOP_SECONDS)
        if self._thread.is_alive():
            _logger.error("the engine did not stop within %s s", _STOP_SECONDS)
        for breaker in self.breakers:
            self._registry.remove(breaker.name)
        self._thread = None

    def snapshot(self) -> Snapshot:
        """Take a picture of everything; never waits for the engine."""
        traffic = self._traffic
        prompter = self._prompter
        breakers = self._registry.snapshots()
        notices = self._notices
        if holdup := self._holdup():
            notices = (holdup, *notices)  # what matters most, where not all can be read
        return Snapshot(
            taken_at=time.time(),
            phase=self._phase,
            uptime=time.monotonic() - self._started,
            silence=self._silent_for(),
            problem=self._problem,
            notices=notices,
            target=self._target,
            metrics_url=self._metrics_url,
            proxy_url=self._proxy_url,
            traffic=traffic.snapshot() if traffic else None,
            faults=self._board.snapshot(),
            scenario=self._player.snapshot(),
            breakers=breakers,
            pools=self._registry.pools.snapshots(),
            caches=self._registry.caches.snapshots(),
            warming=self._warming.snapshot() if self._warming else None,
            activity=self._activity.by_breaker(),
            prompt=prompter.snapshot() if prompter else None,
            log=self._log.lines(),
            refusals=self._refusals,
        )

    def send(self, command: Command) -> None:
        """Have a command carried out, soon; if it cannot be, `Snapshot.refusals` says why."""
        self._post(lambda: self._obey_or_refuse(command))

    def _silent_for(self) -> float:
        if self._phase in (Phase.FAILED, Phase.STOPPED):
            return 0.0
        return max(self._clock() - self._alive_at, 0.0)

    def _holdup(self) -> str:
        """Say what the traffic still waits for; empty if for nothing."""
        if self._silence and not any(breaker.snapshot().calls.success for breaker in self.breakers):
            return self._silence
        return self._loading

    def _why_not_ready(self) -> str:
        """Say why no traffic can flow yet, or no more; empty if it can."""
        if self._phase is Phase.RUNNING:
            return self._holdup()
        return self._problem or self._phase.value

    def _make_breaker(self, name: str) -> CircuitBreaker:
        breaker = CircuitBreaker(
            name,
            trip=ConsecutiveFailures(self._settings.failure_threshold),
            recovery_timeout=self._settings.recovery_timeout,
            probe_timeout=2 * self._settings.deadlines.total,
            clock=self._clock,
        )
        breaker.on_transition(_log_transition)
        return breaker

    def _bind(self) -> tuple[socket.socket, socket.socket]:
        settings = self._settings
        if settings.metrics_port is None:
            metrics_listener = bind_from(settings.metrics_host, DEFAULT_PORT)
            port = metrics_listener.getsockname()[1]
            if port != DEFAULT_PORT:
                self._notices += (f"port {DEFAULT_PORT} is taken: /metrics is on {port}",)
        else:
            metrics_listener = bind(settings.metrics_host, settings.metrics_port)
        try:
            proxy_listener = bind("127.0.0.1", settings.proxy_port)
        except ListenError:
            metrics_listener.close()
            raise
        return metrics_listener, proxy_listener

    # On the engine's own thread

    def _run_loop(self, metrics_listener: socket.socket, proxy_listener: socket.socket) -> None:
        with self._log.capture():
            for words in self._notices:
                _logger.info(words)
            self._run_to_the_end(metrics_listener, proxy_listener)

    def _run_to_the_end(
        self, metrics_listener: socket.socket, proxy_listener: socket.socket
    ) -> None:
        try:
            # The same loop everywhere; the fault proxy's port needs one like it.
            with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
                runner.run(self._run(metrics_listener, proxy_listener))
        except (ListenError, NoModelError) as error:
            self._fail(str(error))
        except Exception as error:
            _logger.exception("the engine broke")
            self._fail(f"the engine broke: {type(error).__name__}: {error}")
        else:
            self._phase = Phase.STOPPED
        finally:
            self._settled.set()
            metrics_listener.close()
            proxy_listener.close()

    def _give_notice(self, words: str) -> None:
        self._notices += (words,)
        _logger.info(words)

    def _fail(self, problem: str) -> None:
        self._problem = problem
        self._phase = Phase.FAILED

    async def _run(self, metrics_listener: socket.socket, proxy_listener: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self._has_loop.set()
        async with AsyncExitStack() as stack:
            stack.callback(asyncio.create_task(self._give_signs_of_life()).cancel)
            app = endpoint_app(
                self._registry,
                namespace=self._settings.metrics_namespace,
                not_ready_reason=self._why_not_ready,
                only_local=listens_locally(metrics_listener),
            )
            endpoint = HttpServer(app, metrics_listener, ConnectionLimiter())
            stack.push_async_callback(endpoint.stop)
            await endpoint.start()
            self._metrics_url = f"{endpoint.url}/metrics"
            _logger.info("/metrics is at %s", self._metrics_url)
            if not metrics.METRICS_ENABLED:
                self._give_notice(METRICS_OFF)

            self._target = await self._find_target(stack)
            wire = FaultProxy(proxy_listener, self._target.url, self._board)
            stack.push_async_callback(wire.stop)
            await wire.start()
            self._proxy_url = wire.url
            _logger.info(
                "calls go through %s to %s%s",
                wire.url,
                "the simulator at " if self._target.simulated else "",
                self._target.url,
            )

            kind = self._choose_kind(self._target)
            self._traffic = await self._make_traffic(stack, wire.url, self._target, kind)
            self._phase = Phase.RUNNING
            self._settled.set()
            driving = self._drive(self._traffic, self._target, kind)
            await self._until_stopped(driving, self._watch())

    async def _until_stopped(self, *endless: Coroutine[Any, Any, None]) -> None:
        """Run what never ends by itself until the engine is stopped; raise what it raises."""
        tasks = [asyncio.create_task(work) for work in endless]
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

    async def _find_target(self, stack: AsyncExitStack) -> TargetSnapshot:
        settings = self._settings
        if not settings.simulate:
            must_embed = settings.traffic is not None and settings.traffic.embeds
            found = await discover(
                self._address,
                settings.model,
                settings.embedding_model,
                must_embed=must_embed,
                api_key=self._api_key,
            )
            if not found.problem:
                return _real(found)
            if settings.ollama:
                return self._keep_to(found)
        return await self._start_simulator(stack)

    def _keep_to(self, silent: DiscoveredOllama) -> TargetSnapshot:
        self._silence = f"{silent.url} does not answer yet: {silent.problem}"
        _logger.warning(self._silence)
        return _real(silent)

    async def _start_simulator(self, stack: AsyncExitStack) -> TargetSnapshot:
        settings = self._settings.simulator
        model = self._settings.model or DEFAULT_MODEL
        if settings.find(model) is None:
            settings = settings.with_chat_model(model)
        embedding_model = self._settings.embedding_model or DEFAULT_EMBEDDING_MODEL
        if settings.find(embedding_model) is None:
            settings = settings.with_embedding_model(embedding_model)
        simulator = HttpServer(simulator_app(settings), bind("127.0.0.1", 0))
        stack.push_async_callback(simulator.stop)
        await simulator.start()
        return TargetSnapshot(simulator.url, model, simulated=True, embedding_model=embedding_model)

    def _choose_kind(self, target: TargetSnapshot) -> TrafficKind:
        if self._settings.traffic is not None:
            return self._settings.traffic
        if target.embedding_model:
            return TrafficKind.RAG
        if self._silence:
            why = "it is not known what embeds, so traffic is generate"
            advice = f"--traffic rag counts on {DEFAULT_EMBEDDING_MODEL}"
        else:
            why = "no model is known to embed, so traffic is generate, not rag"
            advice = f"`ollama pull {DEFAULT_EMBEDDING_MODEL}`, then start again"
        self._give_notice(f"{why}: {advice}")
        return TrafficKind.GENERATE

    async def _make_traffic(
        self, stack: AsyncExitStack, url: str, target: TargetSnapshot, kind: TrafficKind
    ) -> TrafficGenerator:
        settings = self._settings
        rate = settings.rate or (_SIMULATED_RATE if target.simulated else _REAL_RATE)
        concurrency = settings.concurrency or (
            _SIMULATED_CONCURRENCY if target.simulated else _REAL_CONCURRENCY
        )
        client = await stack.enter_async_context(
            OllamaClient(
                url,
                self._breakers,
                deadlines=settings.deadlines,
                max_connections=concurrency + _SPARE_CONNECTIONS,
                api_key=self._api_key,
            )
        )
        self._registry.pools.add(client.pool)
        stack.callback(self._registry.pools.remove, client.pool.name)
        self._prompter = ManualPrompt(client, target.model, self._clock)
        stack.callback(self._prompter.stop)
        asks: OllamaClient | CachingClient = client
        if self._cache is not None:
            self._registry.caches.add(self._cache)
            stack.callback(self._registry.caches.remove, self._cache.name)
            asks = CachingClient(client, self._cache)
        asking = Workload(
            kind,
            asks,
            settings.prompts,
            model=target.model,
            embedding_model=target.embedding_model,
        )
        traffic = TrafficGenerator(kind, asking.call_next, rate, concurrency)
        if settings.warm:
            self._warming = CacheWarmer(
                asking.call_cacheable, settings.warm, traffic.wait_for_capacity
            )
        return traffic

    async def _drive(
        self, traffic: TrafficGenerator, target: TargetSnapshot, kind: TrafficKind
    ) -> None:
        """Make calls; real models are loaded first, which takes longer than any first token."""
        if not target.simulated and not self._silence:
            key = self._api_key
            if kind.embeds:
                self._begin_loading(target.embedding_model)
                await load_model(target.url, target.embedding_model, embeds=True, api_key=key)
            if kind.speaks:
                self._begin_loading(target.model)
                await load_model(target.url, target.model, api_key=key)
            self._loading = ""
        traffic.start()
        if self._settings.scenario is not None:
            self._player.play(self._settings.scenario)
        async with asyncio.TaskGroup() as group:
            if self._warming is not None:
                group.create_task(self._warming.run())
            await traffic.run()

    def _begin_loading(self, model: str) -> None:
        self._loading = f"loading {model}"
        _logger.info(self._loading)

    async def _give_signs_of_life(self) -> None:
        while True:
            self._alive_at = self._clock()
            await asyncio.sleep(_TICK)

    async def _watch(self) -> None:
        """Sample the rates, and read every breaker so often that its listeners hear in time."""
        sampled = time.monotonic()
        while True:
            await asyncio.sleep(_TICK)
            for breaker in self.breakers:
                _ = breaker.state
            now = time.monotonic()
            if now - sampled >= 1:
                self._activity.sample(self._registry.snapshots(), now - sampled)
                sampled = now

    def _obey_or_refuse(self, command: Command) -> None:
        try:
            self._obey(command)
        except Exception as error:
            words = str(error) or type(error).__name__
            expected = isinstance(error, LookupError | TypeError | ValueError)
            _logger.warning("refused: %s", words, exc_info=not expected)
            self._refusals = (*self._refusals, Refusal(time.time(), words))[-_REFUSALS_KEPT:]

    def _running_traffic(self) -> TrafficGenerator:
        if self._traffic is None:
            raise LookupError("there is no traffic yet")
        return self._traffic

    def _obey(self, command: Command) -> None:
        match command:
            case Ask(prompt):
                if self._prompter is None:
                    raise LookupError("nobody can be asked yet")
                self._prompter.ask(prompt)
            case StopAsking():
                if self._prompter is not None:
                    self._prompter.stop()
            case SetFault(name, active, setting):
                self._board.switch(name, active=active, setting=setting)
            case ClearFaults():
                self._player.stop()
            case PlayScenario(scenario):
                self._player.play(scenario)
            case RunTraffic(running):
                traffic = self._running_traffic()
                traffic.start() if running else traffic.stop()
            case SetRate(rate):
                self._running_traffic().set_rate(rate)
            case DisableBreaker(name):
                self._registry.find(name).disable()
            case TripBreaker(name):
                self._registry.find(name).trip()
            case ResetBreaker(name):
                self._registry.find(name).reset()
            case ConfigureBreaker(name, changes):
                _configure(self._registry.find(name), changes)

    def _post(self, action: Callable[[], object]) -> None:
        """Run something on the engine's loop; once that is closed there is nothing to run."""
        self._has_loop.wait(_STOP_SECONDS)
        loop = self._loop
        if loop is not None and not loop.is_closed():
            try:
                loop.call_soon_threadsafe(action)
            except RuntimeError:
                _logger.debug("the engine stopped before it was asked")


def _configure(breaker: CircuitBreaker, changes: Mapping[str, float]) -> None:
    before = {number.name: number.value for number in tunables_of(breaker.settings)}
    breaker.configure(**with_tunables(breaker.settings, changes))
    for name, value in changes.items():
        _logger.info("%s: %s %s → %s", breaker.name, name, written(before[name]), written(value))


def _log_transition(breaker: CircuitBreaker, step: Transition) -> None:
    _logger.info(
        "%s: %s → %s: %s", breaker.name, step.from_state.name, step.to_state.name, step.reason
    )


def _real(found: DiscoveredOllama) -> TargetSnapshot:
    return TargetSnapshot(
        found.url, found.model, simulated=False, embedding_model=found.embedding_model
    )
