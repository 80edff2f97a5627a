"""Responses in the forms that real servers send: each gets the verdict it deserves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest

from fuseboard.breaker.outcome import Ruling
from fuseboard.http import BreakerTransport
from tests.core.http.judges.verdict_cases import (
    JUDGES,
    VerdictCase,
    breaker_with_calls,
    judge_async,
    judge_sync,
    load_cases,
    ruling_of,
)
from tests.core.http.judges.verdicts_page import PAGE, render
from tests.core.serving import raw_server

CASES = load_cases()
ONE_OF_EACH_HEAD = [*{(case.status, case.content_type, case.want): case for case in CASES}.values()]
Judging = Callable[[VerdictCase, int | None], Awaitable[Ruling]]


async def sync(case: VerdictCase, size: int | None) -> Ruling:
    return judge_sync(case, size)


async def on_a_socket(case: VerdictCase, size: int | None) -> Ruling:
    """Judge a case by what a real server sends, which flushes each chunk."""
    lines = [f"HTTP/1.1 {case.status} Said", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in case.response_headers.items()]

    async def respond(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write("\r\n".join([*lines, "", ""]).encode())
        for chunk in case.cut(size):
            writer.write(chunk)
            await writer.drain()

    breaker, calls = breaker_with_calls()
    transport = BreakerTransport(breaker, judge=JUDGES[case.judge])
    async with raw_server(respond) as url, httpx.AsyncClient(transport=transport) as client:
        response = await client.request(case.method, url + case.path, json=case.request)
    return ruling_of(response, calls)


def name_of(case: VerdictCase) -> str:
    return f"{case.provider}: {case.name}"


@pytest.mark.parametrize("size", [None, 1], ids=["whole", "cut at each byte"])
@pytest.mark.parametrize("judging", [sync, judge_async], ids=["sync", "async"])
@pytest.mark.parametrize("case", CASES, ids=name_of)
async def test_it_gets_the_verdict_it_deserves(
    case: VerdictCase, judging: Judging, size: int | None
) -> None:
    assert_deserved(await judging(case, size), case)


@pytest.mark.parametrize("size", [None, 1], ids=["whole", "cut at each byte"])
@pytest.mark.parametrize("case", ONE_OF_EACH_HEAD, ids=name_of)
async def test_it_gets_it_on_a_socket_too(case: VerdictCase, size: int | None) -> None:
    assert_deserved(await on_a_socket(case, size), case)


def assert_deserved(ruling: Ruling, case: VerdictCase) -> None:
    assert ruling.verdict.value == case.want, ruling.reason
    kind, _, text = case.reason.partition(":")
    if kind == "has":
        assert text in ruling.reason


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.judge != "http"],
    ids=name_of,
)
def test_the_right_judge_is_found_by_the_path(case: VerdictCase) -> None:
    assert judge_sync(case, judge="llm") == judge_sync(case)


@pytest.mark.parametrize(
    "group", sorted({case.reason for case in CASES if case.reason.startswith("same:")})
)
def test_the_same_trouble_has_the_same_words(group: str) -> None:
    reasons = [judge_sync(case).reason for case in CASES if case.reason == group]
    assert len(reasons) > 1
    assert len(set(reasons)) == 1


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.retry_after is not None], ids=lambda case: case.name
)
def test_the_wait_that_a_response_asks_for(case: VerdictCase) -> None:
    assert judge_sync(case).retry_after == case.retry_after


def test_the_page_of_verdicts_is_current() -> None:
    assert PAGE.read_text() == render(), "run python -m tests.core.http.judges.verdicts_page"
