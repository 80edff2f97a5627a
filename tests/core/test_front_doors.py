"""What each part of the library exports: exactly these names, each of them importable."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from types import ModuleType

import pytest

EXPORTS = {
    "fuseboard": {
        "REGISTRY",
        "Backoff",
        "BreakerSettings",
        "BreakerSnapshot",
        "Call",
        "CircuitBreaker",
        "CircuitOpenError",
        "ConsecutiveFailures",
        "CountWindow",
        "Failure",
        "FailureRate",
        "Mode",
        "Permit",
        "Registry",
        "RejectedBecause",
        "Ruling",
        "SlowCallRate",
        "State",
        "TimeWindow",
        "Transition",
        "TripPolicy",
        "Verdict",
        "__version__",
    },
    "fuseboard.http": {
        "BreakerTransport",
        "RequestRejectedError",
        "anthropic_judge",
        "http_judge",
        "judge_with",
        "llm_judge",
        "ollama_judge",
        "openai_judge",
        "rejection_of",
    },
    "fuseboard.metrics": {
        "METRICS_ENABLED",
        "BreakerCollector",
        "record_circuit_breaker_call",
        "record_circuit_breaker_transition",
        "update_circuit_breaker_failures",
        "update_circuit_breaker_state",
    },
    "fuseboard.ollama": {
        "CachingClient",
        "Deadlines",
        "Embeddings",
        "Message",
        "Model",
        "ModelDetails",
        "OllamaClient",
        "OllamaError",
        "Operation",
        "RunningModel",
        "TextChunk",
        "breaker_per_operation",
        "ollama_api_key",
        "ollama_url",
    },
}

# What a module needs to import its exports on first use.
LAZY_IMPORT_NAMES = {"TYPE_CHECKING", "annotations", "lazy_getattr"}


@pytest.mark.parametrize("door", EXPORTS)
def test_exports_exactly_these_names(door: str) -> None:
    exported = import_module(door).__all__
    assert set(exported) == EXPORTS[door]
    assert len(exported) == len(EXPORTS[door])


@pytest.mark.parametrize(
    ("door", "name"), [(door, name) for door, names in EXPORTS.items() for name in sorted(names)]
)
def test_every_name_can_be_imported(door: str, name: str) -> None:
    assert getattr(import_module(door), name) is not None


@pytest.mark.parametrize("door", EXPORTS)
def test_completion_in_a_shell_offers_the_names(door: str) -> None:
    assert EXPORTS[door] <= set(dir(import_module(door)))


@pytest.mark.parametrize("door", EXPORTS)
def test_nothing_else_is_public_but_submodules(door: str) -> None:
    module = import_module(door)
    public = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not _is_submodule(value, door)
    }
    assert public - LAZY_IMPORT_NAMES <= EXPORTS[door]


@pytest.mark.parametrize("door", EXPORTS)
def test_an_unknown_name_is_an_attribute_error(door: str) -> None:
    with pytest.raises(AttributeError, match="no attribute 'unknown'"):
        _ = import_module(door).unknown


@pytest.mark.parametrize(
    ("door", "absent"),
    [
        ("fuseboard", {"httpx", "prometheus_client", "textual", "cachetools", "fuseboard.http"}),
        ("fuseboard.http", {"httpx", "httpx2", "textual"}),
        ("fuseboard.http.httpx2", {"httpx", "textual"}),
        ("fuseboard.metrics", {"httpx", "prometheus_client", "textual"}),
        ("fuseboard.ollama", {"httpx", "cachetools", "textual"}),
    ],
)
def test_opening_a_door_imports_nothing_heavy(door: str, absent: set[str]) -> None:
    code = f"import sys, {door}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    assert not absent & set(loaded)


def _is_submodule(value: object, door: str) -> bool:
    return isinstance(value, ModuleType) and value.__name__.startswith(f"{door}.")
