"""The fault proxy on a real wire, in front of real servers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from fuseboard.faults import BY_NAME, CATALOGUE, FaultBoard, FaultProxy
from fuseboard.listening import bind
from fuseboard.ollama import OllamaClient, OllamaError
from fuseboard.simulator import SimulatorSettings
from tests.core.serving import Answer, proxied, raw_server, served, simulated
from tests.core.test_ollama_client import (
    STREAM_HEAD,
    TOKEN,
    chunk,
    generate,
    reset,
    skip_ahead,
    writes,
    writes_then,
)

EMBEDDER = "nomic-embed-text"

STREAMED = {
    "error500": "HTTP 500: llama runner process has terminated: exit status 2",
    "busy503": "HTTP 503: server busy, please try again.  maximum pending requests exceeded",
    "cut": "stream ended without done",
    "midreset": "connection reset",
    "refuse": "connect refused",
}
WHOLE = {**STREAMED, "cut": "answer is not JSON"}


async def until(come: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not come():  # noqa: ASYNC110 (the wire has no event)
            await asyncio.sleep(0.005)


@pytest.fixture
def board() -> FaultBoard:
    return FaultBoard(random.Random(1))


@asynccontextmanager
async def client_behind(url: str) -> AsyncIterator[OllamaClient]:
    async with OllamaClient(url, {}) as client:
        yield client


@asynccontextmanager
async def failing(answer: Answer, board: FaultBoard) -> AsyncIterator[OllamaClient]:
    """A client behind a proxy in front of a server that answers as the test wants."""
    async with (
        raw_server(answer) as upstream,
        proxied(upstream, board) as url,
        client_behind(url) as made,
    ):
        yield made


@pytest.fixture
async def client(board: FaultBoard) -> AsyncIterator[OllamaClient]:
    async with simulated() as upstream, proxied(upstream, board) as url, client_behind(url) as made:
        yield made


def switch(board: FaultBoard, name: str, probability: float = 1.0) -> None:
    board.switch(name, active=True, probability=probability)


@pytest.mark.parametrize("name", STREAMED)
async def test_a_fault_breaks_a_stream_and_clearing_mends_it(
    board: FaultBoard, client: OllamaClient, name: str
) -> None:
    assert await generate(client), "the connection that the fault will meet is open already"
    switch(board, name)
    if name == "refuse":
        await closed_port(client)
    for _ in range(2):
        with pytest.raises(OllamaError) as caught:
            await generate(client)
        assert caught.value.reason == STREAMED[name]
    board.clear()
    if name == "refuse":
        await open_port(client)
    assert await generate(client)


@pytest.mark.parametrize("name", WHOLE)
async def test_a_fault_breaks_an_answer_that_is_not_streamed(
    board: FaultBoard, client: OllamaClient, name: str
) -> None:
    switch(board, name)
    if name == "refuse":
        await closed_port(client)
    with pytest.raises(OllamaError) as caught:
        await client.embed(["text"], model=EMBEDDER)
    assert caught.value.reason == WHOLE[name]


def port_of(client: OllamaClient) -> int:
    port = client._http.base_url.port
    assert port is not None
    return port


async def closed_port(client: OllamaClient) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port_of(client))
            except ConnectionRefusedError:
                return
            writer.close()
            await asyncio.sleep(0.005)


async def open_port(client: OllamaClient) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port_of(client))
            except ConnectionRefusedError:
                await asyncio.sleep(0.005)
            else:
                writer.close()
                return


async def test_a_stall_ends_in_the_first_token_deadline(
    board: FaultBoard, client: OllamaClient
) -> None:
    assert await generate(client)
    switch(board, "stall")
    call = asyncio.create_task(generate(client))
    await asyncio.sleep(0.01)
    skip_ahead(5)
    with pytest.raises(OllamaError, match="no first token within 5 s"):
        await call


async def test_a_cleared_stall_lets_the_request_go_on(
    board: FaultBoard, client: OllamaClient
) -> None:
    switch(board, "stall")
    call = asyncio.create_task(generate(client))
    await asyncio.sleep(0.01)
    assert not call.done()
    board.clear()
    assert await call


async def test_latency_delays_and_then_lets_through(
    board: FaultBoard, client: OllamaClient
) -> None:
    switch(board, "latency")
    call = asyncio.create_task(generate(client))
    await asyncio.sleep(0.05)
    assert not call.done()
    skip_ahead(2)
    assert await call


@pytest.mark.parametrize("name", ["cut", "midreset"])
async def test_a_stream_under_way_is_broken_too(board: FaultBoard, name: str) -> None:
    slow = SimulatorSettings(tokens_per_second=100, prompt_seconds=0)
    async with (
        simulated(slow) as upstream,
        proxied(upstream, board) as url,
        client_behind(url) as client,
    ):
        heard: list[str] = []

        async def listen() -> None:
            async for piece in client.generate("hello", model="llama3.2"):
                heard.append(piece.text)
                if len(heard) == 5:
                    switch(board, name)

        with pytest.raises(OllamaError) as caught:
            await listen()
    assert caught.value.reason == STREAMED[name]
    assert len(heard) >= 5


async def test_a_probability_hits_some(board: FaultBoard, client: OllamaClient) -> None:
    switch(board, "error500", 0.5)
    failed = 0
    for _ in range(40):
        try:
            await client.embed(["text"], model=EMBEDDER)
        except OllamaError:
            failed += 1
    assert 10 < failed < 30


async def test_faults_work_together(board: FaultBoard, client: OllamaClient) -> None:
    switch(board, "busy503")
    switch(board, "stall")
    with pytest.raises(OllamaError, match="HTTP 503"):
        await generate(client)


def test_senseless_switching_is_refused(board: FaultBoard) -> None:
    with pytest.raises(ValueError, match="there is no fault 'fire'"):
        switch(board, "fire")
    for probability in (0.0, -1.0, 1.1, float("nan")):
        with pytest.raises(ValueError, match="a probability is above 0"):
            switch(board, "cut", probability)
    assert not list(board.active())


def test_every_fault_has_a_name_a_key_and_words_of_its_own() -> None:
    assert len(BY_NAME) == len({fault.key for fault in CATALOGUE}) == len(CATALOGUE)
    for fault in CATALOGUE:
        assert len(fault.label) <= 9
        assert fault.words
        assert fault.closes_port or fault.on_request or fault.on_body


class TestAnUpstreamThatFailsByItself:
    async def test_its_refusal_becomes_a_refusal(self, board: FaultBoard) -> None:
        with bind("127.0.0.1", 0) as listener:
            upstream = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with proxied(upstream, board) as url, client_behind(url) as client:
            with pytest.raises(OllamaError, match="connection reset"):
                await generate(client)
            await closed_port(client)
            with pytest.raises(OllamaError, match="connect refused"):
                await generate(client)

    async def test_its_reset_becomes_a_reset(self, board: FaultBoard) -> None:
        answer = writes_then(reset, STREAM_HEAD, chunk(TOKEN))
        async with failing(answer, board) as client:
            with pytest.raises(OllamaError, match="connection reset"):
                await generate(client)

    async def test_its_silence_becomes_silence(self, board: FaultBoard) -> None:
        async with failing(writes(), board) as client:
            with pytest.raises(OllamaError, match="closed without an answer"):
                await generate(client)

    async def test_its_breaking_off_becomes_breaking_off(self, board: FaultBoard) -> None:
        answer = writes(STREAM_HEAD, chunk(TOKEN))
        async with failing(answer, board) as client:
            with pytest.raises(OllamaError, match="answer broke off"):
                await generate(client)


async def echo(request: Request) -> JSONResponse:
    body = await request.body()
    return JSONResponse(
        {
            "method": request.method,
            "path": request.url.path,
            "query": request.url.query,
            "host": request.headers["host"],
            "length": len(body),
            "client": request.client.port if request.client else 0,
        }
    )


@pytest.fixture
async def echoing(board: FaultBoard) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    app = Starlette(routes=[Route("/{path:path}", echo, methods=["GET", "POST", "PUT"])])
    async with (
        served(app) as upstream,
        proxied(f"{upstream}/base", board) as url,
        httpx.AsyncClient(base_url=url) as http,
    ):
        yield http, upstream


async def pieces_of(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 65536):
        yield bytes(65536)


class TestAnyUpstream:
    async def test_a_request_arrives_as_it_was_sent(
        self, echoing: tuple[httpx.AsyncClient, str]
    ) -> None:
        http, upstream = echoing
        seen = (await http.put("/a/b?c=d", content=b"12345")).json()
        assert seen["method"] == "PUT"
        assert seen["path"] == "/base/a/b"
        assert seen["query"] == "c=d"
        assert seen["length"] == 5
        assert seen["host"] == upstream.removeprefix("http://")

    async def test_one_connection_carries_many_requests(
        self, echoing: tuple[httpx.AsyncClient, str]
    ) -> None:
        http, _ = echoing
        ports = {(await http.get("/")).json()["client"] for _ in range(10)}
        assert len(ports) == 1

    @pytest.mark.parametrize("size", [2 * 1024 * 1024, 65536])
    async def test_uploads_pass(self, echoing: tuple[httpx.AsyncClient, str], size: int) -> None:
        http, _ = echoing
        assert (await http.post("/", content=bytes(size))).json()["length"] == size
        assert (await http.post("/", content=pieces_of(size))).json()["length"] == size

    async def test_an_upload_is_read_before_a_fault_answers(
        self, echoing: tuple[httpx.AsyncClient, str], board: FaultBoard
    ) -> None:
        http, _ = echoing
        switch(board, "error500")
        answer = await http.post("/", content=bytes(4 * 1024 * 1024))
        assert answer.status_code == 500

    async def test_head_passes(
        self, echoing: tuple[httpx.AsyncClient, str], board: FaultBoard
    ) -> None:
        http, _ = echoing
        for _ in range(2):
            answer = await http.head("/")
            assert (answer.status_code, answer.content) == (200, b"")
            switch(board, "cut")

    async def test_many_clients_at_once(self, echoing: tuple[httpx.AsyncClient, str]) -> None:
        http, _ = echoing
        answers = await asyncio.gather(*(http.get(f"/{n}") for n in range(50)))
        assert sorted(answer.json()["path"] for answer in answers) == sorted(
            f"/base/{n}" for n in range(50)
        )


async def test_a_client_that_leaves_takes_its_upstream_connection_along(board: FaultBoard) -> None:
    left = asyncio.Event()
    taken = asyncio.Event()

    async def wait_for_end(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        taken.set()
        with suppress(ConnectionError):  # a reset tells the same
            await reader.read()
        left.set()

    async with failing(wait_for_end, board) as client:
        call = asyncio.create_task(generate(client))
        await taken.wait()
        call.cancel()
        async with asyncio.timeout(10):
            await left.wait()


async def test_stops_with_clients_that_hang(board: FaultBoard) -> None:
    switch(board, "stall")
    async with simulated() as upstream:
        proxy = FaultProxy(bind("127.0.0.1", 0), upstream, board)
        await proxy.start()
        async with client_behind(proxy.url) as client:
            calls = [asyncio.create_task(generate(client)) for _ in range(5)]
            await until(lambda: len(proxy._connections) == 5)
            async with asyncio.timeout(1):
                await proxy.stop()
            for outcome in await asyncio.gather(*calls, return_exceptions=True):
                assert isinstance(outcome, OllamaError)
