"""Recognizing what answers in Ollama's place but is none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

import httpx

_TIMEOUT = 3.0  # seconds, for all questions together
_MAX_BODY = 256 * 1024
_MISSING = {404, 405, 501}
_BY_OWNER = {  # the `owned_by` of a model in OpenAI's list
    "llamacpp": "llama.cpp's own server",
    "vllm": "vLLM",
    "sglang": "SGLang",
    "organization_owner": "LM Studio",
}
_LLAMA_CPP = "llama.cpp"  # what its `Server` header begins with


async def recognize(url: str, api_key: str = "") -> str:
    """Return what answers at a URL if that is certainly no Ollama; empty otherwise.

    Args:
        url: The base URL.
        api_key: The key of the server; empty for none.
    """
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    try:
        async with (
            asyncio.timeout(_TIMEOUT),
            httpx.AsyncClient(trust_env=False, headers=headers) as client,
        ):
            status, body, _ = await _get(client, f"{url.rstrip('/')}/api/version")
            if status not in _MISSING and not (status == 200 and "version" not in body):
                return ""
            status, body, software = await _get(client, f"{url.rstrip('/')}/v1/models")
    except (TimeoutError, httpx.HTTPError, httpx.InvalidURL):
        return ""
    if software.startswith(_LLAMA_CPP):
        return _BY_OWNER["llamacpp"]
    models = body.get("data")
    if status != 200 or not isinstance(models, list):
        return "some other web server"
    owners = {model.get("owned_by") for model in models if isinstance(model, dict)}
    known = [name for owner, name in _BY_OWNER.items() if owner in owners]
    return known[0] if known else "a server of OpenAI's API"


async def _get(client: httpx.AsyncClient, url: str) -> tuple[int, Mapping[str, object], str]:
    """Return the status, the JSON object (empty if it is none) and the `Server` header."""
    body = b""
    async with client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as response:
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > _MAX_BODY:
                break
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        parsed = None
    software = response.headers.get("Server", "")
    return response.status_code, parsed if isinstance(parsed, dict) else {}, software
