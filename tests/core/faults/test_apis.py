"""Which API a path belongs to, and whether it makes a model generate."""

from __future__ import annotations

import pytest

from fuseboard.faults.apis import Api, api_of, generates

GENERATING = {
    "/api/generate": Api.OLLAMA,
    "/base/api/chat": Api.OLLAMA,
    "/v1/chat/completions": Api.OPENAI,
    "/v1/completions": Api.OPENAI,
    "/v1/responses": Api.OPENAI,
    "/v1/responses/": Api.OPENAI,
    "/v1/images/generations": Api.OPENAI,
    "/api/v1/chat/completions": Api.OPENAI,
    "/openai/deployments/gpt/chat/completions": Api.OPENAI,
    "/v1/messages": Api.ANTHROPIC,
    "/anthropic/v1/messages": Api.ANTHROPIC,
    "/v1beta/models/gemini-2.5-flash:generateContent": Api.GEMINI,
    "/v1/models/gemini-2.5-flash:streamGenerateContent": Api.GEMINI,
    "/v1/projects/p/locations/l/publishers/google/models/g:generateContent": Api.GEMINI,
    "/v1beta/openai/chat/completions": Api.GEMINI_AS_OPENAI,
}
OTHERS = {
    "/": Api.OLLAMA,
    "/api/tags": Api.OLLAMA,
    "/api/embed": Api.OLLAMA,
    "/api/version": Api.OLLAMA,
    "/v1/models": Api.OPENAI,
    "/v1/embeddings": Api.OPENAI,
    "/v1/responses/resp_1": Api.OPENAI,
    "/v1/threads/t/messages": Api.OPENAI,
    "/v1/messages/count_tokens": Api.ANTHROPIC,
    "/v1/messages/batches": Api.ANTHROPIC,
    "/v1beta/models": Api.GEMINI,
    "/v1beta/models/text-embedding-004:embedContent": Api.GEMINI,
}


@pytest.mark.parametrize("path", GENERATING)
def test_what_generates_is_known_in_every_api(path: str) -> None:
    assert generates(path)
    assert api_of(path) is GENERATING[path]


@pytest.mark.parametrize("path", OTHERS)
def test_what_does_not_generate_is_known_in_every_api(path: str) -> None:
    assert not generates(path)
    assert api_of(path) is OTHERS[path]


def test_a_header_tells_anthropics_clients_on_shared_paths() -> None:
    assert api_of("/v1/models", [(b"anthropic-version", b"2023-06-01")]) is Api.ANTHROPIC
