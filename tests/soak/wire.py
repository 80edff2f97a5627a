"""Stalled clients, floods and random bytes on every port: `python -m tests.soak.wire`.

One process runs the fault proxy, the simulator and `/metrics`; the clients are in
this one. The report tells what was done and how it went; problems end it with 1.
Linux only. `--quick` only shows that it runs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

_COMMAND = [sys.executable, "-m", "fuseboard_tui", "serve", "--simulate", "--metrics-port", "0"]
_RATE = "2"  # calls of the traffic a second, which must go on meanwhile

_GET = b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n"
_STALLS = (
    b"",
    b"GET /api/tags HTTP/1.1\r\nHost: localh",
    b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999\r\n\r\n" + bytes(65536),
)
_STARTS = (
    b"",
    b"GET ",
    _GET % b"/",
    b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\n",
    b"\x16\x03",
)
_KEPT_OPEN = 16  # connections that carry the requests
_SCRAPE_SECONDS = 5.0
_NOISE_SECONDS = 120.0
_MAX_NOISE = 4096  # bytes

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Address:
    """Where one of the servers listens."""

    name: str
    host: str
    port: int

    @classmethod
    def of(cls, name: str, url: str) -> Address:
        """Return the address in a URL."""
        host, _, port = url.removeprefix("http://").partition("/")[0].rpartition(":")
        return cls(name, host, int(port))

    async def connect(self) -> Streams:
        """Open a connection."""
        return await asyncio.open_connection(self.host, self.port)


@dataclass
class Run:
    """The process, and what was found."""

    process: subprocess.Popen[str]
    proxy: Address
    simulator: Address
    metrics: Address
    problems: list[str] = field(default_factory=list)

    @property
    def ports(self) -> tuple[Address, ...]:
        """Where random bytes are sent."""
        return self.proxy, self.simulator, self.metrics

    def mebibytes(self) -> float:
        """Return the resident memory of the process."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def descriptors(self) -> int:
        """Return how many files the process has open."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def report(self, what: str, began: float) -> None:
        """Print a line about what was done since `began`."""
        seconds = time.perf_counter() - began
        print(
            f"{what:<62} {seconds:>7.1f} s {self.mebibytes():>7.1f} MiB"
            f" {self.descriptors():>5} descriptors",
            flush=True,
        )

    async def check_scrape(self, meanwhile: str) -> None:
        """Check that `/metrics` and the proxy answer."""
        for address, path in ((self.metrics, b"/metrics"), (self.proxy, b"/api/version")):
            try:
                async with asyncio.timeout(_SCRAPE_SECONDS):
                    status, _ = await _exchange(*await address.connect(), path, last=True)
            except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
                self.problems.append(f"{address.name} with {meanwhile}: {error!r}")
            else:
                if status != b"200":
                    self.problems.append(f"{address.name} with {meanwhile}: {status!r}")


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: bytes, *, last: bool = False
) -> tuple[bytes, bytes]:
    """Return the status and the body of the response to a GET."""
    writer.write(_GET % path)
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.lower().partition(b"content-length:")[2].split()
    body = await reader.readexactly(int(length[0])) if length else b""
    if last:
        writer.close()
    return head.split()[1], body


async def hold_stalled(run: Run, count: int) -> None:
    """Hold clients that send nothing, half a head or half a body, on every port."""
    began = time.perf_counter()
    stalled: list[Streams] = []
    for number in range(count):
        with suppress(OSError):
            reader, writer = await run.ports[number % 3].connect()
            writer.write(_STALLS[number // 3 % len(_STALLS)])
            stalled.append((reader, writer))
    await run.check_scrape("stalled clients")
    run.report(f"{len(stalled):,} stalled clients held, /metrics and proxy answer", began)
    await _close(stalled)


async def connect_at_once(run: Run, count: int) -> None:
    """Open connections to the proxy all at once, with a request on each."""
    began = time.perf_counter()

    async def ask() -> bytes:
        try:
            status, _ = await _exchange(*await run.proxy.connect(), b"/api/version", last=True)
        except (OSError, asyncio.IncompleteReadError) as error:
            return repr(error).encode()
        return status

    statuses = Counter(await asyncio.gather(*(ask() for _ in range(count))))
    if statuses != {b"200": count}:
        run.problems.append(f"connections at once: {statuses}")
    run.report(f"{count:,} connections at once through the proxy", began)


async def send_requests(run: Run, count: int) -> None:
    """Send requests through the proxy, over a few connections that stay open."""
    began = time.perf_counter()
    remaining = count
    statuses: Counter[bytes] = Counter()

    async def ask() -> None:
        nonlocal remaining
        reader, writer = await run.proxy.connect()
        while remaining > 0:
            remaining -= 1
            try:
                status, _ = await _exchange(reader, writer, b"/api/version")
            except (OSError, asyncio.IncompleteReadError) as error:
                status = repr(error).encode()
                reader, writer = await run.proxy.connect()
            statuses[status] += 1
        writer.close()

    await asyncio.gather(*(ask() for _ in range(_KEPT_OPEN)))
    if statuses != {b"200": count}:
        run.problems.append(f"requests: {statuses}")
    run.report(f"{count:,} requests through the proxy", began)


async def send_noise(run: Run, count: int, random: Random) -> None:
    """Send random bytes to each port; every connection must end."""
    for address in run.ports:
        began = time.perf_counter()

        async def send(address: Address = address) -> None:
            noise = random.choice(_STARTS) + random.randbytes(random.randrange(_MAX_NOISE))
            with suppress(OSError):
                reader, writer = await address.connect()
                with suppress(OSError):
                    writer.write(noise)
                    writer.write_eof()
                    while await reader.read(65536):
                        pass
                writer.close()

        try:
            async with asyncio.timeout(_NOISE_SECONDS):
                for _ in range(count // 20):
                    await asyncio.gather(*(send() for _ in range(20)))
        except TimeoutError:
            run.problems.append(f"random bytes: a connection to {address.name} hangs")
        await run.check_scrape("random bytes")
        run.report(f"{count:,} times random bytes to the {address.name}", began)


async def _close(clients: Sequence[Streams]) -> None:
    for _, writer in clients:
        writer.transport.abort()
    await asyncio.sleep(0.1)


@contextmanager
def _started() -> Iterator[Run]:
    command = [*_COMMAND, "--rate", _RATE]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            assert process.stdout is not None
            ready: dict[str, Any] = {}
            while ready.get("event") != "ready":
                ready = json.loads(process.stdout.readline())
            run = Run(
                process,
                Address.of("proxy", ready["proxy_url"]),
                Address.of("simulator", ready["ollama_url"]),
                Address.of("/metrics", ready["metrics_url"]),
            )
            yield run
            process.terminate()
            out, err = process.communicate(timeout=20)
            _check_end(run, out, err)
        finally:
            process.kill()


def _check_end(run: Run, out: str, err: str) -> None:
    if run.process.returncode != 0:
        run.problems.append(f"it ended with {run.process.returncode}")
    if "Traceback" in err + out:
        run.problems.append(f"a traceback: {err[-2000:]}")
    summary = json.loads(out.splitlines()[-1])
    for breaker in summary["breakers"]:
        calls = breaker["calls"]
        print(f"{breaker['name']:<62} {calls['success']:>6} ok {calls['failure']:>5} failed")
        if calls["failure"]:
            run.problems.append(f"{breaker['name']}: {calls['failure']} failures")


@asynccontextmanager
async def _measured(run: Run) -> AsyncIterator[None]:
    run.report("start", time.perf_counter())
    yield
    await asyncio.sleep(0.5)
    run.report("end", time.perf_counter())


async def _soak(run: Run, options: argparse.Namespace) -> None:
    async with _measured(run):
        await hold_stalled(run, options.stalled)
        await connect_at_once(run, options.connections)
        await send_requests(run, options.requests)
        await send_noise(run, options.noise, Random(options.seed))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all of it, print a report, and return 1 if there were problems."""
    parser = argparse.ArgumentParser(description="Attack every port of a running fuseboard.")
    parser.add_argument("--stalled", type=int, default=1_500, help="clients (%(default)s)")
    parser.add_argument("--connections", type=int, default=1_000, help="at once (%(default)s)")
    parser.add_argument("--requests", type=int, default=100_000, help="(%(default)s)")
    parser.add_argument("--noise", type=int, default=2_000, help="for each port (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the random bytes (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="only show that it runs")
    options = parser.parse_args(arguments)
    if options.quick:
        options.stalled, options.connections, options.requests, options.noise = 60, 50, 200, 40
    with _started() as run:
        asyncio.run(_soak(run, options))
    for problem in run.problems:
        print(f"PROBLEM: {problem}")
    return 1 if run.problems else 0


if __name__ == "__main__":
    sys.exit(main())
