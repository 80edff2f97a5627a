"""A real language model behind the Ollama API, run for one test."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Final, Self

import httpx

_HERE = Path(__file__).parent
_START_TIMEOUT = 60.0  # seconds for each server; under one is usual
_POLL = 0.02  # seconds
_TAIL = 4_000  # characters of a server's output to show when it does not start
# Not at the start of a line: the server's own log may just have begun one.
_LISTENING = re.compile(r"LISTENING (http://127\.0\.0\.1:\d+)\n")

# Nothing else of the tests' environment reaches the servers: ollama-proxy would take cloud
# providers, their keys and an HTTP proxy from it.
_PASSED_VARIABLES = ("PATH", "LD_LIBRARY_PATH")


class ModelServerError(Exception):
    """A server did not start; the message ends with its output."""


class ModelServer:
    """SmolLM2 in llama.cpp's HTTP server, and ollama-proxy in front of it: a process each.

    A context manager: both processes serve inside the block and are gone after it.

    Args:
        python: The interpreter of the venv that has `requirements.txt` and
            `requirements-no-deps.txt` installed.
    """

    model: Final = "smollm2:135m"

    def __init__(self, python: Path) -> None:
        # Absolute, as the servers run in other folders; not resolved, as that would leave the venv.
        self._python = python.absolute()
        self._cleanup = ExitStack()
        self._llama_cpp: _Server | None = None
        self._proxy: _Server | None = None

    def __enter__(self) -> Self:
        with self._cleanup as cleanup:
            folder = Path(cleanup.enter_context(TemporaryDirectory(prefix="fuseboard-model-")))
            self._llama_cpp = cleanup.enter_context(
                _Server(
                    [str(self._python), str(_HERE / "run_llama_cpp.py"), self.model],
                    folder / "llama-cpp",
                )
            )
            self._llama_cpp.wait_until_ready("/health")
            config = folder / "ollama-proxy.json"
            config.write_text(json.dumps(self._proxy_config()), encoding="utf-8")
            self._proxy = cleanup.enter_context(
                _Server(
                    [str(self._python), str(_HERE / "run_ollama_proxy.py")],
                    folder / "ollama-proxy",
                    {"PROXY_CONFIG_FILE": str(config)},
                )
            )
            self._proxy.wait_until_ready("/api/version")
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._cleanup.close()

    @property
    def url(self) -> str:
        """The base URL of the Ollama API, without a slash at the end."""
        assert self._proxy is not None, "the servers run inside a with block"
        return self._proxy.url

    def kill_model(self) -> None:
        """Kill the process that runs the model at once; the Ollama API stays up without it."""
        assert self._llama_cpp is not None, "the servers run inside a with block"
        self._llama_cpp.kill()

    def _proxy_config(self) -> Mapping[str, object]:
        assert self._llama_cpp is not None
        # "openai" is where ollama-proxy sends a model whose name has no provider in front.
        openai = {"api_key": "EMPTY", "base_url": f"{self._llama_cpp.url}/v1"}
        return {"providers": {"openai": openai}, "models": [self.model]}


class _Server:
    """One of the two processes, which writes its URL once it listens."""

    def __init__(
        self, command: list[str], folder: Path, variables: Mapping[str, str] | None = None
    ) -> None:
        folder.mkdir()
        self.url = ""
        self._name = folder.name
        self._output = folder / "output.txt"
        passed = {name: os.environ[name] for name in _PASSED_VARIABLES if name in os.environ}
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                # Closed when this process ends, however that happens, which ends the server.
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**passed, "HOME": str(folder), **(variables or {})},
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    def wait_until_ready(self, path: str) -> None:
        """Wait until GET `path` returns 200, and set `url`."""
        deadline = time.monotonic() + _START_TIMEOUT
        while not self._responds(path):
            if self._process.poll() is not None:
                raise self._error(f"ended with code {self._process.returncode}")
            if time.monotonic() > deadline:
                raise self._error(f"did not answer within {_START_TIMEOUT:.0f} s")
            time.sleep(_POLL)

    def kill(self) -> None:
        """Send SIGKILL and wait for the process; a second call does nothing."""
        # Leaving the block closes the pipe and waits.
        with self._process as process:
            process.kill()

    def _responds(self, path: str) -> bool:
        listening = _LISTENING.search(self._written())
        if listening is None:
            return False
        self.url = listening[1]
        try:
            response = httpx.get(self.url + path, timeout=1.0, trust_env=False)
        except httpx.TransportError:
            return False
        return response.status_code == 200

    def _written(self) -> str:
        return self._output.read_text(encoding="utf-8", errors="replace")

    def _error(self, what: str) -> ModelServerError:
        return ModelServerError(f"{self._name} {what}:\n{self._written()[-_TAIL:]}")
