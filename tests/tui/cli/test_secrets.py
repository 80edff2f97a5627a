"""Passwords and tokens in addresses, and everything that shows an address."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from fuseboard.engine.engine import Engine
from fuseboard.engine.settings import EngineSettings
from fuseboard.snapshot.codec import encode
from fuseboard_tui.cli.main import main
from tests.tui.cli.test_main import next_event, started

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    "address",
    [
        f"http://user:{SECRET}@127.0.0.1:1",
        f"user:{SECRET}@127.0.0.1:1",
        f"http://user:{SECRET}/x@127.0.0.1",
        f"http://host:{SECRET}@/",
        f"ftp://user:{SECRET}@host",
        f"http://host:x/?token={SECRET}",
        f"ftp://host/?token={SECRET}",
        f"http://a b/?token={SECRET}",
    ],
)
@pytest.mark.parametrize("source", ["option", "environment", "config", "position"])
def test_no_message_shows_a_password(
    address: str,
    source: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    arguments = ["serve"]
    if source == "option":
        arguments += ["--ollama", address]
    elif source == "environment":
        monkeypatch.setenv("OLLAMA_HOST", address)
    elif source == "config":
        (tmp_path / "x.toml").write_text(f'ollama = "{address}"\n')
        arguments = ["--config", str(tmp_path / "x.toml"), *arguments]
    elif " " not in address:
        arguments = [address if "://" in address else f"http://{address}"]
    else:
        pytest.skip("nobody can tell where such an address ends")
    assert main(arguments) == 2
    written = "".join(capfd.readouterr())
    assert SECRET not in written
    assert "fuseboard" in written


def test_nothing_that_serve_prints_or_answers_shows_a_token(tmp_path: Path) -> None:
    address = f"http://127.0.0.1:1/?token={SECRET}"
    options = ["serve", "--ollama", address, "--metrics-port", "0", "--rate", "20"]
    record = ["--record", str(tmp_path / "run.jsonl")]
    with started(*options, *record, "--failure-threshold", "1") as process:
        ready = next_event(process, "ready")
        assert ready["ollama_url"] == "http://127.0.0.1:1/?token=…"
        answers = [httpx.get(ready["metrics_url"].replace("/metrics", path)).text for path in PATHS]
        next_event(process, "transition")
        process.terminate()
        output, errors = process.communicate(timeout=20)
    recorded = (tmp_path / "run.jsonl").read_text()
    assert "token=…" in recorded
    assert SECRET not in "".join([output, errors, recorded, *answers])


PATHS = ["/metrics", "/health", "/ready"]


def test_a_snapshot_shows_no_token_and_the_requests_keep_it() -> None:
    engine = Engine(
        EngineSettings(ollama=f"http://127.0.0.1:1/path?token={SECRET}", metrics_port=0)
    )
    engine.start()
    try:
        snapshot = engine.wait_until_ready()
        assert snapshot.target is not None
        assert snapshot.target.url == "http://127.0.0.1:1/path?token=…"
        assert SECRET not in encode(snapshot).decode()
        assert SECRET in engine._assembly._ollama_url
    finally:
        engine.stop()
