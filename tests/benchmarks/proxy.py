"""The cost of the fault proxy, compared with a direct connection.

`python -m tests.benchmarks.proxy` takes about a minute; `--quick` only shows that it
runs. Server, proxy and client are a process each. The client is minimal, so that
the wire and the proxy dominate the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from statistics import median
from time import perf_counter
from typing import Any

from fuseboard.faults.proxy.proxy import FaultProxy
from fuseboard.faults.switches import FaultSwitches
from fuseboard.server.sockets import bind, url_of

_CHUNKS = 200  # of a stream
_LINE = b'{"model":"m","created_at":"2026-01-01T00:00:00Z","response":" a","done":false}\n'
_CHUNK = b"%x\r\n%b\r\n" % (len(_LINE), _LINE)
_SMALL = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n" + b"x" * 20
)
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
)
_END = b"0\r\n\r\n"
_UPLOAD = 4 * 1024 * 1024  # bytes

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Load:
    """One kind of traffic."""

    description: str
    exchange: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
    connections: int
    exchanges: int
    """Per connection."""


async def _ask_small(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(20)


async def _ask_stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await reader.readuntil(_END)


async def _upload(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"POST /small HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % _UPLOAD)
    writer.write(bytes(_UPLOAD))
    await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(20)


LOADS = (
    Load("small answers, one after the other", _ask_small, 1, 500),
    Load("small answers, 16 connections", _ask_small, 16, 60),
    Load(f"streams of {_CHUNKS} lines, 8 connections", _ask_stream, 8, 5),
    Load(f"uploads of {_UPLOAD // 1024**2} MiB, 1 connection", _upload, 1, 5),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the time of an exchange with and without the proxy, and what it adds."""
    parser = argparse.ArgumentParser(description="Measure what the fault proxy costs.")
    parser.add_argument("--rounds", type=int, default=7, help="of each load (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="only show that it runs")
    options = parser.parse_args(arguments)
    rounds = 1 if options.quick else options.rounds
    print(f"{'ms an exchange':<42} {'direct':>8} {'proxy':>8} {'added':>8} {'ratio':>7}")
    with _process(_serve) as upstream, _process(_proxy, upstream) as proxy:
        for load in LOADS:
            direct, proxied = [], []
            for _ in range(rounds):  # alternating, so that both run under the same load
                direct.append(asyncio.run(_measure(load, upstream)))
                proxied.append(asyncio.run(_measure(load, proxy)))
            plain, through = median(direct), median(proxied)
            print(
                f"{load.description:<42} {plain:>8.3f} {through:>8.3f}"
                f" {through - plain:>8.3f} {through / plain:>6.1f}×"
            )


async def _measure(load: Load, url: str) -> float:
    """Return the milliseconds per exchange, over all connections."""
    host, _, port = url.removeprefix("http://").partition(":")
    connections: list[Streams] = [
        await asyncio.open_connection(host, int(port)) for _ in range(load.connections)
    ]

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(load.exchanges):
            await load.exchange(reader, writer)

    await asyncio.gather(*(load.exchange(*connection) for connection in connections))
    started = perf_counter()
    await asyncio.gather(*(talk(*connection) for connection in connections))
    taken = perf_counter() - started
    for _, writer in connections:
        writer.close()
    return taken * 1000 / (load.exchanges * load.connections)


@contextmanager
def _process(target: Callable[..., Any], *arguments: object) -> Iterator[str]:
    """Run a server in a process of its own, and yield its URL."""
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    process = spawning.Process(target=target, args=(theirs, *arguments), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def _serve(tell: Connection) -> None:
    async def run() -> None:
        listener = bind("127.0.0.1", 0)
        server = await asyncio.start_server(_answer, sock=listener)
        tell.send(url_of(listener))
        await server.serve_forever()

    asyncio.run(run())


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            writer.close()
            return
        length = head.lower().partition(b"content-length:")[2].split()
        if length:
            await reader.readexactly(int(length[0]))
        if b"/stream" not in head:
            writer.write(_SMALL)
            continue
        writer.write(_STREAM_HEAD)
        for _ in range(_CHUNKS):
            writer.write(_CHUNK)
            await asyncio.sleep(0)
        writer.write(_END)


def _proxy(tell: Connection, upstream: str) -> None:
    async def run() -> None:
        proxy = FaultProxy(bind("127.0.0.1", 0), upstream, FaultSwitches())
        await proxy.start()
        tell.send(proxy.url)
        await asyncio.Event().wait()

    asyncio.run(run())


if __name__ == "__main__":
    main()
