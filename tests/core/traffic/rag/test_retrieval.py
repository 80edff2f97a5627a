"""Retrieval of passages by their embeddings, against a simulated server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.responses import JSONResponse

from fuseboard import CircuitBreaker, CircuitOpenError, ConsecutiveFailures
from fuseboard.faults.switches import FaultSwitches
from fuseboard.ollama import CachingClient, OllamaClient, OllamaError, Operation
from fuseboard.ollama.response_cache import ResponseCache
from fuseboard.traffic.questions import BUILT_IN_QUESTIONS
from fuseboard.traffic.rag.retrieval import Retriever, grounded_prompt, read_corpus
from tests.core.serving import proxied, recording_simulator, served, simulated

MODEL = "nomic-embed-text"
CORPUS = read_corpus()


@asynccontextmanager
async def retrieval(passages: tuple[str, ...] = CORPUS) -> AsyncIterator[Retriever]:
    async with simulated() as url, OllamaClient(url, {}) as client:
        yield Retriever(client, MODEL, passages)


def test_the_corpus_is_passages_of_one_line_each() -> None:
    assert 20 <= len(CORPUS) <= 40
    assert len(set(CORPUS)) == len(CORPUS)
    for passage in CORPUS:
        assert 10 <= len(passage.split()) <= 50
        assert passage.endswith(".")
        assert not {"\n", "#"} & set(passage)


@pytest.mark.parametrize(
    ("question", "beginning"),
    [
        ("Why should a probe be a real call?", "A probe should be a real call"),
        ("What is the half-open state for?", "Half-open is the state"),
        ("How long should the recovery timeout be?", "The recovery timeout is"),
        ("Why do all clients come back together without jitter?", "Jitter is randomness"),
        ("How does a bulkhead keep a slow service from sinking the others?", "A bulkhead limits"),
        ("Why is the first answer of Ollama slow after a pause?", "Ollama loads a model"),
        ("Why can an answer at temperature zero be cached?", "Temperature decides"),
        ("What does Prometheus miss between two scrapes?", "Prometheus scrapes metrics"),
    ],
)
async def test_a_questions_own_passage_is_among_the_nearest(question: str, beginning: str) -> None:
    assert question in BUILT_IN_QUESTIONS
    async with retrieval() as it:
        found = await it.nearest(question)
    assert len(found) == 3
    assert any(passage.startswith(beginning) for passage in found), found


async def test_the_nearest_comes_first_whatever_the_order_and_the_length() -> None:
    passages = ("red fish", "green bird " * 20, "blue whale", "green fish")
    async with retrieval(passages) as it:
        assert (await it.nearest("green bird", 2)) == ["green bird " * 20, "green fish"]
        assert (await it.nearest("whale", 1)) == ["blue whale"]
        assert len(await it.nearest("red", 9)) == 4


async def test_the_passages_are_embedded_once_a_few_in_a_call() -> None:
    async with recording_simulator() as (url, requests), OllamaClient(url, {}) as client:
        it = Retriever(client, MODEL, CORPUS)
        for question in ("one", "two"):
            await it.nearest(question)
    batches = [request.body["input"] for request in requests]
    assert batches[-2:] == [["one"], ["two"]]
    assert [passage for batch in batches[:-2] for passage in batch] == list(CORPUS)
    assert 1 < max(map(len, batches)) <= 10


async def test_concurrent_questions_find_what_single_ones_find() -> None:
    async with simulated() as url, OllamaClient(url, {}) as client:
        cache = ResponseCache("ollama", 100, 600)
        for each in (client, CachingClient(client, cache)):
            alone, together = (Retriever(each, MODEL, CORPUS) for _ in range(2))
            found = await asyncio.gather(*map(together.nearest, BUILT_IN_QUESTIONS))
            assert found == [await alone.nearest(question) for question in BUILT_IN_QUESTIONS]
    assert cache.snapshot().misses == cache.snapshot().entries


async def test_what_failed_is_embedded_with_the_next_question() -> None:
    switches = FaultSwitches()
    breaker = CircuitBreaker("embed", trip=ConsecutiveFailures(2))
    async with (
        simulated() as server,
        proxied(server, switches) as url,
        OllamaClient(url, {Operation.EMBED: breaker}) as client,
    ):
        it = Retriever(client, MODEL, CORPUS)
        switches.switch("error500", active=True)
        for _ in range(2):
            with pytest.raises(OllamaError, match="HTTP 500"):
                await it.nearest("a probe")
        with pytest.raises(CircuitOpenError):
            await it.nearest("a probe")
        # One call for each question: nothing is retried.
        assert (breaker.snapshot().calls.failure, breaker.snapshot().calls.rejected) == (2, 1)
        switches.clear()
        breaker.reset()
        assert (await it.nearest("a probe"))[0].startswith("A probe should be")


async def test_a_zero_vector_is_no_error() -> None:
    response = JSONResponse({"model": MODEL, "embeddings": [[0.0, 0.0]]})
    async with served(response) as url, OllamaClient(url, {}) as client:
        assert await Retriever(client, MODEL, ("one",)).nearest("what?") == ["one"]


def test_the_prompt_holds_the_passages_and_the_question() -> None:
    prompt = grounded_prompt("Why?", ["Because.", "Therefore."])
    assert prompt.endswith("Passages:\n- Because.\n- Therefore.\n\nQuestion: Why?\nAnswer:")
