"""Breakers found by name."""

from __future__ import annotations

import pytest

from fuseboard import CircuitBreaker, ConsecutiveFailures, Registry, State
from fuseboard.breaker.external import ExternalBreaker


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
