"""A server's message in a reason: stable, and without what the request contained."""

from __future__ import annotations

import html
import json
import re
import time
import unicodedata
from collections.abc import Callable
from urllib.parse import quote

import httpx
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from fuseboard.http import http_judge, ollama_judge, openai_judge
from fuseboard.http.judge import Judge
from fuseboard.http.judges.error_message import ErrorMessageReader
from fuseboard.http.judges.redaction import MAX_SEARCHED, MIN_QUOTATION
from fuseboard.http.judges.server_words import SERVER_WORDS

URL = "http://here/api/chat"
SECRET = "My name is Ada Lovelace and I live at 12 St James's Square."


def requests_with(prompt: str) -> dict[str, httpx.Request]:
    bodies: dict[str, object] = {
        "generate": {"model": "m", "prompt": prompt},
        "system": {"model": "m", "prompt": "hi", "system": prompt},
        "chat": {"model": "m", "messages": [{"role": "user", "content": prompt}]},
        "embed": {"model": "m", "input": ["a", prompt]},
        "parts": {"messages": [{"content": [{"type": "text", "text": prompt}]}]},
        "tool": {"tools": [{"function": {"name": "f", "description": prompt}}]},
    }
    requests = {name: httpx.Request("POST", URL, json=body) for name, body in bodies.items()}
    requests["form"] = httpx.Request("POST", URL, data={"prompt": prompt})
    requests["text"] = httpx.Request("POST", URL, content=prompt.encode())
    return requests


def message_of(message: str, request: httpx.Request) -> str:
    return ErrorMessageReader(request).from_object({"error": message})


def letters(text: str) -> str:
    folded = unicodedata.normalize("NFKD", text).casefold()
    return "".join(letter for letter in folded if letter.isalnum())


def quotes(text: str, prompt: str) -> bool:
    folded = letters(prompt)
    runs = [letters(part) for part in text.split("…")]
    return any(
        run[at : at + MIN_QUOTATION] in folded
        for run in runs
        for at in range(len(run) - MIN_QUOTATION + 1)
    )


WAYS_TO_QUOTE: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": json.dumps,
    "JSON in UTF-8": lambda text: json.dumps(text, ensure_ascii=False),
    "JSON in JSON": lambda text: json.dumps(json.dumps(text)),
    "Python": repr,
    "bytes": lambda text: repr(text.encode()),
    "ASCII": ascii,
    "a URL": quote,
    "HTML": html.escape,
    "in capitals": str.upper,
    "on one line": lambda text: " ".join(text.split()),
    "its beginning": lambda text: f"{text[:60]}...",
    "its end": lambda text: f"...{text[-60:]}",
    "letter by letter": " ".join,
}


@pytest.mark.parametrize("way", WAYS_TO_QUOTE)
@pytest.mark.parametrize("form", requests_with(SECRET))
@pytest.mark.parametrize("prompt", [SECRET, f"Привет, {SECRET}", f"C:\\new\\u00\n\t{SECRET}"])
def test_a_quotation_ends_the_message(form: str, way: str, prompt: str) -> None:
    quoted = WAYS_TO_QUOTE[way](prompt)
    message = message_of(f'invalid prompt: "{quoted}" is too personal', requests_with(prompt)[form])
    assert not quotes(message, prompt)
    assert message.startswith("invalid")
    if prompt == SECRET and form != "form" and way not in {"its end", "bytes"}:
        assert message == "invalid prompt …"


TEXTS = st.text(min_size=1, max_size=80)


@given(
    st.one_of(
        TEXTS, TEXTS.map(lambda text: text * 3), st.from_regex(r"[a-z ]{10,60}", fullmatch=True)
    ),
    TEXTS,
    st.sampled_from(sorted(WAYS_TO_QUOTE)),
    st.sampled_from(sorted(requests_with(""))),
)
@example("\f", "0", "JSON", "chat")
@example("%25" * 30 + "a" * 20, "x", "a URL", "chat")
@example("&amp;lt;" * 30, "x", "HTML", "generate")
@example("\\u0041\\n" * 20, "x", "JSON in JSON", "generate")
def test_no_part_of_a_prompt_is_in_a_message(prompt: str, before: str, way: str, form: str) -> None:
    request = requests_with(prompt)[form]
    message = f"{before} {WAYS_TO_QUOTE[way](prompt)} after"
    for reason in (
        message_of(message, request),
        ErrorMessageReader(request).from_body(message.encode()),
    ):
        assert not quotes(reason, prompt)
        assert len(reason) <= 120


LARGE = MAX_SEARCHED // 4  # characters, of at most four bytes


@given(
    st.one_of(TEXTS, st.from_regex(r"[a-z]{3,9}( [a-z]{3,9}){3,9}", fullmatch=True)),
    st.sampled_from(["", "an error: ", "invalid prompt "]),
    st.sampled_from(sorted(WAYS_TO_QUOTE)),
    st.sampled_from(sorted(requests_with(""))),
    st.integers(0, 400),
)
@example("4111 1111 1111 1111 ", "invalid prompt ", "as it is", "chat", 0)
@example("555.867.5309 ", "", "as it is", "chat", 0)
@example("+49 30 1234567 ", "", "in capitals", "generate", 0)
@example("12345678901234567890", "", "letter by letter", "text", 0)
def test_no_part_of_a_large_prompt_is_in_a_message(
    part: str, before: str, way: str, form: str, start: int
) -> None:
    # A prompt of nothing but such words gives nothing away.
    assume(SERVER_WORDS.isdisjoint(re.findall(r"\w\w+", part.casefold().replace("_", " "))))
    prompt = f"{part}|" * (LARGE * 5 // (len(part) + 1))
    request = requests_with(prompt)[form]
    message = f"{before}{WAYS_TO_QUOTE[way](prompt[start : start + 300])} after"
    assert len(request.content) > MAX_SEARCHED
    assert not quotes(message_of(message, request), prompt)


@pytest.mark.parametrize("model", ["first", "last"])
@pytest.mark.parametrize(
    "message",
    [
        "llama runner process has terminated: exit status 2",
        "llama runner process no longer running: 1 signal: segmentation fault",
        "model requires more system memory (… GiB) than is available (… GiB)",
        'Post "http://127.0.0.1:…/completion": EOF',
        "server busy, please try again.  maximum pending requests exceeded",
        "the input length exceeds the context length",
        "model 'hf.co/unsloth/Qwen3-30B-A3B:Q4_K_M' not found",
        "prompt is too long: … tokens > … maximum",
        "Rate limit reached for gpt-like models on tokens per min (TPM)",
        "timed out waiting for llama runner to start",
        "unexpected EOF",
        "Internal Server Error",
    ],
)
def test_a_servers_own_message_stands_beside_a_large_prompt(message: str, model: str) -> None:
    name, prompt = {"model": "hf.co/unsloth/Qwen3-30B-A3B:Q4_K_M"}, {"prompt": SECRET * 5000}
    fields = name | prompt if model == "first" else prompt | name
    request = httpx.Request("POST", URL, json=fields)
    sent = message.replace("… GiB", "5.6 GiB").replace(":…/", ":36423/").replace("gpt-like ", "")
    sent = sent.replace("…", "200000")
    assert message_of(sent, request) == message.replace("gpt-like ", "")


def test_a_large_body_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    request = httpx.Request("POST", URL, json={"model": "m", "prompt": SECRET * 100_000})

    def parse(_: bytes) -> object:
        raise AssertionError("parsed")

    monkeypatch.setattr("fuseboard.http.judges.redaction.json.loads", parse)
    assert message_of("the model is busy: Ada", request) == "the model is busy …"


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"prompt": '{"model": "Ada Lovelace"}' + SECRET * 5000}),
        json.dumps({"prompt": SECRET * 5000 + ', "model": "Ada Lovelace"'}),
        '"model": "Ada Lovelace"' + SECRET * 5000,
        SECRET * 5000 + '{"model": "Ada Lovelace"}',
    ],
)
def test_what_looks_like_a_models_name_in_a_prompt_is_none(body: str) -> None:
    request = httpx.Request("POST", URL, content=body.encode())
    assert message_of("model not found: Ada Lovelace", request) == "model not found …"


@given(st.text(), st.text())
def test_a_quotation_is_found_wherever_it_begins(before: str, after: str) -> None:
    secret = "4f8a2c9d7b6e1035"
    prompt = before + secret + after
    message = message_of(f"{before}{secret}", requests_with(prompt)["generate"])
    assert secret not in message


@pytest.mark.parametrize(
    ("prompt", "message", "left"),
    [
        ("hello", "cannot parse 'hello' here", "cannot parse …"),
        ("hello", "cannot parse Hello.", "cannot parse …"),
        ("hello", "othello and helloes stay", "othello and helloes stay"),
        ("hello there", 'bad: "hello\\nthere"', "bad …"),
        ("why?", "WHY", ""),
        ("?!", "what ?! is", "what ?! is"),
        ("connection", "connection reset", ""),
        ("", "out of memory", "out of memory"),
    ],
)
def test_a_short_prompt_is_matched_as_separate_words(prompt: str, message: str, left: str) -> None:
    assert message_of(message, requests_with(prompt)["generate"]) == left


def test_public_fields_may_be_quoted() -> None:
    body = {
        "model": "llama3.2-vision:11b-instruct",
        "messages": [{"role": "user", "content": "hello"}],
        "keep_alive": "5m",
        "format": "json",
    }
    request = httpx.Request("POST", URL, json=body)
    for message in (
        "model 'llama3.2-vision:11b-instruct' not found",
        "unknown role user, format json, keep_alive 5m",
    ):
        assert message_of(message, request) == message


def test_a_word_in_the_models_name_is_no_quotation() -> None:
    request = httpx.Request("POST", URL, json={"model": "nomic-embed-text", "input": ["text"]})
    message = "model 'nomic-embed-text' not found"
    assert message_of(message, request) == message
    assert message_of("cannot embed text", request) == "cannot embed …"


def test_without_the_request_body_there_is_no_message() -> None:
    request = httpx.Request("POST", URL, content=iter([SECRET.encode()]))
    assert message_of(f"no: {SECRET}", request) == ""
    judge = http_judge(request)
    judge.begin(500, httpx.Headers())
    judge.feed(SECRET.encode())
    assert judge.end().reason == "HTTP 500"


@pytest.mark.parametrize(
    ("header", "value", "message"),
    [
        ("Authorization", "Bearer sk-0123456789abcdef", "no: Bearer sk-0123456789abcdef"),
        ("Authorization", "Bearer sk-0123456789abcdef", "no: sk-01234567****"),
        ("Authorization", "Bearer tiny", "no: tiny"),
        ("X-Api-Key", "0123456789abcdef", "no: 0123456789abcdef"),
    ],
)
def test_a_key_is_never_in_a_message(header: str, value: str, message: str) -> None:
    request = httpx.Request("POST", URL, headers={header: value}, json={"prompt": "hi"})
    assert message_of(message, request) in {"no …", "no: Bearer …"}


@pytest.mark.parametrize("make", [http_judge, ollama_judge, openai_judge])
@pytest.mark.parametrize("status", [500, 404])
def test_no_judge_quotes_a_prompt(make: Callable[[httpx.Request], Judge], status: int) -> None:
    for form, request in requests_with(SECRET).items():
        judge = make(request)
        judge.begin(status, httpx.Headers())
        judge.feed(json.dumps({"error": f"bad prompt {SECRET}"}).encode())
        left = "bad …" if form == "form" else "bad prompt …"
        assert judge.end().reason == f"HTTP {status}: {left}"


@pytest.mark.parametrize(
    ("message", "stable"),
    [
        (
            'Post "http://127.0.0.1:36423/completion": EOF',
            'Post "http://127.0.0.1:…/completion": EOF',
        ),
        (
            "read tcp 10.0.0.7:54321->10.0.0.9:11434: read: connection reset by peer",
            "read tcp 10.0.0.7:…->10.0.0.9:…: read: connection reset by peer",
        ),
        ("dial [::1]:4711 or localhost:4711", "dial [::1]:… or localhost:…"),
        ("segmentation fault at 0x7f3a1c2b4d10", "segmentation fault at …"),
        ("exit status 0xc0000409", "exit status 0xc0000409"),
        ("job 123e4567-E89b-12d3-a456-426614174000 failed", "job … failed"),
        ("failed (request ID: req-9f8a7b)", "failed (request ID: …)"),
        ("failed: req_011CSHoEeqs5C35K", "failed: …"),
        ("blob sha256:6a0746a1ec1aef3e7ec53868f220ff6e gone", "blob sha256:… gone"),
        ("down since 2026-11-23T12:00:00.123Z", "down since …"),
        (
            "model requires more system memory (5.6 GiB) than is available (3.1 GiB)",
            "model requires more system memory (… GiB) than is available (… GiB)",
        ),
        ("took 1.234s or 250ms", "took …s or …ms"),
        ("Please try again in 3.21s.", "Please try again in …."),
        ("Please try again in 20s. Visit", "Please try again in …. Visit"),
        ("Please try again in 6m0s.", "Please try again in …."),
        ("Please try again in 1h2m3.4s.", "Please try again in …."),
        ("Please retry after 23 seconds.", "Please retry after … seconds."),
        ("Quota resets at 10:00 UTC", "Quota resets at … UTC"),
        ("Limit: 10000 / min. Used 9,512", "Limit: … / min. Used …"),
        ("in organization org-AbC123dEf456 on", "in organization … on"),
        ("in organization `org_01hxnxvkfj` service", "in organization `…` service"),
        ("for project proj_AbCdEfGh", "for project …"),
        (
            "maximum context length is 8192 tokens, you requested 10,234 tokens (512 in the input)",
            "maximum context length is … tokens, you requested … tokens (… in the input)",
        ),
        ("max_tokens 65536, but can only afford 842", "max_tokens …, but can only afford …"),
        ('"n_prompt_tokens":1407,"n_ctx":256', '"n_prompt_tokens":…,"n_ctx":…'),
        ("insufficient balance (1008)", "insufficient balance (1008)"),
        ("wsarecv: error 10054 at port 7", "wsarecv: error 10054 at port 7"),
        ("model gpt-4-0613 and o3-2025-04-16", "model gpt-4-0613 and o3-2025-04-16"),
        ("Given: 6 `inputs` tokens", "Given: … `inputs` tokens"),
        ("limited (retry_after: 12.5)", "limited (retry_after: …)"),
        ('"retryDelay":"23s"', '"retryDelay":"…"'),
        ("no seat for ada@example.org here", "no seat for … here"),
        ("Incorrect API key provided: sk-proj-****cdef.", "Incorrect API key provided: …."),
        ("balance of $0.48 is too low", "balance of … is too low"),
        ("account 123456789012 (trace id: 0a1b-2c)", "account … (trace id: …)"),
        (
            "llama runner process has terminated: exit status 2",
            "llama runner process has terminated: exit status 2",
        ),
        (
            "server busy, please try again.  maximum pending requests exceeded",
            "server busy, please try again.  maximum pending requests exceeded",
        ),
        ("model 'llama3.2:1b' not found at line 7", "model 'llama3.2:1b' not found at line 7"),
        ("defaced facade effaced deadbeefdeadbeef", "defaced facade effaced deadbeefdeadbeef"),
        ("timed out after 30s, 404 page not found", "timed out after 30s, 404 page not found"),
    ],
)
def test_variable_parts_are_masked(message: str, stable: str) -> None:
    assert message_of(message, requests_with("hi")["generate"]) == stable


@given(st.text(alphabet="0123456789abcdef.:-TZ x[]()@", max_size=320))
def test_a_masked_message_is_short(message: str) -> None:
    assert len(message_of(message, requests_with("hi")["generate"])) <= 120


@pytest.mark.parametrize(
    "unit",
    ["1", "1,", "1.", "1:", "a@", "a.", "-", "0x1", "1s", "1m", "$1", "try again in 1",
     "limit: 1", "req_1", "1 a ", "[:", "retry after 1", "f1", "1-"],
)  # fmt: skip
@pytest.mark.parametrize("end", ["", "x", "_", " tokens", "é"])
def test_masking_takes_bounded_time(unit: str, end: str) -> None:
    message = (unit * 320)[: 320 - len(end)] + end
    request = requests_with("hi")["generate"]
    started = time.process_time()
    message_of(f"try again in {message}", request)
    message_of(message, request)
    assert time.process_time() - started < 0.5
