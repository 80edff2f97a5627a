"""The command as a process: what it prints, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from fuseboard import __version__
from fuseboard.server.sockets import bind
from tests.core.engine.test_engine import wait_for
from tests.core.serving import FAST, recording_simulator, simulated

COMMAND = [sys.executable, "-m", "fuseboard_tui"]
QUICK = ["serve", "--simulate", "--metrics-port", "0", "--rate", "20"]

Event = dict[str, Any]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60)


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def events(output: str) -> list[Event]:
    return [json.loads(line) for line in output.splitlines()]


def next_event(process: subprocess.Popen[str], kind: str) -> Event:
    assert process.stdout is not None
    for line in process.stdout:
        event: Event = json.loads(line)
        if event["event"] == kind:
            return event
    raise AssertionError(f"{kind} did not come")


def test_the_lines_of_serve_agree_with_its_metrics() -> None:
    """The metrics scraped on the way agree with the transitions and, at the end, the summary."""
    options = ["--failure-threshold", "3", "--recovery-timeout", "0.3", "--fault", "error500"]
    with started(*QUICK, *options, "--traffic", "generate") as process:
        ready = next_event(process, "ready")
        assert ready["simulated"] is True
        assert (ready["model"], ready["traffic"]) == ("llama3.2", "generate")
        assert ready["ollama_url"].startswith("http://127.0.0.1:")
        assert ready["proxy_url"].startswith("http://127.0.0.1:")
        told: dict[tuple[str, str, str], int] = defaultdict(int)
        while told["ollama_generate", "HALF_OPEN", "OPEN"] < 2:
            step = next_event(process, "transition")
            told[step["breaker"], step["from"], step["to"]] += 1
            assert step["at"].endswith("+00:00")
        scraped = {
            tuple(sample.labels.values()): sample.value
            for family in text_string_to_metric_families(httpx.get(ready["metrics_url"]).text)
            for sample in family.samples
            if sample.name.endswith(("_transitions_total", "_calls_total"))
        }
        for step_taken, count in told.items():
            assert scraped[step_taken] >= count
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=20)
    *rest, summary = events(output)
    assert {event["event"] for event in rest} <= {"transition"}
    calls = {breaker["name"]: breaker["calls"] for breaker in summary["breakers"]}
    assert calls["ollama_generate"]["rejected"] > 0
    assert calls["ollama_generate"]["success"] == 0
    for name, counts in calls.items():
        for status, count in counts.items():
            assert scraped[name, status] <= count
    assert (process.returncode, errors) == (0, "")


def test_serve_stops_after_its_duration() -> None:
    ran = run(*QUICK, "--duration", "0.2")
    assert [event["event"] for event in events(ran.stdout)] == ["ready", "summary"]
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_serve_with_the_summary(ending: signal.Signals) -> None:
    with started(*QUICK, "--fault", "stall") as process:
        next_event(process, "ready")
        process.send_signal(ending)
        output, errors = process.communicate(timeout=20)
    assert events(output)[-1]["event"] == "summary"
    assert (process.returncode, errors) == (0, "")


def test_a_closed_stdout_ends_serve() -> None:
    with started(*QUICK, "--fault", "error500", "--recovery-timeout", "0.1") as process:
        next_event(process, "ready")
        assert process.stdout is not None
        process.stdout.close()
        process.wait(timeout=20)
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


@pytest.fixture
def prompts(tmp_path: Path) -> str:
    """A file with prompts."""
    file = tmp_path / "prompts.txt"
    file.write_text("Is it on?\nIs it off?\n")
    return str(file)


@pytest.mark.slow
def test_serve_reports_cache_warming_which_calls_through_the_breakers(prompts: str) -> None:
    with started(*QUICK, "--prompts", prompts, "--warm", "--rate", "0.01") as process:
        next_event(process, "ready")
        told = next_event(process, "warming")
        while told["done"] < told["total"]:
            told = next_event(process, "warming")
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=20)
    assert errors == ""
    assert (told["total"], told["failed"], told["waits_for"]) == (2, 0, None)
    guards = {seen["name"]: seen for seen in events(output)[-1]["breakers"]}
    for name in ("ollama_embed", "ollama_generate"):
        assert guards[name]["calls"]["success"] >= told["total"]


async def test_the_prompts_of_a_file_are_sent_to_the_server(prompts: str) -> None:
    async with recording_simulator() as (url, heard):

        def said() -> set[str]:
            return {str(asked.body["messages"]) for asked in heard if asked.path == "/api/chat"}

        def ask_both() -> int:
            options = ("--traffic", "chat", "--prompts", prompts, "--rate", "20")
            with started("serve", "--ollama", url, "--metrics-port", "0", *options) as process:
                wait_for(lambda: len(said()) == 2, "both prompts")
                process.send_signal(signal.SIGTERM)
                return process.wait(timeout=20)

        assert await asyncio.to_thread(ask_both) == 0
    assert said() == {
        str([{"role": "user", "content": prompt}]) for prompt in ("Is it on?", "Is it off?")
    }


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--traffic", "rag"], "pull one with `ollama pull nomic-embed-text`"),
        (["--traffic", "embed"], "pull one with `ollama pull nomic-embed-text`"),
        (["--embedding-model", "all-minilm"], "pull it with `ollama pull all-minilm`"),
    ],
)
async def test_no_embedding_model_is_an_error_if_embeddings_are_required(
    options: list[str], said: str
) -> None:
    async with simulated(replace(FAST, embedding_models=())) as url:
        ran = await asyncio.to_thread(
            run, "serve", "--ollama", url, "--metrics-port", "0", *options
        )
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
    assert (ran.returncode, ran.stdout) == (2, "")


async def test_without_an_embedding_model_the_traffic_is_generate_and_a_notice_says_so() -> None:
    async with simulated(replace(FAST, embedding_models=())) as url:
        ran = await asyncio.to_thread(
            run, "serve", "--ollama", url, "--metrics-port", "0", "--duration", "0.2"
        )
    assert "traffic is generate, not rag: `ollama pull nomic-embed-text`" in ran.stderr
    assert ran.returncode == 0
    ready = events(ran.stdout)[0]
    assert (ready["traffic"], ready["embedding_model"]) == ("generate", "")


def test_options_may_stand_before_the_command() -> None:
    with bind("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
    ran = run("--simulate", "--metrics-port", str(port), "serve", "--duration", "0.1")
    assert events(ran.stdout)[0]["metrics_url"] == f"http://127.0.0.1:{port}/metrics"


def test_version() -> None:
    ran = run("--version")
    assert (ran.stdout, ran.returncode) == (f"fuseboard {__version__}\n", 0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--fault", "fire"], "there is no fault 'fire'; there are refuse, error500"),
        (["--fault", "cut:2"], "'2' is not a probability above 0 and at most 1, as in cut:0.5"),
        (["--fault", "cut:"], "'' is not a probability"),
        (["--fault", "cut,seconds=2"], "cut has no seconds to choose"),
        (
            ["--scenario", "blackout"],
            "there is no scenario and no file 'blackout'; there are outage",
        ),
        (["--rate", "0"], "'0' is not a number above 0"),
        (["--rate", "nan"], "'nan' is not a number above 0"),
        (["--concurrency", "1.5"], "'1.5' is not a whole number from 1 on"),
        (["--metrics-port", "70000"], "'70000' is not a port from 0 to 65535"),
        (["--ollama", "ftp://x"], "'ftp' is neither http nor https"),
        (["--ollama", "x", "--simulate"], "not allowed with argument"),
        (["serve", "--duration", "-1"], "'-1' is not a number above 0"),
        (["--metrics-host", "no.such.host.invalid", "serve"], "there is no address called"),
        (["--sim"], "unrecognized arguments: --sim"),
        (["serve", "--warm", "no-such.txt"], "cannot read the prompts in no-such.txt: No such"),
        (["--cache-entries", "-1"], "'-1' is not a whole number from 0 on"),
        (["--cache-ttl", "0"], "'0' is not a number of seconds from"),
        (["serve", "--cache-entries", "0", "--warm"], "there is no cache to warm"),
        (
            ["serve", "--cache-entries", "4", "--warm"],
            "the cache has room for 4 answers, and warming it with 16 prompts takes 32",
        ),
        (["--traffic", "rags"], "there is no traffic 'rags'; there are rag, generate, chat, embed"),
        (["--prompts", "no-such.txt"], "cannot read the prompts in no-such.txt: No such"),
        (
            ["serve", "--traffic", "chat", "--embedding-model", "bge-m3"],
            "chat traffic embeds nothing: leave the embedding model out, or choose rag or embed",
        ),
        (["serve", "--metrics-namespace", "a-b"], "not 'a-b'"),
    ],
)
def test_invalid_options_are_refused(arguments: list[str], said: str) -> None:
    ran = run(*arguments)
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
    assert (ran.returncode, ran.stdout) == (2, "")


@pytest.mark.parametrize("option", ["--metrics-port", "--proxy-port"])
def test_a_taken_port_is_an_error_with_advice(option: str) -> None:
    with bind("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
        ran = run("serve", "--simulate", "--metrics-port", "0", option, port)
    assert f"port {port} on 127.0.0.1 is taken" in ran.stderr
    assert option in ran.stderr
    assert (ran.returncode, ran.stdout) == (2, "")


def test_a_screen_needs_a_terminal() -> None:
    ran = run("--simulate")
    assert "`fuseboard serve` runs without one" in ran.stderr
    assert ran.returncode == 2


def test_an_invalid_ollama_host_is_an_error() -> None:
    ran = subprocess.run(
        [*COMMAND, "serve"],
        env={**os.environ, "OLLAMA_HOST": "localhost:http"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "'http' is not a port" in ran.stderr
    assert ran.returncode == 2
