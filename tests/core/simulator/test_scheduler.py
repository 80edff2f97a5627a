"""Loading, unloading, queueing and disconnecting, as the clients of the simulator see it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import httpx
import pytest

from fuseboard.simulator.settings import SimulatorSettings
from tests.core.ollama.test_client import skip_ahead
from tests.core.serving import FAST, simulated

MODEL = "llama3.2"
EMBEDDER = "nomic-embed-text"
REQUEST = {"model": MODEL, "prompt": "hello", "stream": False, "options": {"num_predict": 3}}
HOUR = 3600.0
NEVER = 1e9
BUSY = {"error": "server busy, please try again.  maximum pending requests exceeded"}


class Client:
    """A client of one simulator, without timeouts."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    def request(self, **fields: object) -> asyncio.Task[httpx.Response]:
        return asyncio.create_task(self.http.post("/api/generate", json={**REQUEST, **fields}))

    async def loaded(self) -> dict[str, float]:
        """Return how many seconds each loaded model has left."""
        models = (await self.http.get("/api/ps")).json()["models"]
        now = time.time()
        return {
            model["name"]: datetime.fromisoformat(model["expires_at"]).timestamp() - now
            for model in models
        }

    async def has_room(self) -> bool:
        """Return whether another request would be accepted, by one that only loads the model."""
        response = await self.http.post("/api/embed", json={"model": MODEL, "input": ""})
        return response.status_code == 200


@asynccontextmanager
async def client(settings: SimulatorSettings) -> AsyncIterator[Client]:
    # An idle connection would time out on the server when the clock is advanced.
    limits = httpx.Limits(max_keepalive_connections=0)
    async with (
        simulated(settings) as url,
        httpx.AsyncClient(base_url=url, timeout=None, limits=limits) as http,
    ):
        yield Client(http)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(1000):
        if await condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("the condition never became true")


async def one_rejected_of(tasks: list[asyncio.Task[httpx.Response]]) -> None:
    """Wait until one is rejected: the others have been accepted by then."""
    (rejected,), _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    response = rejected.result()
    assert (response.status_code, response.json()) == (503, BUSY)
    tasks.remove(rejected)


class TestLoading:
    async def test_takes_its_time_and_is_reported(self) -> None:
        async with client(replace(FAST, load_seconds=HOUR, parallel=1, max_queue=1)) as it:
            requests = [it.request() for _ in range(3)]
            await one_rejected_of(requests)
            assert await it.loaded() == {}
            skip_ahead(HOUR)
            responses = [(await task).json() for task in requests]
            assert all(response["load_duration"] > 0.99 * HOUR * 1e9 for response in responses)
            assert all(response["done_reason"] == "length" for response in responses)
            again = (await it.request()).json()
            assert again["load_duration"] < 0.01 * HOUR * 1e9
            assert again["total_duration"] < 0.01 * HOUR * 1e9

    @pytest.mark.parametrize("path", ["generate", "chat"])
    async def test_an_empty_prompt_loads_and_unloads(self, path: str) -> None:
        async with client(FAST) as it:

            async def send(**fields: object) -> dict[str, Any]:
                response = await it.http.post(f"/api/{path}", json={"model": MODEL, **fields})
                body: dict[str, Any] = response.json()
                return body

            loaded = await send()
            assert loaded.pop("created_at")
            message = {"role": "assistant", "content": ""}
            said = {"response": ""} if path == "generate" else {"message": message}
            assert loaded == {"model": MODEL, **said, "done": True, "done_reason": "load"}
            assert list(await it.loaded()) == ["llama3.2:latest"]
            assert (await send(keep_alive=0))["done_reason"] == "unload"
            assert await it.loaded() == {}


class TestKeepAlive:
    @pytest.mark.parametrize(
        ("keep_alive", "seconds"),
        [
            (None, 300),
            ("5m", 300),
            ("1h30m", 5400),
            ("1.5h", 5400),
            ("90s500ms", 90.5),
            (60, 60),
            (0.5, 0.5),
            (-1, 2**63 / 1e9),
            ("-1m", 2**63 / 1e9),
        ],
    )
    async def test_says_when_a_model_expires(
        self, keep_alive: float | str | None, seconds: float
    ) -> None:
        async with client(FAST) as it:
            await it.request(keep_alive=keep_alive)
            # How long the requests themselves take is unknown, but never more than this.
            assert (await it.loaded())["llama3.2:latest"] == pytest.approx(seconds, abs=20)

    async def test_a_model_that_nobody_uses_is_unloaded_after_it(self) -> None:
        async with client(FAST) as it:
            await it.request(keep_alive="2h")
            skip_ahead(HOUR)
            left = (await it.loaded())["llama3.2:latest"]
            assert left == pytest.approx(HOUR, abs=20)
            await it.request()  # which keeps the two hours, and starts them again
            skip_ahead(1.5 * HOUR)
            assert await it.loaded()
            skip_ahead(0.5 * HOUR)
            assert await it.loaded() == {}

    async def test_zero_unloads_at_once(self) -> None:
        async with client(FAST) as it:
            assert (await it.request(keep_alive="0s")).json()["response"]
            assert await it.loaded() == {}

    async def test_a_model_in_use_is_not_unloaded(self) -> None:
        async with client(replace(FAST, prompt_seconds=3 * HOUR)) as it:
            request = it.request(keep_alive=60)

            async def is_loaded() -> bool:
                return bool(await it.loaded())

            await until(is_loaded)
            skip_ahead(2 * HOUR)
            assert await it.loaded()
            unloaded = await it.http.post("/api/generate", json={"model": MODEL, "keep_alive": 0})
            assert unloaded.json()["done_reason"] == "unload"
            assert await it.loaded()
            skip_ahead(HOUR)
            assert (await request).json()["done"]
            assert await it.loaded() == {}

    async def test_the_longest_to_stay_is_listed_first(self) -> None:
        async with client(FAST) as it:
            await it.http.post("/api/embed", json={"model": EMBEDDER, "input": "a"})
            await it.request(keep_alive="1m")
            assert list(await it.loaded()) == ["nomic-embed-text:latest", "llama3.2:latest"]
            await it.request(keep_alive=-1)
            assert list(await it.loaded()) == ["llama3.2:latest", "nomic-embed-text:latest"]


class TestQueueing:
    async def test_shows_as_a_later_first_token_and_then_as_503(self) -> None:
        settings = replace(FAST, prompt_seconds=HOUR, parallel=1, max_queue=2)
        async with client(settings) as it:
            requests = [it.request() for _ in range(4)]
            await one_rejected_of(requests)
            waited = []
            while requests:
                skip_ahead(HOUR)
                (done,), left = await asyncio.wait(requests, return_when=asyncio.FIRST_COMPLETED)
                requests = list(left)
                response = done.result().json()
                assert response["prompt_eval_duration"] == pytest.approx(HOUR * 1e9, rel=0.01)
                waited.append(response["total_duration"] / 1e9 / HOUR)
            assert waited == pytest.approx([1, 2, 3], rel=0.01)

    async def test_a_model_processes_several_requests_at_once(self) -> None:
        settings = replace(FAST, prompt_seconds=HOUR, parallel=3, max_queue=0)
        async with client(settings) as it:
            requests = [it.request() for _ in range(4)]
            await one_rejected_of(requests)
            skip_ahead(HOUR)
            for task in requests:
                assert (await task).json()["total_duration"] < 1.1 * HOUR * 1e9

    async def test_each_model_has_its_own_slots(self) -> None:
        settings = replace(FAST, prompt_seconds=HOUR, parallel=1, max_queue=0)
        async with client(settings) as it:
            requests = [it.request(), it.request()]
            await one_rejected_of(requests)
            embedded = await it.http.post("/api/embed", json={"model": EMBEDDER, "input": "a"})
            assert embedded.status_code == 200
            skip_ahead(HOUR)
            await requests[0]

    async def test_the_openai_routes_wait_in_the_same_queue(self) -> None:
        settings = replace(FAST, prompt_seconds=HOUR, parallel=1, max_queue=0)
        async with client(settings) as it:
            requests = [it.request(), it.request()]
            await one_rejected_of(requests)
            body = {"model": MODEL, "prompt": "hello"}
            refused = await it.http.post("/v1/completions", json=body)
            assert refused.status_code == 503
            error = {"message": BUSY["error"], "type": "api_error", "param": None, "code": None}
            assert refused.json() == {"error": error}
            skip_ahead(HOUR)
            await requests[0]


class TestDisconnecting:
    @pytest.mark.parametrize("stream", [True, False])
    @pytest.mark.parametrize(
        "slow",
        [
            {"load_seconds": HOUR, "prompt_seconds": NEVER},
            {"prompt_seconds": NEVER},
            {"tokens_per_second": 1 / NEVER},
        ],
        ids=["loading", "reading_the_prompt", "generating"],
    )
    async def test_frees_the_slot_at_once(self, slow: dict[str, Any], stream: bool) -> None:
        settings = replace(FAST, parallel=1, max_queue=0, **slow)
        async with client(settings) as it:
            requests = [it.request(stream=stream), it.request(stream=stream)]
            await one_rejected_of(requests)
            requests[0].cancel()
            skip_ahead(HOUR)  # by now the model is loaded

            await until(it.has_room)

    async def test_frees_the_place_in_the_queue(self) -> None:
        settings = replace(FAST, prompt_seconds=HOUR, parallel=1, max_queue=1)
        async with client(settings) as it:
            requests = [it.request() for _ in range(3)]
            await one_rejected_of(requests)

            assert not await it.has_room()
            requests[1].cancel()
            await until(it.has_room)
            skip_ahead(HOUR)
            assert (await requests[0]).json()["done"]

    async def test_frees_the_slot_of_an_embedding(self) -> None:
        settings = replace(FAST, embed_seconds=NEVER, parallel=1, max_queue=0)
        async with client(settings) as it:
            body = {"model": MODEL, "input": "a"}
            requests = [
                asyncio.create_task(it.http.post("/api/embed", json=body)) for _ in range(2)
            ]
            await one_rejected_of(requests)
            requests[0].cancel()

            await until(it.has_room)
