"""The command in front of servers that answer as other people's do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from fuseboard.server.sockets import bind, url_of
from fuseboard.snapshot.snapshot import AnswerState
from tests.core.engine.test_engine import running
from tests.core.ollama.test_discovery import EMBEDS, GB, MB, REMOTE, FakeOllama
from tests.core.serving import FAST, ReceivedRequest, recording_simulator, served
from tests.tui.cli.test_main import events, run

BRIEFLY = ("serve", "--metrics-port", "0", "--duration", "0.3")
MISSING = {"error": {"code": 404, "message": "File Not Found", "type": "not_found_error"}}


def somebodys_ollama() -> FakeOllama:
    server = FakeOllama()
    server.add("llama3.3:70b", size=42 * GB)
    server.add("gpt-oss:120b-cloud", size=384, remote=REMOTE)
    server.add("qwen3:0.6b", size=523 * MB)
    server.add("all-minilm:latest", EMBEDS, size=46 * MB)
    return server


@asynccontextmanager
async def llama_cpp() -> AsyncIterator[tuple[str, list[str]]]:
    """Serve what llama.cpp's own server does; yield the URL and the requests."""
    requests: list[str] = []

    async def answer(request: Request) -> Response:
        requests.append(f"{request.method} {request.url.path}")
        headers = {"Server": "llama.cpp"}
        if request.url.path == "/v1/models":
            data = [{"id": "smollm2:135m", "object": "model", "owned_by": "llamacpp"}]
            return JSONResponse({"object": "list", "data": data}, headers=headers)
        if request.url.path == "/v1/chat/completions":
            return JSONResponse({"choices": [{"index": 0, "finish_reason": "stop"}]})
        return JSONResponse(MISSING, 404, headers)

    methods = ["GET", "POST"]
    async with served(Starlette(routes=[Route("/{path:path}", answer, methods=methods)])) as url:
        yield url, requests


class TestDryRun:
    async def test_says_what_would_be_called_and_calls_nothing(self) -> None:
        server = somebodys_ollama()
        async with served(server.app) as url:
            for arguments in (["--dry-run"], ["serve", "--dry-run"]):
                ran = await asyncio.to_thread(run, "--ollama", url, *arguments)
                assert ran.stdout.splitlines() == [
                    f"would call {url}",
                    "rag traffic, 1 call a second, at most 1 at once",
                    "text from qwen3:0.6b (the smallest here that generates text, 523 MB)",
                    "embeddings from all-minilm:latest (the smallest here that embeds, 46 MB)",
                    "nothing was called",
                ]
                assert (ran.returncode, ran.stderr) == (0, "")
        assert set(server.requests) == {"/api/tags", "/api/ps", "/api/show"}

    async def test_warns_of_a_remote_model_that_is_named(self) -> None:
        server = somebodys_ollama()
        options = ("--dry-run", "--traffic", "chat", "--model", "gpt-oss:120b-cloud")
        async with served(server.app) as url:
            ran = await asyncio.to_thread(run, "--ollama", url, *options)
        assert ran.stdout.splitlines()[1:] == [
            "chat traffic, 1 call a second, at most 1 at once",
            "text from gpt-oss:120b-cloud",
            "gpt-oss:120b-cloud runs at https://ollama.com:443: prompts leave this machine",
            "nothing was called",
        ]

    async def test_what_cannot_be_is_told_as_by_the_run(self) -> None:
        async with served(somebodys_ollama().app) as url:
            ran = await asyncio.to_thread(run, "--dry-run", "--ollama", url, "--model", "mistral")
        assert "has no model 'mistral'" in ran.stderr
        assert "Traceback" not in ran.stderr
        assert (ran.returncode, ran.stdout) == (2, "")

    def test_of_the_simulator(self) -> None:
        ran = run("--dry-run", "--simulate", "--rate", "7")
        assert ran.stdout.splitlines() == [
            "would call the built-in simulator",
            "rag traffic, 7 calls a second, at most 8 at once",
            "text from llama3.2",
            "embeddings from nomic-embed-text",
            "nothing was called",
        ]

    def test_of_a_server_that_does_not_answer(self) -> None:
        with bind("127.0.0.1", 0) as listener:
            url = url_of(listener)
        ran = run("--dry-run", "--ollama", url)
        assert ran.stdout.splitlines()[0] == (
            f"would call {url}, which does not answer yet: connect refused"
        )
        assert ran.returncode == 0

    async def test_of_what_is_no_ollama(self) -> None:
        async with llama_cpp() as (url, requests):
            ran = await asyncio.to_thread(run, "--dry-run", "--ollama", url)
        assert ran.stdout == (
            f"would call nothing: {url} is llama.cpp's own server, no Ollama; the fault proxy"
            " would be in front of it, for your own program\n"
        )
        assert not any(request.startswith("POST") for request in requests)


async def test_the_chosen_models_are_told() -> None:
    settings = replace(FAST, chat_models=("large", "small"))
    async with recording_simulator(settings) as (url, _):
        ran = await asyncio.to_thread(run, *BRIEFLY, "--ollama", url)
    assert (
        "fuseboard: calls large:latest (the smallest here that generates text, 2.0 GB), embeds with"
        " nomic-embed-text:latest (the smallest here that embeds, 274 MB)\n"
    ) in ran.stderr
    assert events(ran.stdout)[0]["model"] == "large:latest"


async def test_a_loaded_model_is_called() -> None:
    settings = replace(FAST, chat_models=("first", "loaded"))
    requests: list[ReceivedRequest]
    async with recording_simulator(settings) as (url, requests):
        async with httpx.AsyncClient(base_url=url) as client:
            await client.post("/api/generate", json={"model": "loaded"})
        requests.clear()
        ran = await asyncio.to_thread(run, *BRIEFLY, "--ollama", url, "--traffic", "chat")
    assert "calls loaded:latest (loaded already, 2.0 GB)\n" in ran.stderr
    called = {each.body["model"] for each in requests if each.path == "/api/chat"}
    assert called == {"loaded:latest"}


async def test_what_is_no_ollama_is_not_called_and_the_proxy_is_in_front_of_it() -> None:
    async with llama_cpp() as (url, requests):
        ran = await asyncio.to_thread(run, *BRIEFLY, "--ollama", url)
        ready = events(ran.stdout)[0]
        assert (
            f"{url} is llama.cpp's own server, no Ollama, so nothing is called: point your own"
            f" program at the fault proxy in front of it, {ready['proxy_url']}\n"
        ) in ran.stderr
        assert ran.returncode == 0
        assert not any(request.startswith("POST") for request in requests)

        with running(simulate=False, ollama=url, traffic=None) as it:
            snapshot = await asyncio.to_thread(it.engine.wait_until_ready)
            assert snapshot.target is not None
            assert snapshot.target.model == ""
            async with httpx.AsyncClient(base_url=snapshot.proxy_url) as client:
                assert (await client.post("/v1/chat/completions", json={})).status_code == 200


async def test_nobody_is_asked_where_there_is_no_ollama() -> None:
    from fuseboard.engine.commands import Ask, RunTraffic

    async with llama_cpp() as (url, requests):
        with running(simulate=False, ollama=url) as it:
            await asyncio.to_thread(it.engine.wait_until_ready)
            it.engine.send(Ask("hello"))
            it.engine.send(RunTraffic(True))
            async with asyncio.timeout(20):
                while len(it.engine.snapshot().refusals) < 2:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            snapshot = it.engine.snapshot()
            assert all("no Ollama" in refusal.message for refusal in snapshot.refusals)
            assert snapshot.traffic is not None
            assert not snapshot.traffic.running
    assert not any(request.startswith("POST") for request in requests)


async def test_the_simulator_takes_its_place_where_it_was_not_named() -> None:
    async with llama_cpp() as (url, _):
        with running({"OLLAMA_HOST": url}, simulate=False) as it:
            snapshot = await asyncio.to_thread(it.engine.wait_until_ready)
    assert snapshot.target is not None
    assert snapshot.target.simulated
    assert snapshot.notices == (
        f"what answers at {url} is llama.cpp's own server, no Ollama: simulating one",
    )


async def test_a_model_that_thinks_is_asked() -> None:
    """The lines are those of a qwen3 behind Ollama 0.12, cut at 48 tokens of thinking."""
    from fuseboard.engine.commands import Ask

    server = FakeOllama()
    server.add("qwen3:0.6b", ["completion", "tools", "thinking"])

    async def generate(_: Request) -> Response:
        head = {"model": "qwen3:0.6b", "created_at": "2026-01-01T00:00:00Z"}
        thought = {**head, "response": "", "thinking": "Hm ", "done": False}
        last = {"done": True, "done_reason": "length", "eval_count": 48, "eval_duration": 10**9}
        lines = [*[thought] * 48, {**head, "response": "", **last}]
        body = "".join(f"{json.dumps(line)}\n" for line in lines)
        return StreamingResponse(iter([body.encode()]), media_type="application/x-ndjson")

    app = Starlette(routes=[Route("/api/generate", generate, methods=["POST"])])
    app.router.default = server.app
    async with served(app) as url:
        with running(simulate=False, ollama=url, traffic=None, rate=0.01) as it:
            await asyncio.to_thread(it.engine.wait_until_ready)
            it.engine.send(Ask("hello"))
            async with asyncio.timeout(20):
                while True:
                    prompt = it.engine.snapshot().prompt
                    if prompt is not None and prompt.state is AnswerState.COMPLETE:
                        break
                    await asyncio.sleep(0.01)
    assert (prompt.answer, prompt.reason, prompt.tokens) == ("", "length", 48)
    assert prompt.thinking == "Hm " * 48
    assert prompt.first_token is not None
