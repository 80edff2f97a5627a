"""Choosing which statuses and codes are failures."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from fuseboard import Verdict
from fuseboard.http import (
    anthropic_judge,
    http_judge,
    judge_with,
    llm_judge,
    ollama_judge,
    openai_judge,
)

SUCCESS, FAILURE, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.IGNORED
JUDGES: list[Any] = [anthropic_judge, http_judge, llm_judge, ollama_judge, openai_judge]


def verdict_of(
    make: Any, status: int, body: object = "", path: str = "/v1/chat/completions"
) -> Verdict:
    judge = make(httpx.Request("POST", f"http://here{path}"))
    judge.begin(status, httpx.Headers({"Content-Type": "application/json"}))
    judge.feed(json.dumps(body).encode() if body else b"")
    verdict: Verdict = judge.end().verdict
    return verdict


def error(**fields: object) -> dict[str, object]:
    return {"error": {"message": "no", **fields}}


@pytest.mark.parametrize("judge", JUDGES)
def test_a_bill_that_is_not_paid_can_be_a_failure(judge: Any) -> None:
    chosen = judge_with(judge, failures={401, 402, 403})
    for path in ("/v1/chat/completions", "/api/chat"):
        for status in (401, 402, 403):
            assert verdict_of(judge, status, path=path) is not FAILURE
            assert verdict_of(chosen, status, path=path) is FAILURE
        assert verdict_of(chosen, 404, path=path) is verdict_of(judge, 404, path=path)
        assert verdict_of(chosen, 500, path=path) is FAILURE


@pytest.mark.parametrize("judge", [anthropic_judge, llm_judge, ollama_judge, openai_judge])
def test_a_status_is_meant_inside_a_200_too(judge: Any) -> None:
    bill = error(code=402)
    assert verdict_of(judge, 200, bill) is IGNORED
    assert verdict_of(judge_with(judge, failures=[402]), 200, bill) is FAILURE
    assert verdict_of(judge_with(judge, successes=[402]), 200, bill) is SUCCESS
    assert verdict_of(judge_with(judge, ignored=[429]), 200, error(code=429)) is IGNORED


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize("code", ["insufficient_quota", "Insufficient-Quota", "insufficientQuota"])
def test_a_code_decides_before_a_status(judge: Any, code: str) -> None:
    chosen = judge_with(judge, failures=[429], ignored=[code])
    for body in (error(code="insufficient_quota"), error(type="insufficient_quota")):
        assert verdict_of(chosen, 429, body) is IGNORED
    assert verdict_of(chosen, 429, error(code="rate_limit_exceeded")) is FAILURE
    assert verdict_of(chosen, 429) is FAILURE


def test_a_vendors_number_is_a_code() -> None:
    chosen = judge_with(openai_judge, failures=["1113"])
    assert verdict_of(chosen, 400, error(code=1113)) is FAILURE
    assert verdict_of(chosen, 400, error(code="1113")) is FAILURE
    assert verdict_of(chosen, 400, error(code="1114")) is IGNORED


@pytest.mark.parametrize("streamed", [True, False])
def test_a_reason_to_finish_can_be_chosen(streamed: bool) -> None:
    def finished(make: Any, reason: str) -> Verdict:
        judge = make(httpx.Request("POST", "http://here/v1/chat/completions"))
        judge.begin(200, httpx.Headers())
        choice = {"index": 0, "finish_reason": reason, "message": {}, "delta": {}}
        item = json.dumps({"choices": [choice]})
        judge.feed((f"data: {item}\n\n" if streamed else item).encode())
        verdict: Verdict = judge.end().verdict
        return verdict

    chosen = judge_with(llm_judge, failures=["content_filter"], ignored=["abort"])
    assert finished(llm_judge, "content_filter") is SUCCESS
    assert finished(chosen, "content_filter") is FAILURE
    assert finished(llm_judge, "abort") is FAILURE
    assert finished(chosen, "abort") is IGNORED
    assert finished(llm_judge, "cancelled") is IGNORED
    assert finished(judge_with(llm_judge, successes=["cancelled"]), "cancelled") is SUCCESS


def test_a_chosen_400_stands_for_a_crashed_runner_too() -> None:
    crash = {"error": "do embedding request: EOF"}
    assert verdict_of(ollama_judge, 400, crash, "/api/embed") is FAILURE
    chosen = judge_with(ollama_judge, ignored=[400])
    assert verdict_of(chosen, 400, crash, "/api/embed") is IGNORED


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"failures": {200}}, ValueError, "200 is no error status"),
        ({"failures": {1113}}, ValueError, "give the code of an error in a body as text: '1113'"),
        ({"failures": {600}}, ValueError, "600 is no error status"),
        ({"failures": "401"}, TypeError, "failures is a collection of statuses and codes"),
        ({"ignored": 404}, TypeError, "ignored is a collection of statuses and codes, not 404"),
        ({"ignored": [True]}, TypeError, "not True"),
        ({"ignored": [None]}, TypeError, "not None"),
        ({"successes": [4.04]}, TypeError, "not 4.04"),
        ({"successes": ["404"]}, ValueError, "give the status 404 as a number"),
        ({"successes": [" _ "]}, ValueError, "is no code of an error"),
        ({"failures": [404], "ignored": [404]}, ValueError, "404 cannot have two verdicts"),
        (
            {"failures": ["a_b"], "successes": ["A-B"]},
            ValueError,
            "'ab' cannot have two verdicts",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(
    settings: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        judge_with(http_judge, **settings)
