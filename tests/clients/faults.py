"""What other people's clients see of each fault, and what the breaker says of it.

`python -m tests.clients.faults` makes an environment for each client in a temporary
directory, runs each behind the fault proxy in front of the simulator, and writes
docs/clients.md. It takes some minutes, and needs a package index and `uv`, or else pip.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fuseboard.faults.catalogue import CATALOGUE, Fault
from fuseboard.faults.switches import FaultSwitches
from tests.clients import driver
from tests.core.serving import closed_port, open_port, proxied, simulated

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "clients.md"
REJECTED = "rejected"
"""The row in which the breaker is open."""

REQUIREMENTS = {
    "ollama": ["ollama"],
    "langchain-ollama": ["langchain-ollama"],
    "litellm ollama_chat": ["litellm"],
    "openai 1": ["openai<2"],
    "openai 3": ["openai>=3,<4"],
    "langchain-openai": ["langchain-openai", "openai>=3"],
    "litellm openai": ["litellm"],
    "pydantic-ai": ["pydantic-ai-slim[openai]", "openai>=3"],
    "anthropic 2": ["anthropic>=2,<3"],
}
# Short enough for a table in a minute; a drip would otherwise outlast everybody's patience.
SECONDS = {"latency": 0.1, "drip": 0.02}
_AT_ONCE = 2  # clients; a third would only take the time that the deadlines of others measure
_PATIENCE = 60.0  # seconds for one call of a client


@dataclass(frozen=True, slots=True)
class Observation:
    """What one call came to."""

    sees: str
    """What the client sees, in Markdown."""
    verdict: str
    """Of the breaker, with its reason."""
    is_unnoticed: bool
    """Whether the client takes for an answer what the breaker counts as a failure."""

    @classmethod
    def from_report(cls, report: Mapping[str, Any]) -> Observation:
        """Return the observation that a driver reported."""
        verdict = "; ".join(": ".join(filter(None, ruling)) for ruling in report["rulings"])
        if report["error"]:
            sees = (
                f"some text, then `{report['error']}`" if report["text"] else f"`{report['error']}`"
            )
        else:
            sees = "an answer" if report["text"] else "an empty answer"
        unnoticed = not report["error"] and verdict.startswith("failure")
        return cls(
            f"**{sees}**" if unnoticed else sees,
            "rejected" if report["rejected"] else verdict or "nothing yet",
            unnoticed,
        )


Table = Mapping[str, Mapping[str, Observation]]
"""Observations by fault and client."""


class Driver:
    """A client in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def ask(self, *, stream: bool, reject: bool = False) -> Observation:
        """Make one call.

        Raises:
            RuntimeError: If the client's process ended.
            TimeoutError: If the call does not end.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = json.dumps({"stream": stream, "reject": reject})
        self._process.stdin.write(order.encode() + b"\n")
        async with asyncio.timeout(_PATIENCE):
            while line := await self._process.stdout.readline():
                if line.startswith(b'{"text"'):  # clients print advice, too
                    return Observation.from_report(json.loads(line))
        raise RuntimeError("the client's process ended")


@asynccontextmanager
async def driving(python: str | Path, client: str, url: str) -> AsyncIterator[Driver]:
    """Start a client in a Python environment."""
    process = await asyncio.create_subprocess_exec(
        python,
        driver.__file__,
        client,
        url,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={"LITELLM_LOCAL_MODEL_COST_MAP": "True", "PYTHONPATH": str(ROOT / "core")},
    )
    try:
        yield Driver(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def observe(
    python: str | Path, client: str, faults: Sequence[Fault], *, stream: bool
) -> dict[str, Observation]:
    """Return what a client makes of each fault, and of a rejection."""
    seen = {}
    switches = FaultSwitches()
    async with (
        simulated() as upstream,
        proxied(upstream, switches) as url,
        driving(python, client, url) as driven,
    ):
        well = await driven.ask(stream=stream)
        if (well.sees, well.verdict) != ("an answer", "success"):
            raise RuntimeError(f"{client} does not work without any fault: {well}")
        for fault in faults:
            seconds = SECONDS.get(fault.name)
            setting = fault.setting(**({} if seconds is None else {"seconds": seconds}))
            switches.switch(fault.name, active=True, setting=setting)
            if fault.closes_port:
                await closed_port(url)
            seen[fault.name] = await driven.ask(stream=stream)
            switches.clear()
            await open_port(url)
        seen[REJECTED] = await driven.ask(stream=stream, reject=True)
    return seen


async def observe_all(
    pythons: Mapping[str, str | Path], faults: Sequence[Fault], *, stream: bool
) -> Table:
    """Return what each client makes of each fault."""
    at_once = asyncio.Semaphore(_AT_ONCE)

    async def one(client: str) -> dict[str, Observation]:
        async with at_once:
            return await observe(pythons[client], client, faults, stream=stream)

    columns = await asyncio.gather(*map(one, pythons))
    rows = [*(fault.name for fault in faults), REJECTED]
    return {
        row: {client: seen[row] for client, seen in zip(pythons, columns, strict=True)}
        for row in rows
    }


def verdicts_of(row: Mapping[str, Observation]) -> str:
    """Return what the breaker says in a row: what it says most often, then the exceptions."""
    clients: dict[str, list[str]] = {}
    for client, seen in row.items():
        clients.setdefault(seen.verdict, []).append(client)
    most = max(clients, key=lambda verdict: len(clients[verdict]))
    others = (f"{', '.join(clients[other])}: {other}" for other in clients if other != most)
    return "<br>".join([most, *others])


def draw(table: Table) -> Iterator[str]:
    """Yield the lines of a table in Markdown."""
    clients = [*next(iter(table.values()))]
    yield f"| fault | the breaker says | {' | '.join(clients)} |"
    yield f"| --- | --- |{' --- |' * len(clients)}"
    for name, row in table.items():
        label = "*the breaker is open*" if name == REJECTED else f"`{name}`"
        seen = " | ".join(observation.sees for observation in row.values())
        yield f"| {label} | {verdicts_of(row)} | {seen} |"


def document(streamed: Table, whole: Table, versions: Sequence[str]) -> str:
    """Return the text of docs/clients.md."""
    introduction = f"""
# Clients under the faults

What clients see of each [fault](faults.md), and what a breaker in their transport
([how](http.md#clients)) says of it. `python -m tests.clients.faults` made this page: the fault
proxy in front of the simulator, a timeout of {driver.TIMEOUT:g} s, no retries, and
{textwrap.fill(", ".join(versions), 99, break_on_hyphens=False)}.

**Bold**: the client takes for an answer what the breaker counts as a failure.

- Streamed: {_unnoticed(streamed)}.
- Not streamed: {_unnoticed(whole)}.
"""
    lines = ["## Streamed", "", *draw(streamed), "", "## Not streamed", "", *draw(whole)]
    return introduction.lstrip() + "\n" + "\n".join(lines) + "\n"


def _unnoticed(table: Table) -> str:
    found = [
        f"`{fault}` with {', '.join(names)}"
        for fault, row in table.items()
        if (names := [client for client, seen in row.items() if seen.is_unnoticed])
    ]
    return "; ".join(found) or "none"


class Environments:
    """Python environments, one for each set of requirements, below a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._uv = shutil.which("uv")
        self._made: dict[tuple[str, ...], Path] = {}

    def python(self, requirements: Sequence[str]) -> Path:
        """Return the program of an environment with these requirements, made if need be."""
        key = tuple(requirements)
        if key not in self._made:
            place = self._directory / str(len(self._made))
            self._made[key] = python = place / "bin" / "python"
            wanted = [*requirements, "msgspec"]
            if self._uv:
                _run(self._uv, "venv", "--quiet", "--python", sys.executable, place)
                _run(self._uv, "pip", "install", "--quiet", "--python", python, *wanted)
            else:
                _run(sys.executable, "-m", "venv", place)
                _run(python, "-m", "pip", "install", "--quiet", *wanted)
        return self._made[key]


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True)


def version(python: Path, package: str) -> str:
    """Return the name and version of a package in an environment."""
    code = f"from importlib.metadata import version; print(version({package!r}))"
    found = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True)
    return f"{package} {found.stdout.strip()}"


def package_of(requirement: str) -> str:
    """Return the name of the package that a requirement is on."""
    return requirement.partition("[")[0].partition("<")[0].partition(">")[0]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the clients, and write the document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", metavar="CLIENT", nargs="+", choices=REQUIREMENTS)
    parser.add_argument("--output", metavar="FILE", type=Path, default=DOCUMENT)
    options = parser.parse_args(arguments)
    clients = options.only or [*REQUIREMENTS]
    with tempfile.TemporaryDirectory() as directory:
        environments = Environments(Path(directory))
        pythons = {}
        for client in clients:
            print(f"installing {', '.join(REQUIREMENTS[client])}", flush=True)
            pythons[client] = environments.python(REQUIREMENTS[client])
        versions = dict.fromkeys(
            version(pythons[client], package_of(REQUIREMENTS[client][0])) for client in clients
        )
        print("streamed", flush=True)
        streamed = asyncio.run(observe_all(pythons, CATALOGUE, stream=True))
        print("not streamed", flush=True)
        whole = asyncio.run(observe_all(pythons, CATALOGUE, stream=False))
    options.output.write_text(document(streamed, whole, [*versions]))
    print(f"written {options.output}")


if __name__ == "__main__":
    main()
