"""Clients and frameworks that are not among the requirements, in front of the simulator.

Each test is skipped where its package is not installed; `pip install` the name in the
reason to run it.
"""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import openai
import pytest

from tests.core.serving import simulated

QUESTION = "What is the weather in Paris?"
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"name": "get_weather", "description": "Weather of a city", "parameters": CITY}

pytestmark = [
    pytest.mark.slow,  # these packages take seconds to import
    pytest.mark.filterwarnings("ignore"),  # their own
]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[[str], object]], None]]:
    """Run a blocking function with the URL of a simulator, which is on another thread."""

    async def serve(use: Callable[[str], object]) -> None:
        async with simulated() as url:
            await asyncio.to_thread(use, url)

    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.setitem(os.environ, "LITELLM_LOCAL_MODEL_COST_MAP", "True")
    yield lambda use: asyncio.run(serve(use))
    gc.collect()  # what they leave open is noticed here, where it does not count


def package(name: str, distribution: str) -> Any:
    return pytest.importorskip(name, reason=f"{distribution} is not installed")


def test_openai_responses(run: Callable[[Callable[[str], object]], None]) -> None:
    def use(url: str) -> None:
        client: Any
        with openai.OpenAI(base_url=f"{url}/v1", max_retries=0) as client:
            tool = {"type": "function", "strict": False, **FUNCTION}
            with client.responses.stream(model="llama3.2", input="hello") as stream:
                text = "".join(event.delta for event in stream if "text.delta" in event.type)
                assert stream.get_final_response().output_text == text
            called = client.responses.create(model="llama3.2", input=QUESTION, tools=[tool])
            assert called.output[0].type == "function_call"
            assert called.output[0].name == "get_weather"

    run(use)


def test_anthropic(run: Callable[[Callable[[str], object]], None]) -> None:
    anthropic = package("anthropic", "anthropic")

    def use(url: str) -> None:
        with anthropic.Anthropic(base_url=url, api_key="none", max_retries=0) as client:
            tool = {"name": "get_weather", "input_schema": CITY}
            body = {"model": "llama3.2", "max_tokens": 500}
            messages = [{"role": "user", "content": QUESTION}]
            with client.messages.stream(messages=messages, **body) as stream:
                text = "".join(stream.text_stream)
                assert stream.get_final_message().content[0].text == text
            with client.messages.stream(messages=messages, tools=[tool], **body) as stream:
                message = stream.get_final_message()
            assert (message.stop_reason, message.content[0].input) == (
                "tool_use",
                {"city": "Paris"},
            )
            with pytest.raises(anthropic.NotFoundError, match="model 'nope' not found"):
                client.messages.create(messages=messages, **{**body, "model": "nope"})

    run(use)


def test_langchain_ollama(run: Callable[[Callable[[str], object]], None]) -> None:
    langchain_ollama = package("langchain_ollama", "langchain-ollama")
    tool: Any = {"type": "function", "function": FUNCTION}

    def use(url: str) -> None:
        chat = langchain_ollama.ChatOllama(model="llama3.2", base_url=url)
        assert chat.invoke("hello").content
        (call,) = chat.bind_tools([tool]).invoke(QUESTION).tool_calls
        assert (call["name"], call["args"]) == ("get_weather", {"city": "Paris"})
        chunks = list(chat.bind_tools([tool]).stream(QUESTION))
        assert [call["name"] for chunk in chunks for call in chunk.tool_calls] == ["get_weather"]

    run(use)


def test_llama_index(run: Callable[[Callable[[str], object]], None]) -> None:
    llms = package("llama_index.llms.ollama", "llama-index-llms-ollama")
    tools = package("llama_index.core.tools", "llama-index-llms-ollama")

    def get_weather(city: str) -> str:
        """Weather of a city."""
        return f"sunny in {city}"

    def use(url: str) -> None:
        model = llms.Ollama(model="llama3.2", base_url=url)
        assert str(model.complete("hello"))
        tool = tools.FunctionTool.from_defaults(get_weather)
        assert str(model.predict_and_call([tool], QUESTION)) == "sunny in Paris"

    run(use)


def test_pydantic_ai(run: Callable[[Callable[[str], object]], None]) -> None:
    package("pydantic_ai", "pydantic-ai-slim[openai]")
    import pydantic
    from pydantic_ai import Agent  # type: ignore[import-not-found,unused-ignore]
    from pydantic_ai.models.openai import (  # type: ignore[import-not-found,unused-ignore]
        OpenAIChatModel,
        OpenAIResponsesModel,
    )
    from pydantic_ai.providers.openai import (  # type: ignore[import-not-found,unused-ignore]
        OpenAIProvider,
    )

    class Weather(pydantic.BaseModel):
        city: str
        degrees: int

    async def ask(model: Any) -> None:
        cities: list[str] = []

        def get_weather(city: str) -> str:
            """Weather of a city."""
            cities.append(city)
            return "sunny"

        for output in (str, Weather):
            agent = Agent(model, output_type=output, tools=[get_weather])
            answer = (await agent.run(QUESTION)).output
            assert isinstance(answer, output)
        assert cities == ["Paris", "Paris"]

    def use(url: str) -> None:
        provider = OpenAIProvider(base_url=f"{url}/v1", api_key="none")
        for kind in (OpenAIChatModel, OpenAIResponsesModel):
            wait(ask(kind("llama3.2", provider=provider)))

    run(use)


def test_instructor(run: Callable[[Callable[[str], object]], None]) -> None:
    instructor = package("instructor", "instructor")
    import pydantic

    class Person(pydantic.BaseModel):
        name: str
        age: int = pydantic.Field(ge=0, le=120)

    def use(url: str) -> None:
        with openai.OpenAI(base_url=f"{url}/v1") as client:
            for mode in ("TOOLS", "JSON", "JSON_SCHEMA"):
                patched = instructor.from_openai(client, mode=instructor.Mode[mode])
                person = patched.chat.completions.create(
                    model="llama3.2",
                    response_model=Person,
                    messages=[{"role": "user", "content": "Anna is 30"}],
                    max_retries=0,
                )
                assert isinstance(person, Person), mode

    run(use)


def test_litellm(run: Callable[[Callable[[str], object]], None]) -> None:
    litellm = package("litellm", "litellm")
    tools = [{"type": "function", "function": FUNCTION}]
    messages = [{"role": "user", "content": QUESTION}]

    def use(url: str) -> None:
        for model, base in (
            ("ollama_chat/llama3.2", url),
            ("openai/llama3.2", f"{url}/v1"),
            ("anthropic/llama3.2", url),
        ):
            options = {"model": model, "api_base": base, "api_key": "none", "messages": messages}
            assert litellm.completion(**options).choices[0].message.content
            answer = litellm.completion(**options, tools=tools).choices[0]
            assert answer.finish_reason == "tool_calls"
            assert answer.message.tool_calls[0].function.name == "get_weather"

    run(use)


def test_llm_ollama(
    run: Callable[[Callable[[str], object]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    package("llm_ollama", "llm-ollama")
    llm = package("llm", "llm")
    called: list[str] = []

    def get_weather(city: str) -> str:
        """Weather of a city."""
        called.append(city)
        return "sunny"

    def use(url: str) -> None:
        monkeypatch.setenv("OLLAMA_HOST", url)
        model = llm.get_model("ollama/llama3.2")
        assert model.prompt("hello").text()
        assert model.chain(QUESTION, tools=[get_weather]).text()
        assert called == ["Paris"]

    run(use)


def wait(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine on a loop of this thread."""
    asyncio.run(coroutine)
