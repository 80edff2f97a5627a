"""`fuseboard serve` where a process may have few files open."""

from __future__ import annotations

import resource
import signal
import socket
import subprocess

import httpx

from tests.tui.cli.test_main import COMMAND, QUICK, events, next_event

DESCRIPTORS = 64


def test_idle_clients_of_the_proxy_kill_neither_the_metrics_nor_the_traffic() -> None:
    limits = (DESCRIPTORS, DESCRIPTORS)
    process = subprocess.Popen(
        [*COMMAND, *QUICK],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limits),
    )
    with process:
        try:
            ready = next_event(process, "ready")
            where = httpx.URL(ready["proxy_url"])
            assert where.port is not None
            idle = [socket.create_connection((where.host, where.port)) for _ in range(100)]
            with httpx.Client(timeout=10) as http:
                for _ in range(5):
                    assert http.get(ready["metrics_url"]).status_code == 200
                    assert http.get(f"{ready['proxy_url']}/api/version").status_code == 200
            for client in idle:
                client.close()
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=20)
        finally:
            process.kill()
    assert "Traceback" not in err
    for breaker in events(out)[-1]["breakers"]:
        assert breaker["calls"]["failure"] == 0
        assert breaker["state"] == "CLOSED"
