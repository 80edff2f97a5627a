"""The fault proxy on real sockets, in front of real servers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from fuseboard.faults.catalogue import BY_NAME, CATALOGUE, find_fault
from fuseboard.faults.proxy.proxy import FaultProxy
from fuseboard.faults.switches import FaultSwitches
from fuseboard.ollama import OllamaClient, OllamaError
from fuseboard.server.sockets import bind
from fuseboard.simulator.settings import SimulatorSettings
from fuseboard.snapshot.fault_setting import FaultSetting
from tests.core.ollama.test_client import (
    STREAM_HEAD,
    TOKEN,
    generate,
    http_chunk,
    plain,
    reset,
    skip_ahead,
    writes,
    writes_then,
)
from tests.core.serving import (
    ResponseHandler,
    closed_port,
    open_port,
    proxied,
    raw_server,
    served,
    simulated,
)

EMBEDDER = "nomic-embed-text"

STREAMED = {
    "refuse": "connect refused",
    "reset": "connection reset",
    "close": "closed without an answer",
    "error500": "HTTP 500: llama runner process has terminated: exit status 2",
    "busy503": "HTTP 503: server busy, please try again.  maximum pending requests exceeded",
    "missing404": "HTTP 404: model 'llama3.2' not found",
    "limit429": "HTTP 429: usage limit reached, please try again later",
    "garbage": "answer is not JSON",
    "errorline": "error in the answer: CUDA error: out of memory",
    "cut": "stream ended without done",
    "badchunk": "answer broke off",
    "midreset": "connection reset",
}
WHOLE = {
    **STREAMED,
    "cut": "answer is not JSON",
    "missing404": "HTTP 404: model 'nomic-embed-text' not found",
}


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 (the wire has no event)
            await asyncio.sleep(0.005)


class CountingSwitches(FaultSwitches):
    """Switches that count the exchanges which a fault has held up."""

    held_up = 0

    async def wait_while_active(self, name: str, seconds: float | None = None) -> None:
        self.held_up += 1
        await super().wait_while_active(name, seconds)


@pytest.fixture
def switches() -> CountingSwitches:
    return CountingSwitches(seed=1)


@asynccontextmanager
async def client_behind(url: str) -> AsyncIterator[OllamaClient]:
    async with OllamaClient(url, {}) as client:
        yield client


def url_of(client: OllamaClient) -> str:
    return str(client._http.base_url)


@asynccontextmanager
async def client_of_failing(
    handler: ResponseHandler, switches: FaultSwitches
) -> AsyncIterator[OllamaClient]:
    """Yield a client of a proxy in front of a server with this handler."""
    async with (
        raw_server(handler) as upstream,
        proxied(upstream, switches) as url,
        client_behind(url) as made,
    ):
        yield made


@pytest.fixture
async def client(switches: FaultSwitches) -> AsyncIterator[OllamaClient]:
    async with (
        simulated() as upstream,
        proxied(upstream, switches) as url,
        client_behind(url) as made,
    ):
        yield made


def switch(switches: FaultSwitches, name: str, probability: float = 1.0) -> None:
    switches.switch(name, active=True, setting=find_fault(name).setting(probability=probability))


@pytest.mark.parametrize("name", STREAMED)
async def test_a_fault_breaks_a_stream_and_clearing_mends_it(
    switches: FaultSwitches, client: OllamaClient, name: str
) -> None:
    assert await generate(client), "the connection that the fault will meet is open already"
    switch(switches, name)
    if name == "refuse":
        await closed_port(url_of(client))
    for _ in range(2):
        with pytest.raises(OllamaError) as caught:
            await generate(client)
        assert caught.value.reason == STREAMED[name]
    switches.clear()
    if name == "refuse":
        await open_port(url_of(client))
    assert await generate(client)


@pytest.mark.parametrize("name", WHOLE)
async def test_a_fault_breaks_an_answer_that_is_not_streamed(
    switches: FaultSwitches, client: OllamaClient, name: str
) -> None:
    switch(switches, name)
    if name == "refuse":
        await closed_port(url_of(client))
    with pytest.raises(OllamaError) as caught:
        await client.embed(["text"], model=EMBEDDER)
    assert caught.value.reason == WHOLE[name]


async def test_a_stall_ends_in_the_first_token_deadline(
    switches: CountingSwitches, client: OllamaClient
) -> None:
    assert await generate(client)
    switch(switches, "stall")
    call = asyncio.create_task(generate(client))
    await until(lambda: switches.held_up > 0)
    skip_ahead(5)
    with pytest.raises(OllamaError, match="no first token within 5 s"):
        await call


async def test_a_cleared_stall_lets_the_request_go_on(
    switches: CountingSwitches, client: OllamaClient
) -> None:
    switch(switches, "stall")
    call = asyncio.create_task(generate(client))
    await until(lambda: switches.held_up > 0)
    assert not call.done()
    switches.clear()
    assert await call


async def test_latency_delays_and_then_lets_through(
    switches: CountingSwitches, client: OllamaClient
) -> None:
    switch(switches, "latency")
    call = asyncio.create_task(generate(client))
    await until(lambda: switches.held_up > 0)
    assert not call.done()
    skip_ahead(2)
    assert await call


@pytest.mark.parametrize("name", ["cut", "midreset"])
async def test_a_stream_under_way_is_broken_too(switches: FaultSwitches, name: str) -> None:
    slow = SimulatorSettings(tokens_per_second=100, prompt_seconds=0)
    async with (
        simulated(slow) as upstream,
        proxied(upstream, switches) as url,
        client_behind(url) as client,
    ):
        received: list[str] = []

        async def receive() -> None:
            async for token in client.generate("hello", model="llama3.2"):
                received.append(token.text)
                if len(received) == 5:
                    switch(switches, name)

        with pytest.raises(OllamaError) as caught:
            await receive()
    assert caught.value.reason == STREAMED[name]
    assert len(received) >= 5


async def test_a_wedge_hangs_what_generates_and_nothing_else(
    switches: FaultSwitches, client: OllamaClient
) -> None:
    switch(switches, "wedge")
    call = asyncio.create_task(generate(client))
    assert await client.version()
    assert await client.tags()
    assert await client.embed(["text"], model=EMBEDDER)
    assert not call.done()
    skip_ahead(5)
    with pytest.raises(OllamaError, match="no first token within 5 s"):
        await call
    switches.clear()
    assert await generate(client)


async def test_an_answer_that_hangs_goes_on_when_that_is_cleared(
    switches: FaultSwitches, client: OllamaClient
) -> None:
    switch(switches, "midstall")
    received: list[str] = []
    async for token in client.generate("hello", model="llama3.2"):
        received.append(token.text)
        if len(received) == 3:
            asyncio.get_running_loop().call_later(0.01, switches.clear)
    assert len(received) > 4


async def test_an_answer_that_hangs_meets_a_deadline(
    switches: FaultSwitches, client: OllamaClient
) -> None:
    switch(switches, "midstall")

    async def receive() -> None:
        async for _ in client.generate("hello", model="llama3.2"):
            asyncio.get_running_loop().call_later(0.01, skip_ahead, 2)

    with pytest.raises(OllamaError, match="no token for 5 s"):
        await receive()


async def test_a_drip_drips_and_clearing_lets_it_flow(
    switches: FaultSwitches, client: OllamaClient
) -> None:
    switch(switches, "drip")
    call = asyncio.create_task(generate(client))
    for _ in range(10):
        await asyncio.sleep(0.005)
        skip_ahead(1)
    assert not call.done()
    switches.clear()
    assert await call


@pytest.mark.parametrize("chunks", [0, 1, 7])
async def test_the_chunks_before_a_break_can_be_chosen(
    switches: FaultSwitches, client: OllamaClient, chunks: int
) -> None:
    switches.switch("cut", active=True, setting=BY_NAME["cut"].setting(chunks=chunks))
    received = 0
    with suppress(OllamaError):
        async for _ in client.generate("hello", model="llama3.2"):
            received += 1
    assert received == chunks


async def test_the_paths_it_hits_can_be_chosen(
    switches: FaultSwitches, client: OllamaClient
) -> None:
    setting = BY_NAME["error500"].setting(paths=("/api/generate",))
    switches.switch("error500", active=True, setting=setting)
    assert await client.tags()
    with pytest.raises(OllamaError, match="HTTP 500"):
        await generate(client)


async def test_a_limit_says_when_to_come_back(switches: FaultSwitches) -> None:
    switches.switch("limit429", active=True, setting=BY_NAME["limit429"].setting(seconds=7))
    async with (
        simulated() as upstream,
        proxied(upstream, switches) as url,
        httpx.AsyncClient() as http,
    ):
        response = await http.get(f"{url}/api/tags")
    assert (response.status_code, response.headers["retry-after"]) == (429, "7")


async def test_latency_comes_before_an_error(
    switches: CountingSwitches, client: OllamaClient
) -> None:
    switch(switches, "error500")
    switch(switches, "latency")
    call = asyncio.create_task(generate(client))
    await until(lambda: switches.held_up > 0)
    assert not call.done()
    skip_ahead(2)
    with pytest.raises(OllamaError, match="HTTP 500"):
        await call


async def test_a_drip_and_a_cut_work_together(
    switches: FaultSwitches, client: OllamaClient
) -> None:
    switches.switch("drip", active=True, setting=BY_NAME["drip"].setting(seconds=0.0001))
    switch(switches, "cut")
    with pytest.raises(OllamaError, match="stream ended without done"):
        await generate(client)


async def test_the_same_seed_hits_the_same_requests() -> None:
    def hits(seed: int) -> list[bool]:
        switches = FaultSwitches(seed)
        switch(switches, "cut", 0.5)
        return [switches.sample_hit(BY_NAME["cut"]) for _ in range(64)]

    assert hits(1) == hits(1)
    assert hits(1) != hits(2)


async def test_a_probability_hits_some(switches: FaultSwitches, client: OllamaClient) -> None:
    switch(switches, "error500", 0.5)
    failed = 0
    for _ in range(40):
        try:
            await client.embed(["text"], model=EMBEDDER)
        except OllamaError:
            failed += 1
    assert 10 < failed < 30


async def test_faults_work_together(switches: FaultSwitches, client: OllamaClient) -> None:
    switch(switches, "busy503")
    switch(switches, "stall")
    with pytest.raises(OllamaError, match="HTTP 503"):
        await generate(client)


def test_senseless_switching_is_refused(switches: FaultSwitches) -> None:
    with pytest.raises(ValueError, match="there is no fault 'fire'"):
        switch(switches, "fire")
    for probability in (0.0, -1.0, 1.1, float("nan")):
        with pytest.raises(ValueError, match="a probability is above 0"):
            switch(switches, "cut", probability)
    for name, changes, message in (
        ("stall", {"seconds": 1.0}, "stall has no seconds to choose"),
        ("latency", {"seconds": 0.0}, "seconds must be a number above 0, not 0"),
        ("latency", {"seconds": None}, "latency needs seconds"),
        ("refuse", {"paths": ("/api/chat",)}, "refuse has no paths to choose"),
        ("cut", {"chunks": -1}, "chunks must be 0 or more, not -1"),
        ("cut", {"paths": ("api/chat",)}, "a path begins with /"),
    ):
        with pytest.raises(ValueError, match=message):
            BY_NAME[name].setting(**changes)
    with pytest.raises(ValueError, match="cut has no seconds"):
        switches.switch("cut", active=True, setting=FaultSetting(seconds=1, chunks=3))
    assert not list(switches.active())


def test_every_fault_has_a_name_a_key_and_a_description_of_its_own() -> None:
    assert len(BY_NAME) == len({fault.key for fault in CATALOGUE}) == len(CATALOGUE)
    assert len({fault.describe(fault.default) for fault in CATALOGUE}) == len(CATALOGUE)
    for fault in CATALOGUE:
        assert len(fault.label) <= 9
        effects = (fault.on_request, fault.on_response, fault.on_chunk, fault.rewrite)
        assert fault.closes_port or any(effects)


class TestAFailingUpstream:
    async def test_its_refusal_becomes_a_refusal(self, switches: FaultSwitches) -> None:
        with bind("127.0.0.1", 0) as listener:
            upstream = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with proxied(upstream, switches) as url, client_behind(url) as client:
            with pytest.raises(OllamaError, match="connection reset"):
                await generate(client)
            await closed_port(url_of(client))
            with pytest.raises(OllamaError, match="connect refused"):
                await generate(client)

    async def test_its_reset_becomes_a_reset(self, switches: FaultSwitches) -> None:
        handler = writes_then(reset, STREAM_HEAD, http_chunk(TOKEN))
        async with client_of_failing(handler, switches) as client:
            with pytest.raises(OllamaError, match="connection reset"):
                await generate(client)

    async def test_its_silence_becomes_silence(self, switches: FaultSwitches) -> None:
        async with client_of_failing(writes(), switches) as client:
            with pytest.raises(OllamaError, match="closed without an answer"):
                await generate(client)

    async def test_its_breaking_off_becomes_breaking_off(self, switches: FaultSwitches) -> None:
        handler = writes(STREAM_HEAD, http_chunk(TOKEN))
        async with client_of_failing(handler, switches) as client:
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
            "headers": dict(request.headers),
            "client": request.client.port if request.client else 0,
        }
    )


@pytest.fixture
async def echoing(switches: FaultSwitches) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    app = Starlette(routes=[Route("/{path:path}", echo, methods=["GET", "POST", "PUT"])])
    async with (
        served(app) as upstream,
        proxied(f"{upstream}/base", switches) as url,
        httpx.AsyncClient(base_url=url) as http,
    ):
        yield http, upstream


async def body_chunks(size: int) -> AsyncIterator[bytes]:
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
        assert (await http.post("/", content=body_chunks(size))).json()["length"] == size

    async def test_an_upload_is_read_before_a_fault_answers(
        self, echoing: tuple[httpx.AsyncClient, str], switches: FaultSwitches
    ) -> None:
        http, _ = echoing
        switch(switches, "error500")
        response = await http.post("/", content=bytes(4 * 1024 * 1024))
        assert response.status_code == 500

    async def test_a_server_may_answer_before_it_has_read_an_upload(
        self, switches: FaultSwitches
    ) -> None:
        async def refuse_at_once(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            await reader.readexactly(1)
            writer.write(plain(413, b'{"error":"too large"}', b"Connection: close"))
            await writer.drain()
            await reader.readexactly(1024 * 1024)  # and no more

        async with (
            raw_server(refuse_at_once) as upstream,
            proxied(upstream, switches) as url,
            httpx.AsyncClient(base_url=url) as http,
        ):
            response = await http.post("/", content=body_chunks(16 * 1024 * 1024))
        assert (response.status_code, response.json()) == (413, {"error": "too large"})

    async def test_a_target_that_names_the_host_is_understood(
        self, echoing: tuple[httpx.AsyncClient, str]
    ) -> None:
        http, upstream = echoing
        port = http.base_url.port or 0
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET http://elsewhere/a?b=c HTTP/1.1\r\nHost: elsewhere\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split()[0])
        seen = json.loads(await reader.readexactly(length))
        writer.close()
        assert (seen["path"], seen["query"]) == ("/base/a", "b=c")
        assert seen["host"] == upstream.removeprefix("http://")

    async def test_a_client_of_http_1_0_is_served(
        self, echoing: tuple[httpx.AsyncClient, str], switches: FaultSwitches
    ) -> None:
        http, _ = echoing
        for expected in (b'"path":"/base/a"', b""):
            reader, writer = await asyncio.open_connection("127.0.0.1", http.base_url.port or 0)
            writer.write(b"GET /a HTTP/1.0\r\n\r\n")
            response = await reader.read()
            writer.close()
            assert b"200 OK" in response
            assert expected in response
            switch(switches, "cut")

    async def test_headers_of_one_connection_go_no_further(
        self, echoing: tuple[httpx.AsyncClient, str], switches: FaultSwitches
    ) -> None:
        http, _ = echoing
        sent = {"Connection": "keep-alive, X-Mine", "X-Mine": "1", "X-Yours": "2"}
        seen = (await http.get("/", headers=sent)).json()["headers"]
        assert ("x-mine" in seen, seen["x-yours"]) == (False, "2")

        handler = writes(plain(200, b"{}", b"Connection: close, X-Own", b"X-Own: 1", b"X-All: 2"))
        async with raw_server(handler) as upstream, proxied(upstream, switches) as url:
            got = (await http.get(url)).headers
        assert ("x-own" in got, got["x-all"]) == (False, "2")

    async def test_head_passes(
        self, echoing: tuple[httpx.AsyncClient, str], switches: FaultSwitches
    ) -> None:
        http, _ = echoing
        for _ in range(2):
            response = await http.head("/")
            assert (response.status_code, response.content) == (200, b"")
            switch(switches, "cut")

    async def test_many_clients_at_once(self, echoing: tuple[httpx.AsyncClient, str]) -> None:
        http, _ = echoing
        responses = await asyncio.gather(*(http.get(f"/{n}") for n in range(50)))
        assert sorted(response.json()["path"] for response in responses) == sorted(
            f"/base/{n}" for n in range(50)
        )


async def test_a_client_that_leaves_takes_its_upstream_connection_along(
    switches: FaultSwitches,
) -> None:
    left = asyncio.Event()
    taken = asyncio.Event()

    async def wait_for_end(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        taken.set()
        with suppress(ConnectionError):  # a reset ends the connection as well
            await reader.read()
        left.set()

    async with client_of_failing(wait_for_end, switches) as client:
        call = asyncio.create_task(generate(client))
        await taken.wait()
        call.cancel()
        async with asyncio.timeout(10):
            await left.wait()


async def test_stops_with_clients_that_hang(switches: FaultSwitches) -> None:
    switch(switches, "stall")
    async with simulated() as upstream:
        proxy = FaultProxy(bind("127.0.0.1", 0), upstream, switches)
        await proxy.start()
        async with client_behind(proxy.url) as client:
            calls = [asyncio.create_task(generate(client)) for _ in range(5)]
            await until(lambda: len(proxy._connections) == 5)
            async with asyncio.timeout(1):
                await proxy.stop()
            for outcome in await asyncio.gather(*calls, return_exceptions=True):
                assert isinstance(outcome, OllamaError)
