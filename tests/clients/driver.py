"""One client behind a breaker, driven by lines of JSON on its standard input.

`python driver.py CLIENT URL` needs the package of that client and fuseboard, and nothing of
the tests. It calls the server at URL once for each line, and writes what came of it:

    {"stream": true}                   a call
    {"stream": true, "reject": true}   a call that the breaker rejects
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from importlib import import_module
from typing import Any

from fuseboard import Call, CircuitBreaker, ConsecutiveFailures
from fuseboard.http import anthropic_judge, ollama_judge, openai_judge, rejection_of

MODEL = "llama3.2"
PROMPT = "Why is the sky blue?"
MESSAGES = [{"role": "user", "content": PROMPT}]
TIMEOUT = 1.0  # seconds

Ask = Callable[[bool], AsyncIterator[str]]
"""Ask for an answer, streamed or not, and yield what comes of it."""


def _transport(library: str, breaker: CircuitBreaker, judge: Any) -> Any:
    module = "fuseboard.http" if library == "httpx" else "fuseboard.http.httpx2"
    return import_module(module).BreakerTransport(breaker, judge=judge)


def ollama(url: str, breaker: CircuitBreaker) -> Ask:
    """Return a call of the ollama package."""
    transport = _transport("httpx", breaker, ollama_judge)
    client = import_module("ollama").AsyncClient(host=url, transport=transport, timeout=TIMEOUT)

    async def ask(stream: bool) -> AsyncIterator[str]:
        response = await client.chat(MODEL, MESSAGES, stream=stream)
        if not stream:
            yield response.message.content
            return
        async for chunk in response:
            yield chunk.message.content

    return ask


def langchain_ollama(url: str, breaker: CircuitBreaker) -> Ask:
    """Return a call of langchain's ChatOllama."""
    transport = _transport("httpx", breaker, ollama_judge)
    model = import_module("langchain_ollama").ChatOllama(
        model=MODEL, base_url=url, client_kwargs={"transport": transport, "timeout": TIMEOUT}
    )

    async def ask(stream: bool) -> AsyncIterator[str]:
        if not stream:
            yield (await model.ainvoke(PROMPT)).content
            return
        async for chunk in model.astream(PROMPT):
            yield chunk.content

    return ask


def _openai_client(library: str, url: str, breaker: CircuitBreaker) -> Any:
    http = import_module(library).AsyncClient(
        transport=_transport(library, breaker, openai_judge), timeout=TIMEOUT
    )
    return import_module("openai").AsyncOpenAI(
        base_url=f"{url}/v1", api_key="none", http_client=http, timeout=TIMEOUT, max_retries=0
    )


def _openai(library: str, url: str, breaker: CircuitBreaker) -> Ask:
    client = _openai_client(library, url, breaker)

    async def ask(stream: bool) -> AsyncIterator[str]:
        response = await client.chat.completions.create(
            model=MODEL, messages=MESSAGES, stream=stream
        )
        if not stream:
            yield response.choices[0].message.content
            return
        async for chunk in response:
            yield chunk.choices[0].delta.content or ""

    return ask


def openai_on_httpx(url: str, breaker: CircuitBreaker) -> Ask:
    """Return a call of the openai package before its version 3."""
    return _openai("httpx", url, breaker)


def openai_on_httpx2(url: str, breaker: CircuitBreaker) -> Ask:
    """Return a call of the openai package from its version 3 on."""
    return _openai("httpx2", url, breaker)


def langchain_openai(url: str, breaker: CircuitBreaker) -> Ask:
    """Return a call of langchain's ChatOpenAI."""
    transport = _transport("httpx2", breaker, openai_judge)
    http = import_module("httpx2").AsyncClient(transport=transport, timeout=TIMEOUT)
    model = import_module("langchain_openai").ChatOpenAI(
        model=MODEL,
        base_url=f"{url}/v1",
        api_key="none",
        http_async_client=http,
        timeout=TIMEOUT,
        max_retries=0,
    )

    async def ask(stream: bool) -> AsyncIterator[str]:
        if not stream:
            yield (await model.ainvoke(PROMPT)).content
            return
        async for chunk in model.astream(PROMPT):
            yield chunk.content

    return ask


def _litellm(name: str, **settings: Any) -> Ask:
    completion = import_module("litellm").acompletion

    async def ask(stream: bool) -> AsyncIterator[str]:
        response = await completion(
            model=name,
            messages=MESSAGES,
            stream=stream,
            timeout=TIMEOUT,
            max_retries=0,
            **settings,
        )
        if not stream:
            yield response.choices[0].message.content or ""
            return
        async for chunk in response:
            yield chunk.choices[0].delta.content or ""

    return ask


def litellm_openai(url: str, breaker: CircuitBreaker) -> Ask:
    """Return a call of litellm to the OpenAI API."""
    return _litellm(f"openai/{MODEL}", client=_openai_client("httpx2", url, breaker))


def litellm_ollama(url: str, breaker: CircuitBreaker) -> Ask:
    """Return a call of litellm to Ollama's own API."""
    handler = import_module("litellm.llms.custom_httpx.http_handler").AsyncHTTPHandler()
    handler.client = import_module("httpx").AsyncClient(
        transport=_transport("httpx", breaker, ollama_judge), timeout=TIMEOUT
    )
    return _litellm(f"ollama_chat/{MODEL}", client=handler, api_base=url)


def pydantic_ai(url: str, breaker: CircuitBreaker) -> Ask:
    """Return a call of pydantic-ai's OpenAI model."""
    provider = import_module("pydantic_ai.providers.openai").OpenAIProvider(
        openai_client=_openai_client("httpx2", url, breaker)
    )
    model = import_module("pydantic_ai.models.openai").OpenAIChatModel(MODEL, provider=provider)
    agent = import_module("pydantic_ai").Agent(model)

    async def ask(stream: bool) -> AsyncIterator[str]:
        if not stream:
            yield (await agent.run(PROMPT)).output
            return
        async with agent.run_stream(PROMPT) as response:
            async for text in response.stream_text(delta=True):
                yield text

    return ask


def anthropic(url: str, breaker: CircuitBreaker) -> Ask:
    """Return a call of the anthropic package, from its version 1 on."""
    http = import_module("httpx2").AsyncClient(
        transport=_transport("httpx2", breaker, anthropic_judge), timeout=TIMEOUT
    )
    client = import_module("anthropic").AsyncAnthropic(
        base_url=url, api_key="none", http_client=http, timeout=TIMEOUT, max_retries=0
    )
    question: Any = {"model": MODEL, "messages": MESSAGES, "max_tokens": 1000}

    async def ask(stream: bool) -> AsyncIterator[str]:
        if not stream:
            yield (await client.messages.create(**question)).content[0].text
            return
        async with client.messages.stream(**question) as response:
            async for text in response.text_stream:
                yield text

    return ask


CLIENTS: dict[str, Callable[[str, CircuitBreaker], Ask]] = {
    "ollama": ollama,
    "langchain-ollama": langchain_ollama,
    "litellm ollama_chat": litellm_ollama,
    "openai 1": openai_on_httpx,
    "openai 3": openai_on_httpx2,
    "langchain-openai": langchain_openai,
    "litellm openai": litellm_openai,
    "pydantic-ai": pydantic_ai,
    "anthropic 2": anthropic,
}


async def _observe(
    ask: Ask, breaker: CircuitBreaker, calls: list[Call], order: dict[str, bool]
) -> dict[str, Any]:
    """Make one call, and return what the client and the breaker say of it."""
    calls.clear()
    if order.get("reject"):
        breaker.trip()
    got_text = False
    error: BaseException | None = None
    try:
        async for text in ask(order["stream"]):
            got_text = got_text or bool(text)
    except Exception as raised:  # noqa: BLE001 (whatever a client may raise is what is asked for)
        error = raised
    if order.get("reject"):
        breaker.reset()
    return {
        "text": got_text,
        "error": None if error is None else _name(error),
        "message": "" if error is None else str(error),
        "rejected": error is not None and rejection_of(error) is not None,
        "rulings": [[call.ruling.verdict.value, call.ruling.reason] for call in calls],
    }


def _name(error: BaseException) -> str:
    package = type(error).__module__.partition(".")[0]
    return type(error).__name__ if package == "builtins" else f"{package}.{type(error).__name__}"


async def _drive(client: str, url: str) -> None:
    breaker = CircuitBreaker("driver", trip=ConsecutiveFailures(1000))
    calls: list[Call] = []
    breaker.on_call(lambda _, call: calls.append(call))
    ask = CLIENTS[client](url, breaker)
    while line := await asyncio.to_thread(sys.stdin.readline):
        sys.stderr.flush()
        print(json.dumps(await _observe(ask, breaker, calls, json.loads(line))), flush=True)


if __name__ == "__main__":
    asyncio.run(_drive(*sys.argv[1:]))
