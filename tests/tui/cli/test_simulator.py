"""`fuseboard simulator` as a process."""

from __future__ import annotations

import re
import signal
import subprocess

import httpx
import ollama
import pytest

from fuseboard.server.sockets import bind
from tests.tui.cli.test_main import run, started

ARGUMENTS = ["simulator", "--port", "0", "--load-seconds", "0"]


def address_of(process: subprocess.Popen[str]) -> str:
    """Read the line that says where it listens; return what belongs into OLLAMA_HOST."""
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.fullmatch(r"simulated Ollama at http://(\S+) \(OLLAMA_HOST=(\S+) .*\)\n", line)
    assert found, line
    assert found[1] == found[2]
    return found[2]


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_serves_until_a_signal_comes(ending: signal.Signals) -> None:
    pace = ["--tokens-per-second", "0.001"]
    models = ["--model", "mistral", "--model", "qwen3:4b", "--embedding-model", "bge-m3"]
    with started(*ARGUMENTS, *pace, *models) as process:
        address = address_of(process)
        client = ollama.Client(host=address)
        names = [model.model for model in client.list().models]
        assert names == ["mistral:latest", "qwen3:4b", "bge-m3:latest"]
        speaking = client.generate("mistral", "hello", stream=True)
        assert next(iter(speaking)).response
        process.send_signal(ending)
        # The answer that is under way is dropped: it would take hours.
        with pytest.raises(httpx.RemoteProtocolError):
            list(speaking)
        assert process.wait(timeout=20) == 0
        assert process.stdout is not None
        assert process.stderr is not None
        assert (process.stdout.read(), process.stderr.read()) == ("", "")
        client._client.close()


def test_makes_one_response_at_a_time_as_ollama_does() -> None:
    slow = ["--tokens-per-second", "0.001", "--max-queue", "0"]
    with started(*ARGUMENTS, *slow) as process:
        body = {"model": "llama3.2", "prompt": "hello"}
        with (
            httpx.Client(base_url=f"http://{address_of(process)}") as client,
            client.stream("POST", "/api/generate", json=body) as first,
        ):
            assert first.status_code == 200
            assert client.post("/api/generate", json=body).status_code == 503


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "x"], "'x' is not a port from 0 to 65535"),
        (["--parallel", "0"], "'0' is not a whole number from 1 on"),
        (["--max-queue", "-1"], "'-1' is not a whole number from 0 on"),
        (["--load-seconds", "-1"], "'-1' is not a number from 0 on"),
        (["--tokens-per-second", "0"], "'0' is not a number above 0"),
        (["--model", "a b"], "'a b' is no name of a model"),
        (["--allow-host", "http://a"], "'http://a' is no host's name"),
        (["--allow-origin", "chat.example"], "'chat.example' is no web site's origin"),
        (["--host", "no.such.host.invalid", "--port", "0"], "there is no address called"),
    ],
)
def test_invalid_options_are_refused(arguments: list[str], said: str) -> None:
    ran = run("simulator", *arguments)
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
    assert (ran.returncode, ran.stdout) == (2, "")


def test_a_taken_port_is_an_error_with_advice() -> None:
    with bind("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
        ran = run("simulator", "--port", port)
    assert f"port {port} on 127.0.0.1 is taken; choose another with --port" in ran.stderr
    assert (ran.returncode, ran.stdout) == (2, "")


def test_foreign_web_pages_are_refused_unless_they_are_allowed() -> None:
    sent = [{"Host": "box.example"}, {"Origin": "https://chat.example"}]
    allowed = ["--allow-host", "box.example", "--allow-origin", "https://chat.example"]
    for options, status in (([], 403), (allowed, 200)):
        with started(*ARGUMENTS, *options) as process:
            url = f"http://{address_of(process)}/api/version"
            statuses = [httpx.get(url, headers=headers).status_code for headers in sent]
        assert statuses == [status, status]
