"""The engine as a whole: a real wire, real servers, a clock that the test moves."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fuseboard import FailureRate, Registry, State
from fuseboard.breaker.external import ExternalBreaker
from fuseboard.breaker.snapshot import BreakerSnapshot
from fuseboard.breaker.state import Mode
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
from fuseboard.engine.engine import Engine
from fuseboard.engine.settings import EngineSettings
from fuseboard.faults.notation import parse_fault
from fuseboard.faults.scenarios.scenario import find_scenario
from fuseboard.ollama import OllamaClient, OllamaError
from fuseboard.server.sockets import PortTakenError, bind
from fuseboard.snapshot.fault_setting import FaultSetting
from fuseboard.snapshot.snapshot import AnswerState, LogLevel, Phase, PromptSnapshot, Snapshot
from fuseboard.snapshot.traffic_kind import TrafficKind
from tests.core.child_process import in_child
from tests.core.clock import ManualClock
from tests.core.serving import FAST, ReceivedRequest, recording_simulator, served

PATIENCE = 20.0  # seconds after which something that should have come will not come


def wait_for(condition: Callable[[], bool], what: str) -> None:
    given_up = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < given_up, f"{what} did not come"
        time.sleep(0.01)


class Harness:
    def __init__(self, engine: Engine, clock: ManualClock) -> None:
        self.engine = engine
        self.clock = clock

    def breaker(self, name: str = "ollama_generate") -> BreakerSnapshot:
        found = self.engine.snapshot().breaker(name)
        assert found is not None
        return found

    def has_answers(self, count: int, breaker: str) -> bool:
        return self.breaker(breaker).calls.success >= count

    def wait_for_log(self, words: str) -> None:
        wait_for(
            lambda: any(line.message.startswith(words) for line in self.engine.snapshot().log),
            words,
        )

    def wait_for_state(self, state: State) -> None:
        wait_for(lambda: self.breaker().state is state, state.name)


@contextmanager
def running(
    environment: dict[str, str] | None = None,
    registry: Registry | None = None,
    **settings: object,
) -> Iterator[Harness]:
    chosen: dict[str, object] = {
        "simulate": True,
        "traffic": TrafficKind.GENERATE,
        "rate": 50.0,
        "concurrency": 8,
        "failure_threshold": 3,
        "metrics_port": 0,
        "simulator": FAST,
        "seed": 1,
    }
    clock = ManualClock()
    engine = Engine(
        EngineSettings(**{**chosen, **settings}),  # type: ignore[arg-type]
        registry=Registry() if registry is None else registry,
        environment=(environment or {}).get,
        clock=clock,
    )
    engine.start()
    try:
        yield Harness(engine, clock)
    finally:
        engine.stop()


def scrape(snapshot: Snapshot) -> dict[tuple[str, ...], float]:
    """The figures on `/metrics`, by name and label values."""
    text = httpx.get(snapshot.metrics_url).text
    return {
        (sample.name.removeprefix("ollama_rag_circuit_breaker_"), *sample.labels.values()): (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_main_job() -> None:
    with running() as it:
        ready = it.engine.wait_until_ready()
        assert ready.phase is Phase.RUNNING
        assert ready.target is not None
        assert ready.target.simulated
        wait_for(lambda: it.breaker().calls.success > 5, "a success")
        assert it.breaker().state is State.CLOSED

        it.engine.send(SetFault("error500", True))
        it.wait_for_state(State.OPEN)
        assert it.breaker().why == (
            "3 consecutive failures:"
            " 3× HTTP 500: llama runner process has terminated: exit status 2"
        )
        wait_for(lambda: it.breaker().calls.rejected > 0, "a rejection")

        it.clock.advance(10)
        wait_for(lambda: len(it.breaker().history) >= 3, "a failed probe")
        assert [step.to_state for step in it.breaker().history[:3]] == [
            State.OPEN,
            State.HALF_OPEN,
            State.OPEN,
        ]
        it.engine.send(ClearFaults())
        wait_for(lambda: not any(f.active for f in it.engine.snapshot().faults), "mended wire")
        it.clock.advance(10)
        it.wait_for_state(State.CLOSED)
        assert it.breaker().history[-1].reason == "probe succeeded"


def test_screen_scrape_and_breaker_agree() -> None:
    with running(faults=(parse_fault("cut:0.5"),)) as it:
        it.engine.wait_until_ready()
        wait_for(lambda: it.breaker().calls.failure > 3, "a failure")
        it.engine.send(RunTraffic(False))
        wait_for(
            lambda: all(breaker.in_flight == 0 for breaker in it.engine.snapshot().breakers),
            "the end of all calls",
        )
        snapshot = it.engine.snapshot()
        figures = scrape(snapshot)
        for breaker in snapshot.breakers:
            name = breaker.name
            assert figures["state", name] == breaker.state
            assert figures["calls_total", name, "success"] == breaker.calls.success
            assert figures["calls_total", name, "failure"] == breaker.calls.failure
            assert figures["calls_total", name, "rejected"] == breaker.calls.rejected
            assert figures["calls_total", name, "ignored"] == breaker.calls.ignored
            assert figures["consecutive_failures", name] == breaker.consecutive_failures
            assert figures["late_results_total", name] == breaker.late
            for (start, end), count in breaker.transitions.items():
                assert figures["transitions_total", name, start.name, end.name] == count


def test_pool_and_readiness_are_the_engines_own() -> None:
    with running(rate=200.0) as run:
        assert run.engine.wait_until_ready().phase is Phase.RUNNING
        seen = run.engine.snapshot()
        ready = httpx.get(seen.metrics_url.replace("/metrics", "/ready"))
        assert (ready.status_code, ready.json()) == (200, {"status": "ready"})
        wait_for(lambda: run.engine.snapshot().pools[0].waits.count > 0, "a call")
        assert run.engine.snapshot().pools[0].maximum == 12
        assert scrape(seen)["ollama_rag_connection_pool_max_connections", "ollama"] == 12
        run.engine.send(RunTraffic(running=False))
        wait_for(lambda: run.engine.snapshot().pools[0].active == 0, "the last answer")


def test_is_not_ready_before_its_ollama_answers(unused_port: int) -> None:
    silent = f"http://127.0.0.1:{unused_port}"
    with running(simulate=False, ollama=silent) as run:
        seen = run.engine.wait_until_ready()
        ready = httpx.get(seen.metrics_url.replace("/metrics", "/ready"))
        assert ready.status_code == 503
        assert silent in ready.json()["why"]


def test_commands() -> None:
    with running(rate=0.5) as it:
        it.engine.wait_until_ready()
        it.engine.send(TripBreaker("ollama_embed"))
        wait_for(lambda: it.breaker("ollama_embed").state is State.OPEN, "OPEN")
        it.engine.send(ResetBreaker("ollama_embed"))
        wait_for(lambda: it.breaker("ollama_embed").state is State.CLOSED, "CLOSED")
        it.engine.send(RunTraffic(False))

        def runs() -> bool:
            traffic = it.engine.snapshot().traffic
            return traffic is not None and traffic.running

        wait_for(lambda: not runs(), "stopped traffic")
        it.engine.send(RunTraffic(True))
        wait_for(runs, "running traffic")


def test_a_prompt_goes_through_the_breaker_and_the_fault() -> None:
    with running(rate=0.01) as it:
        it.engine.wait_until_ready()

        def asked(prompt: str) -> PromptSnapshot:
            it.engine.send(Ask(prompt))

            def ended() -> bool:
                seen = it.engine.snapshot().prompt
                return seen is not None and seen.prompt == prompt and not seen.state.under_way

            wait_for(ended, f"the answer to {prompt}")
            seen = it.engine.snapshot().prompt
            assert seen is not None
            return seen

        good = asked("why?")
        assert (good.state, good.model) == (AnswerState.COMPLETE, "llama3.2")
        assert good.answer
        assert good.tokens > 0
        answered = it.breaker().calls.success
        assert asked("why? once more").state is AnswerState.COMPLETE
        assert it.breaker().calls.success > answered
        it.engine.send(SetFault("cut", True))
        assert asked("and now?").state is AnswerState.FAILED
        it.engine.send(TripBreaker("ollama_generate"))
        assert asked("still there?").state is AnswerState.REJECTED
        assert it.breaker().calls.rejected == 1
        it.engine.send(ClearFaults())
        it.engine.send(ResetBreaker("ollama_generate"))
        it.engine.send(SetFault("stall", True))
        it.engine.send(Ask("hello?"))
        wait_for(lambda: it.breaker().in_flight == 1, "the call")
        it.engine.send(StopAsking())
        wait_for(lambda: it.breaker().in_flight == 0, "the end of the call")
        stopped = it.engine.snapshot().prompt
        assert stopped is not None
        assert stopped.state is AnswerState.STOPPED


def test_settings_are_changed_while_it_runs() -> None:
    with running(recovery_timeout=30.0) as it:
        it.engine.wait_until_ready()
        changes = {"recovery_timeout": 5.0, "trip.threshold": 2.0}
        it.engine.send(ConfigureBreaker("ollama_generate", changes))

        def numbers() -> dict[str, float]:
            return {number.name: number.value for number in it.breaker().tunables}

        wait_for(lambda: numbers()["recovery_timeout"] == 5, "the change")
        assert numbers()["trip.threshold"] == 2
        it.wait_for_log("ollama_generate: recovery_timeout 30 → 5")
        it.wait_for_log("ollama_generate: trip.threshold 3 → 2")
        it.engine.send(SetFault("error500", True))
        it.wait_for_state(State.OPEN)
        assert it.breaker().why.startswith("2 consecutive failures")
        it.engine.send(ClearFaults())
        wait_for(lambda: not any(f.active for f in it.engine.snapshot().faults), "mended wire")
        it.clock.advance(5)
        it.wait_for_state(State.CLOSED)
        assert it.engine.snapshot().refusals == ()


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (
            ConfigureBreaker("ollama_generate", {"max_probes": 0.5}),
            "max_probes takes a whole number of at least 1, not 0.5",
        ),
        (ConfigureBreaker("nobody", {"max_probes": 2.0}), "there is no breaker called 'nobody'"),
        (TripBreaker("nobody"), "there is no breaker called 'nobody'"),
        (
            ResetBreaker("theirs"),
            "the breaker 'theirs' is only reported, not decided here",
        ),
        (SetFault("nonsense", True), "there is no fault 'nonsense'"),
        (SetRate(0.0), "a rate is a number above 0, not 0"),
        (
            ConfigureBreaker("ours", {"trip.over.calls": 1e30}),
            "trip.over.calls takes a whole number from 1 to 10 million, not",
        ),
    ],
)
def test_a_command_that_cannot_be_carried_out_is_refused(command: Command, words: str) -> None:
    registry = Registry()
    registry.add(ExternalBreaker("theirs"))
    registry.breaker("ours", trip=FailureRate(0.5))
    with running(registry=registry, rate=0.5) as it:
        it.engine.wait_until_ready()
        before = time.time()
        it.engine.send(command)
        wait_for(lambda: bool(it.engine.snapshot().refusals), "the refusal")
        (refusal,) = it.engine.snapshot().refusals
        assert refusal.message.startswith(words)
        assert before <= refusal.at <= time.time()
        told = [line.message for line in it.engine.snapshot().log if line.level is LogLevel.WARNING]
        assert [words.split("\n")[0] for words in told] == [f"refused: {refusal.message}"]
        it.engine.send(TripBreaker("ollama_generate"))
        it.wait_for_state(State.OPEN)


def test_only_the_latest_refusals_are_stored() -> None:
    with running(rate=0.5) as it:
        it.engine.wait_until_ready()
        for number in range(9):
            it.engine.send(TripBreaker(f"nobody {number}"))
        wait_for(lambda: "nobody 8" in str(it.engine.snapshot().refusals), "the last refusal")
        assert [refusal.message[-2] for refusal in it.engine.snapshot().refusals] == list("45678")


def test_the_log_has_what_was_switched_and_what_tripped() -> None:
    with running() as it:
        it.engine.wait_until_ready()
        it.engine.send(SetFault("error500", True))
        it.wait_for_log(f"/metrics is at {it.engine.snapshot().metrics_url}")
        it.wait_for_log("fault error500 is on: HTTP 500: the model's runner has crashed")
        it.wait_for_log("ollama_generate: CLOSED → OPEN: 3 consecutive failures")
        assert {line.source for line in it.engine.snapshot().log} >= {"engine", "faults"}


def test_reports_for_how_long_it_has_been_hanging() -> None:
    hung, released = threading.Event(), threading.Event()

    class Hanging:
        """A registered breaker whose snapshot hangs on the engine's thread."""

        name = "hanging"

        def snapshot(self) -> BreakerSnapshot:
            if threading.current_thread().name == "fuseboard-engine":
                hung.set()
                released.wait(PATIENCE)
            return ExternalBreaker("hanging").snapshot()

    registry = Registry()
    with running(registry=registry) as it:
        it.clock.advance(60)
        wait_for(lambda: it.engine.snapshot().silence == 0, "a heartbeat")
        registry.add(Hanging())
        try:
            wait_for(hung.is_set, "the engine's read")
            it.clock.advance(60)
            assert it.engine.snapshot().silence == 60
        finally:
            released.set()
        wait_for(lambda: it.engine.snapshot().silence == 0, "the next heartbeat")
    assert it.engine.snapshot().silence == 0


def test_stops_at_once_while_calls_hang() -> None:
    with running(faults=(parse_fault("stall"),)) as it:
        it.engine.wait_until_ready()
        wait_for(lambda: it.breaker().in_flight > 3, "hanging calls")
        begun = time.monotonic()
        it.engine.stop()
        assert time.monotonic() - begun < 2
        assert it.engine.snapshot().phase is Phase.STOPPED
        it.engine.send(ClearFaults())  # dropped, and nothing breaks
        it.engine.stop()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_has_no_engine_and_leaves_the_parents_alone() -> None:
    with running() as it:
        it.engine.wait_until_ready()
        wait_for(lambda: it.has_answers(3, "ollama_generate"), "an answer")
        registry = it.engine._registry

        def check() -> None:
            seen = it.engine.snapshot()
            assert seen.phase is Phase.FAILED
            assert "forked" in seen.problem
            assert len(registry) == 0
            it.engine.send(ClearFaults())
            it.engine.stop()
            breaker = it.engine.breakers[0]
            assert breaker.snapshot().in_flight == 0
            breaker.call(int)

        in_child(check)
        answers = it.breaker().calls.success
        wait_for(lambda: it.has_answers(answers + 3, "ollama_generate"), "an answer")
        assert it.engine.snapshot().phase is Phase.RUNNING


def test_concurrency_is_bounded_and_skipped_calls_are_counted() -> None:
    with running(faults=(parse_fault("stall"),), concurrency=3, rate=200.0) as it:
        it.engine.wait_until_ready()

        def skipped() -> int:
            traffic = it.engine.snapshot().traffic
            return traffic.skipped if traffic else 0

        wait_for(lambda: skipped() > 10, "a skipped call")
        in_flight = sum(breaker.in_flight for breaker in it.engine.snapshot().breakers)
        assert in_flight == 3


def test_a_taken_default_port_moves_with_a_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr("fuseboard.engine.assembly.DEFAULT_PORT", port)
        with running(metrics_port=None) as it:
            ready = it.engine.wait_until_ready()
            assert ready.notices[0].startswith(f"port {port} is taken: /metrics is on ")
            assert httpx.get(ready.metrics_url).status_code == 200


@pytest.mark.parametrize("option", ["metrics_port", "proxy_port"])
def test_a_taken_port_that_was_asked_for_is_an_error(option: str) -> None:
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        said = f"port {port} on 127.0.0.1 is taken"
        with pytest.raises(PortTakenError, match=said), running(**{option: port}):
            pass


class TestStartThatFails:
    """Nothing stays behind: no bound port, no registered breaker, no thread."""

    @pytest.fixture
    def registry(self) -> Registry:
        return Registry()

    @pytest.fixture
    def ports(self) -> tuple[int, int]:
        with bind("127.0.0.1", 0) as one, bind("127.0.0.1", 0) as other:
            return one.getsockname()[1], other.getsockname()[1]

    @pytest.fixture
    def engine(self, registry: Registry, ports: tuple[int, int]) -> Engine:
        metrics_port, proxy_port = ports
        settings = EngineSettings(
            simulate=True, metrics_port=metrics_port, proxy_port=proxy_port, simulator=FAST
        )
        return Engine(settings, registry=registry, environment=dict[str, str]().get)

    def starts_once_that_is_mended(self, engine: Engine) -> None:
        engine.start()
        try:
            assert engine.wait_until_ready().phase is Phase.RUNNING
        finally:
            engine.stop()

    @pytest.mark.parametrize("taken", [0, 1])
    def test_by_a_taken_port(
        self, engine: Engine, registry: Registry, ports: tuple[int, int], taken: int
    ) -> None:
        with bind("127.0.0.1", ports[taken]):
            with pytest.raises(PortTakenError):
                engine.start()
            assert registry.names() == ()
            bind("127.0.0.1", ports[1 - taken]).close()
        self.starts_once_that_is_mended(engine)

    @pytest.mark.parametrize("name", ["ollama_generate", "ollama_chat", "ollama_embed"])
    def test_by_a_taken_name(
        self, engine: Engine, registry: Registry, ports: tuple[int, int], name: str
    ) -> None:
        theirs = ExternalBreaker(name)
        registry.add(theirs)
        with pytest.raises(ValueError, match=f"a breaker called '{name}' already"):
            engine.start()
        assert list(registry) == [theirs]
        for port in ports:
            bind("127.0.0.1", port).close()
        registry.remove(name)
        self.starts_once_that_is_mended(engine)

    def test_by_a_thread_that_does_not_start(
        self,
        engine: Engine,
        registry: Registry,
        ports: tuple[int, int],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def start(_: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", start)
            with pytest.raises(RuntimeError, match="can't start new thread"):
                engine.start()
        assert registry.names() == ()
        for port in ports:
            bind("127.0.0.1", port).close()
        self.starts_once_that_is_mended(engine)


def test_is_started_only_once() -> None:
    with running(rate=0.5) as it:
        assert it.engine.wait_until_ready().phase is Phase.RUNNING
        with pytest.raises(RuntimeError, match="only once"):
            it.engine.start()
        assert it.engine.snapshot().phase is Phase.RUNNING
    with pytest.raises(RuntimeError, match="only once"):
        it.engine.start()


def test_a_command_before_the_start_is_an_error_at_once() -> None:
    engine = Engine(
        EngineSettings(simulate=True), registry=Registry(), environment=dict[str, str]().get
    )
    begun = time.monotonic()
    with pytest.raises(RuntimeError, match=r"call start\(\) before send\(\)"):
        engine.send(TripBreaker("ollama_generate"))
    assert time.monotonic() - begun < 1
    engine.stop()


def test_a_command_right_after_the_start_is_carried_out() -> None:
    with running(rate=0.01) as it:
        begun = time.monotonic()
        it.engine.send(TripBreaker("ollama_embed"))
        it.engine.send(SetFault("stall", True))
        assert time.monotonic() - begun < 1
        wait_for(lambda: it.breaker("ollama_embed").state is State.OPEN, "OPEN")
        wait_for(lambda: any(f.active for f in it.engine.snapshot().faults), "the fault")


async def test_the_proxy_is_there_for_others(unused_port: int) -> None:
    with running(proxy_port=unused_port, rate=0.1) as it:
        ready = await asyncio.to_thread(it.engine.wait_until_ready)
        assert ready.proxy_url == f"http://127.0.0.1:{unused_port}"
        async with OllamaClient(ready.proxy_url, {}) as client:
            assert await client.version()
            it.engine.send(SetFault("busy503", True))
            await asyncio.to_thread(
                wait_for, lambda: any(f.active for f in it.engine.snapshot().faults), "the fault"
            )
            with pytest.raises(OllamaError, match="HTTP 503: server busy"):
                await client.version()


def test_a_server_that_fails_behind_the_proxy_is_told_on_the_board() -> None:
    told = "the server behind the fault proxy fails: its certificate is not trusted"
    with running(rate=0.01) as it:
        ready = it.engine.wait_until_ready()
        running_engine = it.engine._status.running
        assert running_engine is not None
        proxy = running_engine.proxy
        wait_for(lambda: it.has_answers(1, "ollama_generate"), "the first answer")  # the only one
        it.engine._post(lambda: proxy._note_problem("its certificate is not trusted"))
        wait_for(lambda: it.engine.snapshot().notices == (told,), "the notice")
        assert httpx.get(f"{ready.proxy_url}/api/version").status_code == 200
        wait_for(lambda: not it.engine.snapshot().notices, "the end of the notice")


def test_web_pages_are_kept_from_every_port() -> None:
    with running(rate=0.1, allowed_hosts=("box.example",)) as it:
        ready = it.engine.wait_until_ready()
        assert ready.target is not None
        urls = (ready.metrics_url, f"{ready.proxy_url}/api/tags", f"{ready.target.url}/api/tags")
        for url in urls:
            for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}):
                assert httpx.get(url, headers=headers).status_code == 403, url
            assert httpx.get(url, headers={"Host": "box.example"}).status_code == 200, url
            assert httpx.get(url).status_code == 200, url


def test_rate_and_disabling_on_command() -> None:
    with running() as it:
        it.engine.wait_until_ready()
        it.engine.send(SetRate(7.0))
        it.engine.send(DisableBreaker("ollama_generate"))
        wait_for(lambda: it.breaker().mode is Mode.DISABLED, "the disabled breaker")
        traffic = it.engine.snapshot().traffic
        assert traffic is not None
        assert traffic.rate == 7.0


def test_a_scenario_plays_from_the_start_or_on_command(tmp_path: Path) -> None:
    def active(it: Harness) -> list[str]:
        return [fault.name for fault in it.engine.snapshot().faults if fault.active]

    written = tmp_path / "mine.txt"
    written.write_text("0 error500\n1000 clear\n", encoding="utf-8")
    with running(scenario=find_scenario(str(written))) as it:
        wait_for(lambda: active(it) == ["error500"], "the first step")
        playing = it.engine.snapshot().scenario
        assert playing is not None
        assert (playing.name, playing.next_step) == ("mine", "clear")
        it.wait_for_state(State.OPEN)
        it.engine.send(ClearFaults())
        wait_for(lambda: not active(it), "mended wire")
        assert it.engine.snapshot().scenario is None
        it.engine.send(PlayScenario(find_scenario("outage")))
        wait_for(lambda: it.engine.snapshot().scenario is not None, "the scenario")


async def test_the_key_of_the_environment_goes_with_every_call() -> None:
    asked: dict[str, str | None] = {}

    async def answer(request: Request) -> Response:
        asked[request.url.path] = request.headers.get("Authorization")
        if request.url.path == "/api/tags":
            return JSONResponse({"models": [{"name": "llama3.2:latest"}]})
        return JSONResponse({"response": "hi", "message": {"content": "hi"}, "done": True})

    paths = ("/api/tags", "/api/generate", "/api/chat", "/api/embed")
    app = Starlette(routes=[Route(path, answer, methods=["GET", "POST"]) for path in paths])
    async with served(app) as url:
        environment = {"OLLAMA_HOST": url, "OLLAMA_API_KEY": " secret\n"}
        with running(environment, simulate=False) as it:
            await asyncio.to_thread(it.engine.wait_until_ready)
            await asyncio.to_thread(
                wait_for, lambda: it.breaker().calls.success > 3, "some successes"
            )
    assert "/api/tags" in asked
    assert set(asked.values()) == {"Bearer secret"}


def test_a_key_that_no_header_can_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="OLLAMA_API_KEY") as caught:
        Engine(EngineSettings(simulate=True), environment={"OLLAMA_API_KEY": "two words"}.get)
    assert "two words" not in str(caught.value)


class TestFindingOllama:
    """A simulator in another engine plays the real Ollama."""

    @pytest.fixture
    def ollama(self) -> Iterator[str]:
        with running(rate=0.1) as it:
            yield it.engine.wait_until_ready().proxy_url

    def test_takes_the_one_that_answers(self, ollama: str) -> None:
        with running(simulate=False, environment={"OLLAMA_HOST": ollama}) as it:
            target = it.engine.wait_until_ready().target
            assert target is not None
            assert (target.url, target.simulated) == (ollama, False)
            assert target.model == "llama3.2:latest"

    def test_simulates_where_none_answers(self, unused_port: int) -> None:
        environment = {"OLLAMA_HOST": f"127.0.0.1:{unused_port}"}
        with running(simulate=False, environment=environment) as it:
            target = it.engine.wait_until_ready().target
            assert target is not None
            assert target.simulated

    def test_keeps_to_the_one_that_was_asked_for(self, unused_port: int) -> None:
        with running(simulate=False, ollama=f"127.0.0.1:{unused_port}") as it:
            ready = it.engine.wait_until_ready()
            assert ready.target is not None
            assert not ready.target.simulated
            assert ready.notices == (
                f"http://127.0.0.1:{unused_port} does not answer yet: connect refused",
            )
            it.wait_for_state(State.OPEN)
            assert "connect refused" in it.breaker().why

    def test_says_what_to_pull(self, ollama: str) -> None:
        with running(simulate=False, ollama=ollama, model="mistral") as it:
            failed = it.engine.wait_until_ready()
            assert failed.phase is Phase.FAILED
            assert "`ollama pull mistral`" in failed.problem
            assert "llama3.2:latest" in failed.problem

    def test_the_simulator_has_any_model_that_is_asked_for(self) -> None:
        with running(model="mistral:7b") as it:
            it.engine.wait_until_ready()
            wait_for(lambda: it.breaker().calls.success > 0, "a success")


class TestTraffic:
    def test_by_default_everything_lives(self) -> None:
        with running(traffic=None) as it:
            ready = it.engine.wait_until_ready()
            assert ready.notices == ()
            assert ready.traffic is not None
            assert ready.traffic.kind is TrafficKind.RAG
            for breaker in ("ollama_embed", "ollama_generate"):
                wait_for(partial(it.has_answers, 10, breaker), breaker)
            wait_for(lambda: it.engine.snapshot().caches[0].hits > 20, "hits")
            assert it.engine.snapshot().pools[0].waits.count > 20

    def test_the_simulator_has_any_embedding_model_that_is_asked_for(self) -> None:
        with running(traffic=TrafficKind.EMBED, embedding_model="mxbai-embed-large") as it:
            it.engine.wait_until_ready()
            wait_for(lambda: it.breaker("ollama_embed").calls.success > 0, "a success")

    def test_goes_on_without_a_cache(self) -> None:
        with running(traffic=TrafficKind.RAG, cache_entries=0) as it:
            it.engine.wait_until_ready()
            wait_for(lambda: it.breaker().calls.success > 5, "answers")
            assert it.engine.snapshot().caches == ()

    async def test_a_real_ones_models_are_loaded_one_after_the_other(self) -> None:
        async with recording_simulator() as (url, heard):
            await run_briefly(heard, 20, traffic=None, ollama=url, questions=("my own question?",))
        embedding, speaking, *rest = calls_of(heard)
        assert (embedding.path, embedding.body["model"]) == (
            "/api/embed",
            "nomic-embed-text:latest",
        )
        assert (speaking.path, speaking.body["prompt"]) == ("/api/generate", "")
        assert ["my own question?"] in [
            asked.body["input"] for asked in rest if "input" in asked.body
        ]

    async def test_what_the_traffic_does_not_need_is_not_loaded(self) -> None:
        for kind, path in ((TrafficKind.CHAT, "/api/generate"), (TrafficKind.EMBED, "/api/embed")):
            async with recording_simulator() as (url, heard):
                await run_briefly(heard, 8, traffic=kind, ollama=url)
            assert {asked.path for asked in calls_of(heard)} == {path, f"/api/{kind.value}"}

    async def test_one_that_cannot_embed_is_asked_without_passages(self) -> None:
        async with recording_simulator(CANNOT_EMBED) as (url, heard):
            ready = await run_briefly(heard, 8, traffic=None, ollama=url)
        assert ready.traffic is not None
        assert ready.traffic.kind is TrafficKind.GENERATE
        assert ready.notices[-1] == (
            "no model is known to embed, so traffic is generate, not rag:"
            " `ollama pull nomic-embed-text`, then start again"
        )
        assert {asked.path for asked in calls_of(heard)} == {"/api/generate"}

    @pytest.mark.parametrize("kind", [TrafficKind.RAG, TrafficKind.EMBED])
    async def test_one_that_cannot_embed_is_an_error_where_it_must(self, kind: TrafficKind) -> None:
        async with recording_simulator(CANNOT_EMBED) as (url, heard):
            failed = await run_briefly(heard, 1, traffic=kind, ollama=url)
        assert failed.phase is Phase.FAILED
        assert "no model that is known to embed" in failed.problem
        assert "`ollama pull nomic-embed-text`" in failed.problem

    async def test_the_named_embedding_model_is_taken_if_it_is_there(self) -> None:
        async with recording_simulator(CANNOT_EMBED) as (url, heard):
            failed = await run_briefly(
                heard, 1, traffic=None, ollama=url, embedding_model="all-minilm"
            )
            assert failed.phase is Phase.FAILED
            assert "no model 'all-minilm': pull it with `ollama pull all-minilm`" in failed.problem
            assert "--embedding-model: llama3.2:latest" in failed.problem
            # Whether it embeds is for whoever names it to know.
            ready = await run_briefly(
                heard, 5, traffic=None, ollama=url, embedding_model="llama3.2"
            )
        assert ready.target is not None
        assert ready.target.embedding_model == "llama3.2:latest"
        assert ready.traffic is not None
        assert ready.traffic.kind is TrafficKind.RAG

    def test_one_that_is_silent_is_assumed_to_embed_only_where_it_must(
        self, unused_port: int
    ) -> None:
        silent = f"127.0.0.1:{unused_port}"
        with running(simulate=False, ollama=silent, traffic=None) as it:
            ready = it.engine.wait_until_ready()
            assert ready.traffic is not None
            assert ready.traffic.kind is TrafficKind.GENERATE
            assert ready.notices[-1] == (
                "it is not known what embeds, so traffic is generate:"
                " --traffic rag counts on nomic-embed-text"
            )
            it.wait_for_state(State.OPEN)
        with running(simulate=False, ollama=silent, traffic=TrafficKind.RAG) as it:
            assert len(it.engine.wait_until_ready().notices) == 1
            wait_for(lambda: it.breaker("ollama_embed").state is State.OPEN, "OPEN")
            assert "connect refused" in it.breaker("ollama_embed").why


CANNOT_EMBED = replace(FAST, embedding_models=())


def calls_of(requests: list[ReceivedRequest]) -> list[ReceivedRequest]:
    """Leave out those that only ask which models there are."""
    asking = {"/api/tags", "/api/ps", "/api/show"}
    return [request for request in requests if request.path not in asking]


async def run_briefly(heard: list[ReceivedRequest], requests: int, **settings: object) -> Snapshot:
    """Run an engine before a real server until that has had so many requests."""

    def run() -> Snapshot:
        with running(None, None, simulate=False, concurrency=1, **settings) as it:
            ready = it.engine.wait_until_ready()
            if ready.phase is Phase.RUNNING:
                wait_for(lambda: len(heard) >= requests, "the requests")
            return ready

    return await asyncio.to_thread(run)


@pytest.mark.parametrize(
    "settings",
    [
        {"metrics_namespace": "a-b"},
        {"questions": ()},
        {"traffic": TrafficKind.CHAT, "embedding_model": "nomic-embed-text"},
        {"warm": ("a", "b"), "cache_entries": 3},
        {"warm": ("a", "b"), "cache_entries": 1, "traffic": TrafficKind.CHAT},
        {"warm": ("a",), "cache_entries": 0},
        {"ollama": "http://host:port"},
        {"faults": (("nonsense", FaultSetting()),)},
        {"faults": (("cut", FaultSetting(seconds=3.0)),)},
        {"failure_threshold": 0},
    ],
)
def test_contradictory_settings_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Engine(EngineSettings(**settings), registry=Registry())  # type: ignore[arg-type]


@pytest.fixture
def unused_port() -> int:
    with bind("127.0.0.1", 0) as listener:
        return int(listener.getsockname()[1])
