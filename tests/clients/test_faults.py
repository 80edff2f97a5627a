"""The table of clients under the faults is made of what really happens, and has every fault."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import openai
import pytest

from fuseboard.faults.catalogue import CATALOGUE, find_fault
from tests.clients.driver import CLIENTS
from tests.clients.faults import (
    DOCUMENT,
    REJECTED,
    REQUIREMENTS,
    Environments,
    Observation,
    document,
    observe,
    package_of,
    verdicts_of,
)

needs_openai_3 = pytest.mark.skipif(
    int(openai.__version__.partition(".")[0]) < 3, reason="openai is built on httpx2 from 3 on"
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("client", "stalled", "crashed", "rejected"),
    [
        ("ollama", "httpx.ReadTimeout", "ollama.ResponseError", "fuseboard.RequestRejectedError"),
        pytest.param(
            "openai 3",
            "openai.APITimeoutError",
            "openai.InternalServerError",
            "openai.APIConnectionError",
            marks=needs_openai_3,
        ),
    ],
)
async def test_a_client_is_observed_under_faults(
    client: str, stalled: str, crashed: str, rejected: str
) -> None:
    faults = [find_fault(name) for name in ("stall", "error500", "refuse", "cut", "latency")]
    seen = await observe(sys.executable, client, faults, stream=True)
    assert seen["stall"] == Observation(f"`{stalled}`", "failure: timed out", False)
    assert seen["error500"].sees == f"`{crashed}`"
    assert seen["error500"].verdict.startswith("failure: HTTP 500: ")
    assert seen["refuse"].verdict == "failure: connect refused"
    assert seen["cut"].sees == "**an answer**"
    assert seen["cut"].is_unnoticed
    assert seen["latency"] == Observation("an answer", "success", False)
    assert seen[REJECTED] == Observation(f"`{rejected}`", "rejected", False)


@pytest.mark.slow
async def test_a_client_that_does_not_work_is_no_observation() -> None:
    with pytest.raises(RuntimeError, match="ended"):
        await observe(sys.executable, "litellm without litellm", [], stream=True)


def test_a_verdict_is_told_once_and_then_the_exceptions() -> None:
    yes, no = Observation("x", "success", False), Observation("x", "failure: y", False)
    assert verdicts_of({"ollama": yes, "openai 1": yes}) == "success"
    assert (
        verdicts_of({"ollama": no, "openai 1": yes, "openai 3": yes})
        == "success<br>ollama: failure: y"
    )


def test_what_a_client_does_not_notice_stands_out() -> None:
    report = {"text": True, "error": None, "rejected": False, "rulings": [["failure", "cut"]]}
    table = {"cut": {"ollama": Observation.from_report(report)}}
    text = document(table, table, ["ollama 1"])
    assert "| `cut` | failure: cut | **an answer** |" in text
    assert "\n- Streamed: `cut` with ollama.\n- Not streamed: `cut` with ollama.\n" in text


def test_every_client_has_a_driver_and_requirements() -> None:
    assert CLIENTS.keys() == REQUIREMENTS.keys()
    assert package_of("pydantic-ai-slim[openai]") == "pydantic-ai-slim"
    assert package_of("openai>=3,<4") == package_of("openai<2") == "openai"


def test_equal_requirements_share_an_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[tuple[object, ...]] = []
    monkeypatch.setattr("tests.clients.faults._run", lambda *command: commands.append(command))
    environments = Environments(tmp_path)
    assert environments.python(["a"]) == environments.python(["a"])
    assert environments.python(["a"]) != environments.python(["b"])
    assert len(commands) == 4


def test_the_page_has_every_fault_and_every_client() -> None:
    """Run `python -m tests.clients.faults` where this fails."""
    streamed, whole = DOCUMENT.read_text().split("## Not streamed")
    for text in (streamed, whole):
        rows = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
        assert rows == [fault.name for fault in CATALOGUE]
        assert f"| {' | '.join(CLIENTS)} |" in text
