"""What README.md and docs/http.md say about guarding a client runs as it is pasted."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import openai
import pytest

from fuseboard import CircuitOpenError
from fuseboard.http import rejection_of
from tests.core.http.test_anthropic_client import MESSAGES, anthropic
from tests.core.http.test_anthropic_client import QUESTION as ANTHROPIC_QUESTION
from tests.core.http.test_third_party_clients import COMPLETIONS, QUESTION
from tests.core.ollama.test_client import MODEL
from tests.core.serving import served

ROOT = Path(__file__).parents[3]


def python_block(document: str, containing: str) -> str:
    """Return the only block of Python code in a document that contains a text."""
    blocks = re.findall(
        r"^```python\n(.*?)^```", (ROOT / document).read_text(), re.MULTILINE | re.DOTALL
    )
    (block,) = (block for block in blocks if containing in block)
    return str(block)


async def run_block(block: str, names: dict[str, Any]) -> None:
    code = compile(block, "<pasted>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    finished = eval(code, names)
    if inspect.isawaitable(finished):
        await finished


@pytest.mark.parametrize("document", ["README.md", "docs/http.md"])
async def test_guarding_openai(
    document: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    block = python_block(document, "openai.AsyncOpenAI(")
    guarding, _, calling = block.partition("\ntry:\n")
    calling = f"try:\n{calling}"
    names: dict[str, Any] = {"model": MODEL, **QUESTION}
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    async with served(COMPLETIONS) as url:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{url}/v1")
        await run_block(guarding, names)
        await run_block(calling, names)
        assert names["completion"].choices[0].message.content == "hello there! How are you?"
        assert capsys.readouterr().out == ""
    with pytest.raises(openai.APIConnectionError) as failed:
        await run_block(calling, names)
    assert rejection_of(failed.value) is None
    for _ in range(4):
        with pytest.raises(openai.APIConnectionError):
            await run_block(calling, names)
    await run_block(calling, names)
    said = capsys.readouterr().out
    assert re.fullmatch(r"nothing was sent; try again in \d+\.\d+ s\n", said), said
    await names["client"].close()


async def test_guarding_anthropic(monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, Any] = {}
    monkeypatch.setenv("ANTHROPIC_API_KEY", "none")
    async with served(MESSAGES) as url:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", url)
        await run_block(python_block("docs/http.md", "anthropic.AsyncAnthropic("), names)
        client = names["client"]
        assert (await client.messages.create(**ANTHROPIC_QUESTION)).content[0].text
    for _ in range(5):
        with pytest.raises(anthropic.APIConnectionError):
            await client.messages.create(**ANTHROPIC_QUESTION)
    with pytest.raises(anthropic.APIConnectionError) as rejected:
        await client.messages.create(**ANTHROPIC_QUESTION)
    assert isinstance(rejection_of(rejected.value), CircuitOpenError)
    await client.close()
