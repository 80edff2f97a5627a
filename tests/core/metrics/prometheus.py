"""Prometheus and promtool for tests; a test that asks is skipped where they are not installed."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from fuseboard.server.sockets import bind

Sample = dict[str, Any]

_PATIENCE = 60.0  # seconds; a fresh Prometheus takes five until its first scrape
_POLL = 0.05


def free_port() -> int:
    with bind("127.0.0.1", 0) as listener:
        port: int = listener.getsockname()[1]
        return port


def installed(program: str) -> str:
    """Find a program, or skip the test."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed; it is in Debian's package prometheus")
    return found


def promtool(*arguments: str | Path, reads: str = "") -> subprocess.CompletedProcess[str]:
    command = [installed("promtool"), *map(str, arguments)]
    return subprocess.run(command, input=reads, capture_output=True, text=True, timeout=60)


def until(holds: Callable[[], bool], what: str) -> None:
    """Poll until something holds; fails with `what` was waited for when patience is over."""
    deadline = time.monotonic() + _PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(_POLL)


class Prometheus:
    """The query API of a running Prometheus."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=10)

    def is_ready(self) -> bool:
        try:
            return self._http.get("/-/ready").is_success
        except httpx.TransportError:
            return False

    def get(self, path: str, **parameters: str) -> dict[str, Any]:
        answer = self._http.get(f"/api/v1/{path}", params=parameters).json()
        assert answer["status"] == "success", answer
        data: dict[str, Any] = answer["data"]
        return data

    def query(self, expression: str) -> list[Sample]:
        """Ask for a vector (or, with a range, a matrix) at this moment."""
        result: list[Sample] = self.get("query", query=expression)["result"]
        return result

    def holds(self, condition: str) -> bool:
        return bool(self.query(condition))

    def values(self, expression: str, *labels: str) -> dict[tuple[str, ...], float]:
        """The value of each series of a vector by some of its labels."""
        return {
            tuple(series["metric"][label] for label in labels): float(series["value"][1])
            for series in self.query(expression)
        }

    def close(self) -> None:
        self._http.close()


@contextmanager
def running_prometheus(config: Path) -> Iterator[Prometheus]:
    """Run a Prometheus of its own, which keeps its data beside its configuration."""
    address = f"127.0.0.1:{free_port()}"
    command = [
        installed("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={config.parent / 'data'}",
        f"--web.listen-address={address}",
        "--log.level=warn",
    ]
    with (config.parent / "prometheus.log").open("w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=config.parent)
        prometheus = Prometheus(f"http://{address}")
        try:
            until(prometheus.is_ready, "Prometheus is ready")
            yield prometheus
        finally:
            prometheus.close()
            process.terminate()
            process.wait(timeout=20)
