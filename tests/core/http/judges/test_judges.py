"""Judges fed with bytes: the ruling on each response, however it is cut."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fuseboard import Verdict
from fuseboard.breaker.outcome import GOOD, Ruling
from fuseboard.http import http_judge, ollama_judge, openai_judge
from fuseboard.http.judge import Judge
from fuseboard.http.judges.http import HttpJudge
from fuseboard.http.judges.model_api import ModelApiJudge
from fuseboard.http.judges.ollama import OllamaJudge

SUCCESS, FAILURE, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.IGNORED
SSE = {"Content-Type": "text/event-stream; charset=utf-8"}
MIB = 1024 * 1024


def request_to(path: str = "/") -> httpx.Request:
    return httpx.Request("POST", f"http://here{path}")


JUDGES: dict[str, Callable[[], Judge]] = {
    "http": partial(HttpJudge, request_to()),
    "ollama stream": partial(OllamaJudge[object], request_to("/api/generate")),
    "ollama object": partial(OllamaJudge[object], request_to("/api/tags")),
    "openai": partial(ModelApiJudge, request_to()),
}


@dataclass
class Judgement:
    """Everything that a judge reports on a response."""

    ruling: Ruling
    content_started: bool
    early_rulings: list[Ruling] = field(default_factory=list)


def judged(
    judge: Judge, chunks: Iterable[bytes], status: int = 200, headers: dict[str, str] | None = None
) -> Judgement:
    assert judge.ruling is None
    assert not judge.content_started
    judge.begin(status, httpx.Headers(headers))
    early_rulings: list[Ruling] = []
    content_started = False
    for chunk in chunks:
        judge.feed(chunk)
        assert judge.content_started >= content_started, "what was seen stays seen"
        content_started = judge.content_started
        if judge.ruling is not None:
            early_rulings.append(judge.ruling)
    ruling = judge.end()
    assert judge.end() == ruling
    if status < 300:
        failed_early = [early for early in early_rulings if early != GOOD]
        assert all(early == ruling for early in failed_early), "what went wrong stays so"
    return Judgement(ruling, judge.content_started, early_rulings)


def failed(reason: str) -> Ruling:
    return Ruling(FAILURE, reason)


# Statuses


@pytest.mark.parametrize("name", JUDGES)
@pytest.mark.parametrize(
    ("status", "of_http", "of_a_model"),
    [
        (400, SUCCESS, IGNORED),
        (401, SUCCESS, IGNORED),
        (402, SUCCESS, IGNORED),
        (403, SUCCESS, IGNORED),
        (404, SUCCESS, IGNORED),
        (405, SUCCESS, IGNORED),
        (407, IGNORED, IGNORED),
        (408, FAILURE, FAILURE),
        (409, SUCCESS, IGNORED),
        (422, SUCCESS, IGNORED),
        (425, FAILURE, FAILURE),
        (429, FAILURE, FAILURE),
        (451, SUCCESS, IGNORED),
        (499, IGNORED, IGNORED),
        (500, FAILURE, FAILURE),
        (501, FAILURE, FAILURE),
        (502, FAILURE, FAILURE),
        (503, FAILURE, FAILURE),
        (504, FAILURE, FAILURE),
        (529, FAILURE, FAILURE),
        (599, FAILURE, FAILURE),
    ],
)
def test_error_statuses(name: str, status: int, of_http: Verdict, of_a_model: Verdict) -> None:
    verdict = of_http if name == "http" else of_a_model
    judge = JUDGES[name]()
    judge.begin(status, httpx.Headers())
    assert judge.ruling == Ruling(verdict, f"HTTP {status}"), "certain without a body"
    judge.feed(b'{"error":"no')
    assert judge.ruling == Ruling(verdict, f"HTTP {status}")
    judge.feed(b' way"}')
    assert judge.ruling == Ruling(verdict, f"HTTP {status}: no way")
    assert judge.end() == judge.ruling
    assert not judge.content_started


@pytest.mark.parametrize("status", [200, 201, 204, 206, 301, 304, 307])
def test_other_statuses_are_good_http(status: int) -> None:
    assert judged(HttpJudge(request_to()), [], status).ruling == GOOD
    assert judged(HttpJudge(request_to()), [b"x"], status) == Judgement(GOOD, content_started=True)


@pytest.mark.parametrize("name", [name for name in JUDGES if name != "http"])
def test_a_redirect_is_no_success_for_a_model(name: str) -> None:
    assert judged(JUDGES[name](), [], 302).ruling == Ruling(IGNORED, "HTTP 302")


@pytest.mark.parametrize("path", ["/api/embed", "/api/embeddings", "/v1/embeddings"])
def test_a_400_on_an_embedding_of_ollama_is_a_failure(path: str) -> None:
    judge = ollama_judge(httpx.Request("POST", f"http://here/base{path}"))
    assert judged(judge, [b'{"error":"EOF"}'], 400).ruling == failed("HTTP 400: EOF")
    assert judged(ModelApiJudge(request_to()), [], 400).ruling.verdict is IGNORED


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", ""),
        (b'{"error":"busy"}', "busy"),
        (b'{"error":{"message":"slow down","type":"x"}}', "slow down"),
        (b'{"error":{"code":1}}', ""),
        (b'{"message":"no quota"}', "no quota"),
        (b'{"detail":"not now"}', "not now"),
        (b'{"detail":[{"loc":["body"],"input":"a prompt"}]}', ""),
        (b"upstream gone\r\nat line 7", "upstream gone"),
        (b"<html>bad gateway</html>", ""),
        (b'["error"]', ""),
        (b'{"error":"half', ""),
        (b'{"error":"' + b"a" * 121 + b'"}', "a" * 119 + "…"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        pytest.param(b'{"error":"' + b"a" * 70_000 + b'"}', "", id="long JSON"),
        pytest.param(b"b" * 1_000_000, "b" * 119 + "…", id="long text"),
    ],
)
@pytest.mark.parametrize("name", JUDGES)
def test_the_message_of_an_error(name: str, body: bytes, message: str) -> None:
    reason = f"HTTP 503: {message}" if message else "HTTP 503"
    for chunks in ([body], cut(body, 1000), [body[:1], body[1:]]):
        assert judged(JUDGES[name](), chunks, 503).ruling == failed(reason)


# Retry-After

DATE = "Mon, 23 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("1.5", 1.5),
        ("Mon, 23 Nov 2026 12:01:30 GMT", 90.0),
        ("Mon, 23 Nov 2026 12:01:30 -0000", 90.0),
        ("Mon, 23 Nov 2026 11:59:59 GMT", 0.0),
        ("Monday, 23-Nov-26 12:00:05 GMT", 5.0),
        ("-3", None),
        ("inf", None),
        ("9" * 400, None),
        ("soon", None),
        ("", None),
        (",", None),
        ("Mon, 99 Nov 2026 99:00:00 GMT", None),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    headers = {"Retry-After": value, "Date": DATE}
    for name in JUDGES:
        for status in (429, 503, 500):
            assert judged(JUDGES[name](), [], status, headers).ruling.retry_after == seconds
        assert judged(JUDGES[name](), [], 404, headers).ruling.retry_after is None


def test_retry_after_without_a_date_uses_the_local_clock() -> None:
    headers = {"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}
    seconds = judged(HttpJudge(request_to()), [], 503, headers).ruling.retry_after
    assert seconds is not None
    assert seconds > 7000 * 365 * 24 * 3600
    assert judged(HttpJudge(request_to()), [], 503).ruling.retry_after is None


DATES = st.text() | st.lists(
    st.sampled_from(["Mon,", "Mon", ",", "23", "-1", "0", "Nov", "2026", "9999", "12:00:00", "1:2",
                     "GMT", "+9999", "-0000", "+2359"])
).map(" ".join)  # fmt: skip


@given(DATES, DATES)
def test_a_malformed_retry_after_never_raises(value: str, date: str) -> None:
    headers = httpx.Headers([(b"Retry-After", value.encode()), (b"Date", date.encode())])
    judge = HttpJudge(request_to())
    judge.begin(503, headers)
    assert judge.ruling is not None
    seconds = judge.ruling.retry_after
    assert seconds is None or 0 <= seconds < float("inf")


# Bodies

TOKEN = b'{"model":"m","response":"hi","done":false}\n'
DONE = b'{"model":"m","response":"","done":true,"done_reason":"stop"}\n'
LATE = '{"response":"a\u2028b\u0085c é","done":false}\n'.encode()

OLLAMA: list[tuple[str, bytes, Ruling, bool]] = [
    ("/api/generate", TOKEN + DONE, GOOD, True),
    ("/api/chat", LATE + b"\n \n" + DONE, GOOD, True),
    ("/base/api/chat", TOKEN, failed("stream ended without done"), True),
    ("/api/generate", DONE.strip(), GOOD, True),
    ("/api/generate", b'{"response":"all","done":true,"done_reason":"stop"}', GOOD, True),
    ("/api/generate", DONE + b"\x00 whatever", GOOD, True),
    ("/api/generate", TOKEN.strip(), failed("stream ended without done"), True),
    ("/api/generate", b"", failed("empty answer"), False),
    ("/api/generate", b"\n\n", failed("empty answer"), False),
    ("/api/generate", b"\x00\xff\n", failed("answer is not JSON"), False),
    ("/api/generate", TOKEN + DONE[:20], failed("answer is not JSON"), True),
    ("/api/generate", b"[1]\n", failed("answer is not a JSON object"), False),
    ("/api/generate", b'{"error":"out of memory"}\n', failed("error in the answer: out of memory"), False),  # noqa: E501
    ("/api/generate", TOKEN + b'{"error":"gone"}', failed("error in the answer: gone"), True),
    ("/api/generate", b'{"done":true,"error":"EOF"}\n', failed("error in the answer: EOF"), False),
    ("/api/generate", b'{"error":{"code":7}}\n', failed("error in the answer: unnamed"), False),
    ("/api/generate", b'{"error":null,"done":true}\n', GOOD, True),
    ("/api/generate", b'{"done":1}\n', failed("stream ended without done"), True),
    ("/api/tags", b'{"models":[]}', GOOD, True),
    ("/api/tags", b"", failed("empty answer"), False),
    ("/api/tags", b"<html>", failed("answer is not JSON"), False),
    ("/api/pull", b'{"status":"a"}\n{"error":"pull failed"}\n', failed("error in the answer: pull failed"), True),  # noqa: E501
]  # fmt: skip


def event(data: str, kind: str = "") -> bytes:
    return (f"event: {kind}\n" if kind else "").encode() + f"data: {data}\n\n".encode()


DELTA = event('{"id":"1","choices":[{"delta":{"content":"hi"}}]}')
STOP = event("[DONE]")
TEXT_DELTA = event(
    '{"type":"response.output_text.delta","delta":"hi"}', "response.output_text.delta"
)

OPENAI_STREAMS: list[tuple[bytes, Ruling, bool]] = [
    (DELTA + DELTA + STOP, GOOD, True),
    ((DELTA + STOP).replace(b"\n", b"\r\n"), GOOD, True),
    ((DELTA + STOP).replace(b"\n", b"\r"), GOOD, True),
    (b"\xef\xbb\xbf" + DELTA + STOP, GOOD, True),
    (b": hello\n\n" + DELTA + b":\n\n" + STOP, GOOD, True),
    (b'id: 7\nretry: 10\ndata:{"a":\ndata:  1}\nodd\n\n' + STOP, GOOD, True),
    (DELTA + b"data: [DONE]\n", GOOD, True),
    (DELTA + b"data:[DONE]", GOOD, True),
    (DELTA + b"data\n\ndata: \n\nevent: ping\n\n" + STOP, GOOD, True),
    (DELTA + STOP + event("{}", "error"), GOOD, True),
    (event('{"error":null,"choices":[{"delta":{"content":"a"}}]}') + STOP, GOOD, True),
    (event('{"error":null,"choices":[]}') + STOP, failed("empty answer"), False),
    (event('{"a":"\u2028\u0085"}') + STOP, GOOD, True),
    (DELTA, failed("stream ended without [DONE]"), True),
    (DELTA[:-2] + b"\n", failed("stream ended without [DONE]"), True),
    (b"", failed("empty answer"), False),
    (b": nothing\n\n", failed("empty answer"), False),
    (STOP, failed("empty answer"), False),
    (DELTA + event("{"), failed("answer is not JSON"), True),
    (DELTA + b'data: {"cho', failed("answer is not JSON"), True),
    (event("[1]"), failed("answer is not a JSON object"), False),
    (DELTA + event('{"error":{"message":"gone"}}') + STOP, failed("error in the answer: gone"), True),  # noqa: E501
    (event('{"error":"busy","choices":[]}') + STOP, failed("error in the answer: busy"), False),
    (event('{"error":true}') + STOP, failed("error in the answer: unnamed"), False),
    (event("it broke", "error"), failed("error in the answer: it broke"), False),
    (event('{"message":"no","code":1}', "error"), failed("error in the answer: no"), False),
    (b"event: error\n\n", failed("error in the answer: unnamed"), False),
    (event('{"type":"error","message":"no"}'), failed("error in the answer: no"), False),
    (TEXT_DELTA + event('{"type":"response.completed"}', "response.completed"), GOOD, True),
    (TEXT_DELTA + event('{"type":"response.incomplete"}'), GOOD, True),
    (TEXT_DELTA + event('{"type":"response.failed","response":{"error":{"message":"oom"}}}'), failed("error in the answer: oom"), True),  # noqa: E501
    (event('{"type":"response.failed"}'), failed("error in the answer: unnamed"), False),
    (event('{"type":"response.created"}'), failed("empty answer"), False),
    (TEXT_DELTA, failed("stream ended without response.completed"), True),
    (event('{"type":["x"]}') + STOP, GOOD, True),
]  # fmt: skip

OPENAI_OBJECTS: list[tuple[str, bytes, Ruling, bool]] = [
    ("application/json", b'{\n  "id": 1\n}\n', GOOD, True),
    ("application/json; charset=utf-8", b'{"id":1,"error":null}', GOOD, True),
    ("", b'{"id":1}', GOOD, True),
    ("application/problem+json", b'{"id":1}', GOOD, True),
    ("application/json", b'{"error":{"message":"no"}}', failed("error in the answer: no"), False),
    ("application/json", b"", failed("empty answer"), False),
    ("application/json", b" \n", failed("empty answer"), False),
    ("application/json", b"{}", failed("empty answer"), False),
    ("application/json", b'{"id":', failed("answer is not JSON"), False),
    ("application/json", b'{"id":1}{"id":2}', failed("answer is not JSON"), False),
    ("application/json", b"[1]", GOOD, True),
    ("text/html", b"<html>log in first</html>", failed("answer is not JSON"), False),
    ("audio/mpeg", b"\xff\xf3", GOOD, True),
    ("audio/mpeg", b"", failed("empty answer"), False),
]


def cut(body: bytes, size: int) -> list[bytes]:
    return [body[at : at + size] for at in range(0, len(body), size)]


SIZES = [1, 2, 3, 7, 10_000]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("path", "body", "ruling", "content_started"), OLLAMA)
def test_ollama(path: str, body: bytes, ruling: Ruling, content_started: bool, size: int) -> None:
    judgement = judged(OllamaJudge[object](request_to(path)), cut(body, size))
    assert (judgement.ruling, judgement.content_started) == (ruling, content_started)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("body", "ruling", "content_started"), OPENAI_STREAMS)
def test_openai_streams(body: bytes, ruling: Ruling, content_started: bool, size: int) -> None:
    judgement = judged(ModelApiJudge(request_to()), cut(body, size), headers=SSE)
    assert (judgement.ruling, judgement.content_started) == (ruling, content_started)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("kind", "body", "ruling", "content_started"), OPENAI_OBJECTS)
def test_openai_objects(
    kind: str, body: bytes, ruling: Ruling, content_started: bool, size: int
) -> None:
    judgement = judged(
        ModelApiJudge(request_to()), cut(body, size), headers={"Content-Type": kind} if kind else {}
    )
    assert (judgement.ruling, judgement.content_started) == (ruling, content_started)


def test_a_final_ruling_is_known_before_the_body_ends() -> None:
    assert judged(OllamaJudge[object](request_to("/api/chat")), [TOKEN, DONE]).early_rulings == [
        GOOD
    ]
    assert judged(ModelApiJudge(request_to()), [DELTA, STOP], headers=SSE).early_rulings == [GOOD]
    bad = [TOKEN, b'{"error":"gone"}\n', TOKEN]
    gone = failed("error in the answer: gone")
    assert judged(OllamaJudge[object](request_to("/api/chat")), bad).early_rulings == [gone, gone]


# Bounds


@pytest.mark.parametrize("end", [b"", b"\n", b"\n\n"])
@pytest.mark.parametrize("size", [65_536, 40 * MIB])
def test_an_endless_line_is_a_failure(end: bytes, size: int) -> None:
    line = b'{"response":"' + b"a" * (16 * MIB) + b'"}' + end
    too_long = failed("answer is too long")
    assert judged(OllamaJudge[object](request_to("/api/chat")), cut(line, size)).ruling == too_long
    data = b"data: " + line
    assert judged(ModelApiJudge(request_to()), cut(data, size), headers=SSE).ruling == too_long
    lines = (b"data: " + b"1" * 1000 + b"\n") * (17 * 1024)
    assert judged(ModelApiJudge(request_to()), cut(lines, size), headers=SSE).ruling == too_long


@pytest.mark.parametrize("size", [65_536, 40 * MIB])
def test_a_big_batch_is_no_failure(size: int) -> None:
    line = b'{"embeddings":"' + b"a" * (15 * MIB) + b'"}'
    assert judged(OllamaJudge[object](request_to("/api/embed")), cut(line, size)).ruling == GOOD
    headers = {"Content-Type": "application/json"}
    for body in (line, line + line):  # the latter is too long to be read
        assert judged(ModelApiJudge(request_to()), cut(body, size), headers=headers).ruling == GOOD


# Arbitrary bodies

FRAGMENTS = st.sampled_from(
    [TOKEN, DONE, LATE, DELTA, STOP, TEXT_DELTA, b"\n", b"\r", b"\r\n", b"data: ",
     b"event: error\n", b"\xef\xbb\xbf", b'{"error":"x"}', b"[DONE]", b":", b"{}", b"[" * 20_000,
     b"1" * 5000]
)  # fmt: skip
BODIES = st.lists(FRAGMENTS | st.binary(max_size=20), max_size=12).map(b"".join)
HEADS = st.sampled_from([{}, SSE, {"Content-Type": "application/json"}, {"Content-Type": "a/b"}])


@st.composite
def cuttings(draw: st.DrawFn) -> tuple[bytes, Sequence[bytes]]:
    body = draw(BODIES)
    ends = sorted(draw(st.lists(st.integers(0, len(body)), max_size=30)))
    starts = [0, *ends]
    return body, [body[a:b] for a, b in zip(starts, [*ends, len(body)], strict=True)]


@pytest.mark.parametrize("name", JUDGES)
@given(cutting=cuttings(), status=st.sampled_from([200, 200, 204, 302, 404, 503]), headers=HEADS)
@example(cutting=(DELTA + STOP, [DELTA + STOP[:-1], b"\n"]), status=200, headers=SSE)
def test_any_cutting_gives_the_same_ruling_and_none_raises(
    name: str, cutting: tuple[bytes, Sequence[bytes]], status: int, headers: dict[str, str]
) -> None:
    body, chunks = cutting
    whole = judged(JUDGES[name](), [body], status, headers)
    in_chunks = judged(JUDGES[name](), chunks, status, headers)
    assert (in_chunks.ruling, in_chunks.content_started) == (whole.ruling, whole.content_started)
    assert len(whole.ruling.reason) < 150


@given(st.text(min_size=8).filter(lambda text: not text.isascii()), HEADS)
def test_generated_text_is_never_in_a_reason(secret: str, headers: dict[str, str]) -> None:
    value = json.dumps({"response": secret, "choices": [secret], "done": False}).encode()
    for body in (
        value,
        value[:-3],
        event(value.decode()),
        event(value.decode()[:-3]),
        secret.encode(),
    ):
        for name, make in JUDGES.items():
            assert secret not in judged(make(), [body], 200, headers).ruling.reason, name


# Which judge


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("POST", "/api/generate", OllamaJudge),
        ("POST", "/base/api/chat", OllamaJudge),
        ("GET", "/api/tags", OllamaJudge),
        ("POST", "/api/pull", OllamaJudge),
        ("POST", "/v1/chat/completions", ModelApiJudge),
        ("POST", "/api/ollama/v1/embeddings", ModelApiJudge),
        ("POST", "/v1/ollama/api/embed", OllamaJudge),
        ("GET", "/", HttpJudge),
        ("HEAD", "/api/tags", HttpJudge),
        ("HEAD", "/v1/models", HttpJudge),
        ("DELETE", "/api/delete", HttpJudge),
        ("POST", "/api/copy", HttpJudge),
        ("POST", "/base/api/blobs/sha256:1", HttpJudge),
    ],
)
def test_the_judge_of_a_request_to_ollama(method: str, path: str, kind: type) -> None:
    assert type(ollama_judge(httpx.Request(method, f"http://here{path}"))) is kind


def test_the_judges_of_other_requests() -> None:
    assert type(http_judge(httpx.Request("GET", "http://here/v1/x"))) is HttpJudge
    assert type(openai_judge(httpx.Request("POST", "http://here/x"))) is ModelApiJudge
    assert type(openai_judge(httpx.Request("HEAD", "http://here/x"))) is HttpJudge
