"""What an engine consists of, and how it is built and connected."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from fuseboard.breaker.breaker import CircuitBreaker
from fuseboard.breaker.policies.consecutive import ConsecutiveFailures
from fuseboard.breaker.records import Transition
from fuseboard.breaker.registry import Registry
from fuseboard.engine.settings import EngineSettings
from fuseboard.engine.target import find_target
from fuseboard.faults.proxy.proxy import FaultProxy
from fuseboard.faults.scenarios.player import ScenarioPlayer
from fuseboard.faults.switches import FaultSwitches
from fuseboard.metrics.endpoint import DEFAULT_PORT, endpoint_app
from fuseboard.ollama.caching import CachingClient
from fuseboard.ollama.client import OllamaClient, Operation, breaker_per_operation
from fuseboard.ollama.discovery import DEFAULT_EMBEDDING_MODEL, load_model
from fuseboard.ollama.host import ollama_api_key, ollama_url
from fuseboard.ollama.response_cache import ResponseCache
from fuseboard.server.limits import ConnectionLimiter
from fuseboard.server.local_hosts import AllowedCallers, listens_locally
from fuseboard.server.server import HttpServer
from fuseboard.server.sockets import bind, bind_from
from fuseboard.snapshot.snapshot import TargetSnapshot
from fuseboard.snapshot.traffic_kind import TrafficKind
from fuseboard.traffic.cache_warmer import CacheWarmer
from fuseboard.traffic.generator import TrafficGenerator
from fuseboard.traffic.manual_prompt import ManualPrompt
from fuseboard.traffic.workload import Workload

_SPARE_CONNECTIONS = 4  # for manual prompts and cache warming, beside the traffic
_GUARDED_OPERATIONS = (Operation.GENERATE, Operation.CHAT, Operation.EMBED)

_SIMULATED_RATE, _SIMULATED_CONCURRENCY = 4.0, 8
_REAL_RATE, _REAL_CONCURRENCY = 1.0, 1  # a developer's machine has other work to do

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ports:
    """The bound sockets of an engine."""

    metrics: socket.socket
    proxy: socket.socket
    notices: tuple[str, ...] = ()

    def close(self) -> None:
        """Close both sockets."""
        self.metrics.close()
        self.proxy.close()


def bind_ports(settings: EngineSettings) -> Ports:
    """Bind the ports of the metrics endpoint and the fault proxy.

    Raises:
        ListenError: If one cannot be bound; then the other is not bound either.
    """
    notices: tuple[str, ...] = ()
    if settings.metrics_port is None:
        metrics = bind_from(settings.metrics_host, DEFAULT_PORT)
        port = metrics.getsockname()[1]
        if port != DEFAULT_PORT:
            notices = (f"port {DEFAULT_PORT} is taken: /metrics is on {port}",)
    else:
        metrics = bind(settings.metrics_host, settings.metrics_port)
    try:
        return Ports(metrics, bind("127.0.0.1", settings.proxy_port), notices)
    except BaseException:
        metrics.close()
        raise


@dataclass(frozen=True, slots=True)
class Running:
    """An assembled engine."""

    target: TargetSnapshot
    target_problem: str
    """Why the target cannot be called, or not yet; empty if it can."""
    is_ollama: bool
    """Whether the target speaks Ollama's API; if not, nothing is called."""
    proxy: FaultProxy
    traffic_kind: TrafficKind
    traffic: TrafficGenerator
    manual_prompt: ManualPrompt
    cache_warmer: CacheWarmer | None
    """`None` if there are no questions to warm the cache with."""
    notices: tuple[str, ...]


class Assembly:
    """The construction of an engine: breakers and faults at once, the rest on its event loop.

    Args:
        settings: Checked settings.
        registry: Where connection pool and cache are registered.
        environment: Reads an environment variable, given its name and a default.
        clock: Seconds, monotonic; used by breakers, cache and manual prompt.

    Raises:
        ValueError: If a setting or an environment variable is invalid.
    """

    def __init__(
        self,
        settings: EngineSettings,
        registry: Registry,
        environment: Callable[[str, str], str],
        clock: Callable[[], float],
    ) -> None:
        self.registry = registry
        self.switches = FaultSwitches(settings.seed)
        self.player = ScenarioPlayer(self.switches, settings.seed)
        self._settings = settings
        self._clock = clock
        self._allowed_callers = AllowedCallers(settings.allowed_hosts, settings.allowed_origins)
        self._cache: ResponseCache | None = None
        if settings.cache_entries:
            self._cache = ResponseCache("ollama", settings.cache_entries, settings.cache_ttl, clock)
        self._api_key = ollama_api_key(environment("OLLAMA_API_KEY", ""))
        self._ollama_url = ""
        if not settings.simulate:
            self._ollama_url = ollama_url(settings.ollama or environment("OLLAMA_HOST", ""))
        for name, setting in settings.faults:
            self.switches.switch(name, active=True, setting=setting)
        self._breakers = breaker_per_operation(self._make_breaker, _GUARDED_OPERATIONS)
        self.breakers = tuple(self._breakers.values())

    async def start_endpoint(
        self, stack: AsyncExitStack, listener: socket.socket, not_ready_reason: Callable[[], str]
    ) -> str:
        """Start the metrics endpoint on `stack`; return the URL of `/metrics`."""
        app = endpoint_app(
            self.registry,
            namespace=self._settings.metrics_namespace,
            not_ready_reason=not_ready_reason,
            only_local=listens_locally(listener),
            allowed_callers=self._allowed_callers,
        )
        endpoint = HttpServer(app, listener, ConnectionLimiter())
        stack.push_async_callback(endpoint.stop)
        await endpoint.start()
        metrics_url = f"{endpoint.url}/metrics"
        _logger.info("/metrics is at %s", metrics_url)
        return metrics_url

    async def build(self, stack: AsyncExitStack, proxy_listener: socket.socket) -> Running:
        """Find the target and connect proxy, client and traffic to it; `stack` ends them.

        Raises:
            NoModelError: If the target lacks a model that the settings need.
        """
        settings = self._settings
        found = await find_target(stack, settings, self._ollama_url, self._api_key)
        target, problem = found.snapshot, found.problem
        proxy = await self._start_proxy(stack, proxy_listener, target)
        kind, notices = TrafficKind.GENERATE, found.notices
        if found.other_server:
            problem = (
                f"{target.url} is {found.other_server}, no Ollama, so nothing is called:"
                f" point your own program at the fault proxy in front of it, {proxy.url}"
            )
            _logger.info(problem)
        else:
            kind, about_kind = choose_traffic_kind(settings, target.embedding_model, problem)
            notices += about_kind
        rate, concurrency = choose_rate(settings, simulated=target.simulated)
        client = await self._connect_client(stack, proxy.url, concurrency + _SPARE_CONNECTIONS)
        manual_prompt = ManualPrompt(client, target.model, self._clock)
        stack.callback(manual_prompt.stop)
        workload = Workload(
            kind,
            self._add_cache(stack, client),
            settings.questions,
            model=target.model,
            embedding_model=target.embedding_model,
        )
        traffic = TrafficGenerator(kind, workload.call_next, rate, concurrency)
        cache_warmer = None
        if settings.warm:
            cache_warmer = CacheWarmer(
                workload.call_cacheable, settings.warm, traffic.wait_for_capacity
            )
        return Running(
            target=target,
            target_problem=problem,
            is_ollama=not found.other_server,
            proxy=proxy,
            traffic_kind=kind,
            traffic=traffic,
            manual_prompt=manual_prompt,
            cache_warmer=cache_warmer,
            notices=notices,
        )

    async def run(self, running: Running, show_loading: Callable[[str], None]) -> None:
        """Load the models, then generate traffic, warm the cache and play the scenario.

        Runs until it is cancelled. Real models are loaded first, because that
        takes longer than the deadline of the first token; `show_loading` is
        called with the name of the model, and with an empty one at the end.
        """
        target, kind = running.target, running.traffic_kind
        if not target.simulated and not running.target_problem:
            key = self._api_key
            if kind.embeds:
                show_loading(target.embedding_model)
                await load_model(target.url, target.embedding_model, embeds=True, api_key=key)
            if kind.generates_text:
                show_loading(target.model)
                await load_model(target.url, target.model, api_key=key)
            show_loading("")
        if self._settings.scenario is not None:
            self.player.play(self._settings.scenario)
        if not running.is_ollama:
            await asyncio.Event().wait()  # nothing sets it: only the proxy works
        running.traffic.start()
        async with asyncio.TaskGroup() as group:
            if running.cache_warmer is not None:
                group.create_task(running.cache_warmer.run())
            await running.traffic.run()

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

    async def _start_proxy(
        self, stack: AsyncExitStack, listener: socket.socket, target: TargetSnapshot
    ) -> FaultProxy:
        """Start the fault proxy in front of `target`."""
        proxy = FaultProxy(
            listener, target.url, self.switches, allowed_callers=self._allowed_callers
        )
        stack.push_async_callback(proxy.stop)
        await proxy.start()
        _logger.info(
            "calls go through %s to %s%s",
            proxy.url,
            "the simulator at " if target.simulated else "",
            target.url,
        )
        return proxy

    async def _connect_client(
        self, stack: AsyncExitStack, url: str, max_connections: int
    ) -> OllamaClient:
        client = await stack.enter_async_context(
            OllamaClient(
                url,
                self._breakers,
                deadlines=self._settings.deadlines,
                max_connections=max_connections,
                api_key=self._api_key,
            )
        )
        self.registry.pools.add(client.pool)
        stack.callback(self.registry.pools.remove, client.pool.name)
        return client

    def _add_cache(
        self, stack: AsyncExitStack, client: OllamaClient
    ) -> OllamaClient | CachingClient:
        """Return a client that caches, or `client` itself if the cache is disabled."""
        if self._cache is None:
            return client
        self.registry.caches.add(self._cache)
        stack.callback(self.registry.caches.remove, self._cache.name)
        return CachingClient(client, self._cache)


def choose_traffic_kind(
    settings: EngineSettings, embedding_model: str, problem: str
) -> tuple[TrafficKind, tuple[str, ...]]:
    """Return the kind of traffic, and a notice if embeddings have to be left out.

    Args:
        settings: May name the kind.
        embedding_model: The model that embeds; empty if none is known.
        problem: Why the target is not reachable yet; empty if it is.
    """
    if settings.traffic is not None:
        return settings.traffic, ()
    if embedding_model:
        return TrafficKind.RAG, ()
    if problem:
        reason = "it is not known what embeds, so traffic is generate"
        advice = f"--traffic rag counts on {DEFAULT_EMBEDDING_MODEL}"
    else:
        reason = "no model is known to embed, so traffic is generate, not rag"
        advice = f"`ollama pull {DEFAULT_EMBEDDING_MODEL}`, then start again"
    return TrafficKind.GENERATE, (f"{reason}: {advice}",)


def choose_rate(settings: EngineSettings, *, simulated: bool) -> tuple[float, int]:
    """Return the calls per second and how many of them may be under way at once."""
    rate = settings.rate or (_SIMULATED_RATE if simulated else _REAL_RATE)
    concurrency = settings.concurrency or (
        _SIMULATED_CONCURRENCY if simulated else _REAL_CONCURRENCY
    )
    return rate, concurrency


def _log_transition(breaker: CircuitBreaker, transition: Transition) -> None:
    _logger.info(
        "%s: %s → %s: %s",
        breaker.name,
        transition.from_state.name,
        transition.to_state.name,
        transition.reason,
    )
