"""The package without any of its extras, in an environment of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

PROGRAM = """
import asyncio, json, sys

loaded_before = set(sys.modules)
from fuseboard import CircuitBreaker, CircuitOpenError, ConsecutiveFailures

loaded = {name.partition(".")[0] for name in set(sys.modules) - loaded_before}

breaker = CircuitBreaker("bare", trip=ConsecutiveFailures(1))
assert breaker.call(int, "7") == 7
try:
    asyncio.run(breaker.call(asyncio.wait_for, asyncio.Event().wait(), 0))
except TimeoutError:
    pass
try:
    breaker.call(int, "7")
except CircuitOpenError as rejection:
    state = rejection.breaker_name + " is " + breaker.state.name

from fuseboard import metrics

metrics.record_circuit_breaker_call("other", "success")
print(json.dumps([sorted(loaded - sys.stdlib_module_names), state, metrics.METRICS_ENABLED]))
"""


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the package alone; returns the directory with `python` and `fuseboard`."""
    scratch = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", scratch / "venv"], check=True)
    programs = scratch / "venv" / "bin"
    pip = programs / "pip"
    index = subprocess.run(
        [pip, "download", "--quiet", "--no-deps", "--dest", scratch, "hatchling"],
        capture_output=True,
        text=True,
    )
    if index.returncode:
        pytest.skip(f"pip reaches no package index: {index.stderr.strip().splitlines()[-1]}")
    subprocess.run([pip, "install", "--quiet", ROOT], check=True)
    return programs


def test_it_is_a_breaker_and_brings_no_more_than_msgspec(programs: Path) -> None:
    installed = subprocess.run(
        [programs / "pip", "list", "--format", "json"], capture_output=True, check=True
    )
    names = {package["name"] for package in json.loads(installed.stdout)}
    assert names - {"pip", "setuptools"} == {"fuseboard", "msgspec"}
    ran = subprocess.run(
        [programs / "python", "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert json.loads(ran.stdout) == [["fuseboard"], "bare is OPEN", False]


def test_the_command_says_what_to_install(programs: Path) -> None:
    for arguments in ([], ["serve", "--simulate"]):
        ran = subprocess.run([programs / "fuseboard", *arguments], capture_output=True, text=True)
        assert "pip install 'fuseboard[board]'" in ran.stderr
        assert "Traceback" not in ran.stderr
        assert (ran.returncode, ran.stdout) == (2, "")
