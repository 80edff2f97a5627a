"""Breakers found by name."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from decimal import Decimal
from random import Random
from typing import Any

import httpx
import pytest

from fuseboard import CircuitBreaker, ConsecutiveFailures, FailureRate, Registry, State
from fuseboard.breaker.external import ExternalBreaker
from fuseboard.http.pool import ConnectionPool
from fuseboard.ollama.response_cache import ResponseCache
from tests.core.clock import ManualClock


def test_makes_a_breaker_once() -> None:
    registry = Registry()
    made = registry.breaker("payments", trip=ConsecutiveFailures(1))
    assert registry.breaker("payments", recovery_timeout=5) is made
    assert made.settings.recovery_timeout == 30
    assert registry.names() == ("payments",)


def test_finds_configures_and_commands_by_name() -> None:
    registry = Registry()
    registry.add(CircuitBreaker("payments"))
    registry.find("payments").configure(recovery_timeout=5)
    registry.find("payments").trip()
    assert registry.snapshots()[0].state is State.OPEN
    assert registry.snapshots()[0].recovery_timeout == 5


def test_says_what_it_cannot_find() -> None:
    registry = Registry()
    registry.add(ExternalBreaker("theirs"))
    with pytest.raises(LookupError, match="no breaker called 'ours'"):
        registry.find("ours")
    with pytest.raises(TypeError, match="only reported"):
        registry.find("theirs")
    with pytest.raises(ValueError, match="a breaker called 'theirs' already"):
        registry.add(CircuitBreaker("theirs"))
    with pytest.raises(TypeError, match="only reported"):
        registry.breaker("theirs")
    registry.remove("theirs")
    assert len(registry) == 0


def test_senseless_settings_make_no_breaker() -> None:
    registry = Registry()
    with pytest.raises(ValueError, match="max_probes"):
        registry.breaker("payments", max_probes=0)
    assert registry.names() == ()


class Reported:
    """What somebody registers: it returns whatever it is made with, or raises it."""

    def __init__(self, name: str, returned: Any) -> None:
        self.name = name
        self.returned = returned

    def snapshot(self) -> Any:
        if isinstance(self.returned, Exception):
            raise self.returned
        return self.returned


@pytest.mark.parametrize(
    "returned",
    [RuntimeError("no"), None, "model", ExternalBreaker("other").snapshot()],
    ids=["raises", "nothing", "text", "another's"],
)
def test_what_cannot_be_read_is_left_out_and_logged_once(
    returned: Any, caplog: pytest.LogCaptureFixture
) -> None:
    registry = Registry()
    registry.breaker("good")
    registry.add(Reported("bad", returned))
    for _ in range(3):
        assert [seen.name for seen in registry.snapshots()] == ["good"]
    assert caplog.text.count("the breaker 'bad' cannot be read") == 1
    registry.remove("bad")
    registry.add(Reported("bad", returned))
    registry.snapshots()
    assert caplog.text.count("the breaker 'bad' cannot be read") == 2


class TestOtherSettings:
    """A breaker that is found with other settings than are asked for."""

    def test_is_logged_once_for_each_name(self, caplog: pytest.LogCaptureFixture) -> None:
        registry = Registry()
        for name in ("one", "two"):
            registry.breaker(name, recovery_timeout=30, max_probes=2)
            for _ in range(3):
                registry.breaker(name, recovery_timeout=5, max_probes=2, successes_to_close=4)
        messages = [record.getMessage() for record in caplog.records]
        assert messages == [
            f"the breaker {name!r} exists and keeps its settings: "
            "recovery_timeout is 30, not 5; successes_to_close is 1, not 4"
            for name in ("one", "two")
        ]
        assert {record.levelname for record in caplog.records} == {"WARNING"}

    def test_equal_ones_and_none_are_no_matter(self, caplog: pytest.LogCaptureFixture) -> None:
        registry = Registry()

        def make(**more: Any) -> CircuitBreaker:
            return registry.breaker(
                "model",
                trip=ConsecutiveFailures(3) | FailureRate(0.5),
                recovery_timeout=Decimal("0.1"),  # type: ignore[arg-type]
                **more,
            )

        made = make()
        assert make() is made
        assert make(max_probes=1) is made
        assert registry.breaker("model") is made
        assert caplog.records == []

    def test_wrong_ones_are_refused_although_it_exists(self) -> None:
        registry = Registry()
        registry.breaker("model")
        with pytest.raises(ValueError, match="max_probes"):
            registry.breaker("model", max_probes=0)
        with pytest.raises(TypeError, match="tripp"):
            registry.breaker("model", tripp=ConsecutiveFailures(1))  # type: ignore[call-arg]


class TestEviction:
    """Breakers per key, of which those that nobody uses do not stay."""

    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    def registry(self, clock: ManualClock) -> Registry:
        return Registry(idle_seconds=60, clock=clock)

    def test_the_idle_are_evicted_when_snapshots_are_taken(
        self, registry: Registry, clock: ManualClock
    ) -> None:
        registry.breaker("idle")
        clock.advance(30)
        registry.breaker("asked for")
        busy = CircuitBreaker("added")
        registry.add(busy)
        clock.advance(30)
        assert [seen.name for seen in registry.snapshots()] == ["asked for", "added"]
        assert registry.names() == ("asked for", "added")
        clock.advance(30)
        assert [seen.name for seen in registry.snapshots()] == ["added"]

    def test_calls_keep_it_though_it_is_not_looked_up(
        self, registry: Registry, clock: ManualClock
    ) -> None:
        breaker = registry.breaker("model")
        for _ in range(9):
            clock.advance(59)
            breaker.call(int)
            assert registry.names() == ("model",)
            registry.snapshots()
        clock.advance(60)
        assert registry.snapshots() == ()

    def test_a_program_that_nobody_scrapes_does_not_grow(
        self, registry: Registry, clock: ManualClock
    ) -> None:
        most = 0
        for number in range(1000):
            registry.breaker(f"host {number}").call(int)
            clock.advance(1)
            most = max(most, len(registry))
        assert most < 100

    @pytest.mark.parametrize(
        "use",
        [
            CircuitBreaker.trip,
            CircuitBreaker.force_open,
            CircuitBreaker.disable,
            CircuitBreaker.only_measure,
            lambda breaker: breaker.configure(recovery_timeout=5),
        ],
    )
    @pytest.mark.parametrize("limit", [{"max_breakers": 1}, {"idle_seconds": 60}], ids=str)
    def test_one_that_is_needed_stays(
        self, clock: ManualClock, use: Callable[[CircuitBreaker], object], limit: dict[str, int]
    ) -> None:
        registry = Registry(clock=clock, **limit)
        needed = registry.breaker("needed")
        use(needed)
        clock.advance(100)
        registry.snapshots()
        registry.breaker("other")
        assert registry.get("needed") is needed

    @pytest.mark.parametrize("limit", [{"max_breakers": 1}, {"idle_seconds": 60}], ids=str)
    def test_one_with_a_call_in_flight_stays(
        self, clock: ManualClock, limit: dict[str, int]
    ) -> None:
        registry = Registry(clock=clock, **limit)
        hanging = registry.breaker("hanging")
        permit = hanging.acquire()
        clock.advance(100)
        registry.snapshots()
        registry.breaker("other")
        assert registry.get("hanging") is hanging
        permit.success()
        registry.snapshots()
        clock.advance(100)
        registry.snapshots()
        registry.breaker("another")
        assert registry.get("hanging") is None

    def test_a_half_open_one_stays(self, registry: Registry, clock: ManualClock) -> None:
        breaker = registry.breaker("model", recovery_timeout=1e-9)
        breaker.trip()
        assert breaker.state is State.HALF_OPEN
        clock.advance(1000)
        registry.snapshots()
        assert registry.get("model") is breaker
        breaker.call(int)
        registry.snapshots()
        clock.advance(60)
        assert registry.snapshots() == ()

    def test_who_holds_an_evicted_one_gets_it_again_with_its_counters(
        self, registry: Registry, clock: ManualClock
    ) -> None:
        held = registry.breaker("model")
        held.call(int)
        registry.snapshots()
        clock.advance(60)
        assert registry.snapshots() == ()
        assert registry.breaker("model") is held
        assert registry.snapshots()[0].calls.success == 1

    def test_one_that_is_used_after_its_eviction_comes_back(
        self, registry: Registry, clock: ManualClock
    ) -> None:
        held = registry.breaker("model")
        clock.advance(60)
        assert registry.snapshots() == ()
        held.call(int)
        clock.advance(5)
        assert [seen.calls.success for seen in registry.snapshots()] == [1]
        clock.advance(60)
        assert registry.snapshots() == ()

    def test_one_that_nobody_holds_is_gone(self, registry: Registry, clock: ManualClock) -> None:
        gone = weakref.ref(registry.breaker("model"))
        registry.breaker("model").call(int)
        registry.snapshots()
        clock.advance(60)
        registry.snapshots()
        gc.collect()
        assert gone() is None
        assert registry.breaker("model").snapshot().calls.total == 0

    def test_a_name_can_be_taken_from_an_evicted_one(
        self, registry: Registry, clock: ManualClock
    ) -> None:
        held = registry.breaker("model")
        clock.advance(60)
        registry.snapshots()
        mine = CircuitBreaker("model")
        registry.add(mine)
        held.call(int)
        clock.advance(60)
        assert [seen.calls.total for seen in registry.snapshots()] == [0]
        assert registry.breaker("model") is mine
        registry.remove("model")
        assert registry.breaker("model") is not held

    def test_of_too_many_the_least_recently_used_goes(self, clock: ManualClock) -> None:
        registry = Registry(max_breakers=3, clock=clock)
        for name in "abc":
            registry.breaker(name)
        registry.breaker("a")
        registry.breaker("d")
        assert registry.names() == ("a", "c", "d")

    def test_one_that_is_called_without_being_looked_up_is_used(self, clock: ManualClock) -> None:
        registry = Registry(max_breakers=3, clock=clock)
        called = registry.breaker("called")
        for number in range(50):
            called.call(int)
            registry.breaker(f"host {number}")
            assert registry.get("called") is called
            assert len(registry) <= 3

    def test_if_all_are_in_use_one_goes_all_the_same(self, clock: ManualClock) -> None:
        registry = Registry(max_breakers=3, clock=clock)
        for number in range(20):
            registry.breaker(f"host {number}").call(int)
            assert len(registry) <= 3
            assert registry.names()[-1] == f"host {number}"

    def test_one_of_many_threads_gets_the_breaker_that_the_others_get(self) -> None:
        registry = Registry(max_breakers=4, idle_seconds=1e-9)
        held = {name: registry.breaker(name) for name in "abcdefgh"}
        wrong: list[str] = []

        def look_up(seed: int) -> None:
            rng = Random(seed)
            for _ in range(400):
                name = rng.choice("abcdefgh")
                if registry.breaker(name) is not held[name]:
                    wrong.append(name)
                held[name].call(int)
                if rng.random() < 0.1:
                    registry.snapshots()

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(look_up, range(8)))
        assert wrong == []
        assert sum(breaker.snapshot().calls.success for breaker in held.values()) == 3200

    def test_the_default_registry_evicts_nothing(self) -> None:
        registry = Registry()
        for number in range(100):
            registry.breaker(f"host {number}")
        assert len(registry) == len(registry.snapshots()) == 100


@dataclass
class App:
    """What an app holds."""

    registry: Registry
    pool: ConnectionPool
    cache: ResponseCache
    theirs: ExternalBreaker


def test_what_is_alive_is_not_copied_and_says_that_it_cannot_be_pickled() -> None:
    app = App(
        Registry(),
        ConnectionPool("pool", httpx.AsyncHTTPTransport(), 1, timeout=1),
        ResponseCache("cache", 1, 1),
        ExternalBreaker("theirs"),
    )
    assert asdict(app) == vars(app)
    assert vars(copy.deepcopy(app)) == vars(copy.copy(app)) == vars(app)
    for part in (*vars(app).values(), app.registry.pools):
        assert copy.copy(part) is part
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with pytest.raises(TypeError, match=f"a {type(part).__name__} .* cannot be pickled"):
                pickle.dumps(part, protocol)
