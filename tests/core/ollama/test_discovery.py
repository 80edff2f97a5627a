"""Choosing models on servers that answer as Ollama's releases, and as others, do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from fuseboard.ollama.discovery import DiscoveredOllama, NoModelError, discover
from fuseboard.ollama.model_choice import format_size
from tests.core.serving import served, simulated

SPEAKS, EMBEDS = ("completion", "tools"), ("embedding",)
GB, MB = 10**9, 10**6


class FakeOllama:
    """A server with some models, as `/api/tags`, `/api/ps` and `/api/show` tell of them."""

    def __init__(self, *, tells_capabilities: bool = True) -> None:
        self.tags: list[dict[str, Any]] = []
        self.loaded: list[str] = []
        self.details: dict[str, dict[str, Any]] = {}
        self.requests: list[str] = []
        self._tells_capabilities = tells_capabilities

    def add(
        self,
        name: str,
        capabilities: Sequence[str] = SPEAKS,
        size: int = GB,
        *,
        family: str = "llama",
        loaded: bool = False,
        remote: Mapping[str, str] | None = None,
    ) -> None:
        details = {
            "parent_model": "",
            "format": "gguf",
            "family": family,
            "families": [family],
            "parameter_size": "3.2B",
            "quantization_level": "Q4_K_M",
        }
        entry = {"name": name, "model": name, "modified_at": "2026-01-01T00:00:00Z", "size": size}
        self.tags.append({**entry, "digest": "a" * 64, "details": details, **(remote or {})})
        self.details[name] = {
            "license": "MIT",
            "details": details,
            "model_info": {"general.architecture": family},
            **({"capabilities": list(capabilities)} if self._tells_capabilities else {}),
            **(remote or {}),
        }
        if loaded:
            self.loaded.append(name)

    @property
    def app(self) -> ASGIApp:
        async def tags(_: Request) -> Response:
            return JSONResponse({"models": self.tags})

        async def ps(_: Request) -> Response:
            expires = "2026-01-01T00:05:00.123456789+01:00"
            models = [
                {"name": name, "model": name, "size": 1, "size_vram": 1, "expires_at": expires}
                for name in self.loaded
            ]
            return JSONResponse({"models": models})

        async def show(request: Request) -> Response:
            name = (await request.json())["model"]
            if name not in self.details:
                return JSONResponse({"error": f"model '{name}' not found"}, 404)
            return JSONResponse(self.details[name])

        def counted(
            answer: Callable[[Request], Awaitable[Response]],
        ) -> Callable[[Request], Awaitable[Response]]:
            async def count(request: Request) -> Response:
                self.requests.append(request.url.path)
                return await answer(request)

            return count

        async def call(_: Request) -> Response:
            raise AssertionError("discovery calls a model")

        return Starlette(
            routes=[
                Route("/api/tags", counted(tags)),
                Route("/api/ps", counted(ps)),
                Route("/api/show", counted(show), methods=["POST"]),
                *[
                    Route(f"/api/{path}", call, methods=["POST"])
                    for path in ("generate", "chat", "embed")
                ],
            ]
        )


async def found(
    server: FakeOllama,
    model: str | None = None,
    embedding_model: str | None = None,
    *,
    must_embed: bool = False,
) -> DiscoveredOllama:
    async with served(server.app) as url:
        return await discover(url, model, embedding_model, must_embed=must_embed)


async def test_a_loaded_model_is_preferred() -> None:
    server = FakeOllama()
    server.add("small", size=GB)
    server.add("embedder", EMBEDS, loaded=True)
    server.add("large", size=40 * GB, loaded=True)
    server.add("larger", size=80 * GB, loaded=True)
    it = await found(server)
    assert str(it.model) == "large (loaded already, 40 GB)"
    assert str(it.embedding_model) == "embedder (loaded already, 1.0 GB)"
    assert it.notices == (
        "calls large (loaded already, 40 GB), embeds with embedder (loaded already, 1.0 GB)",
    )


async def test_else_the_smallest_that_can_do_it_whatever_its_name() -> None:
    server = FakeOllama()
    server.add("llama3.2:latest", size=40 * GB)
    server.add("talks-bert-embed", size=2 * GB, family="bert")
    server.add("llama-chat", EMBEDS, size=100 * MB)
    server.add("nomic-embed-text:latest", EMBEDS, size=274 * MB)
    server.add("unknown-size", size=0)
    server.add("draws", ["image"], size=MB)
    it = await found(server)
    assert str(it.model) == "talks-bert-embed (the smallest here that generates text, 2.0 GB)"
    assert str(it.embedding_model) == "llama-chat (the smallest here that embeds, 100 MB)"


REMOTE = {"remote_model": "gpt-oss:120b", "remote_host": "https://ollama.com:443"}


async def test_a_remote_model_is_never_chosen() -> None:
    server = FakeOllama()
    server.add("gpt-oss:120b-cloud", size=384, remote=REMOTE)
    server.add("glm-4.6:cloud", size=1)
    server.add("deepseek:671b-cloud", size=2)
    server.add("disguised", size=3)
    server.details["disguised"] |= REMOTE
    server.loaded = ["glm-4.6:cloud", "disguised"]
    server.add("local-cloudy", size=20 * GB)
    assert (await found(server)).model.name == "local-cloudy"


async def test_a_remote_model_that_is_named_is_called_and_told() -> None:
    server = FakeOllama()
    server.add("gpt-oss:120b-cloud", size=384, remote=REMOTE)
    it = await found(server, "gpt-oss:120b-cloud")
    assert it.model.name == "gpt-oss:120b-cloud"
    assert it.notices == (
        "gpt-oss:120b-cloud runs at https://ollama.com:443: prompts leave this machine",
    )


async def test_remote_models_alone_are_an_error_that_names_them() -> None:
    server = FakeOllama()
    server.add("gpt-oss:120b-cloud", size=384, remote=REMOTE)
    server.add("embedder", EMBEDS)
    with pytest.raises(NoModelError, match="no model of its own that generates text") as caught:
        await found(server)
    caught.match("--model: gpt-oss:120b-cloud$")


async def test_the_models_of_a_gateway_are_remote() -> None:
    """The entries are those of ollama-proxy-plus 0.1.0, without a digest."""
    server = FakeOllama()
    for number in range(30):
        server.add(f"openai/gpt-{number:02}", size=0, family="openai")
        server.tags[-1]["details"] |= {"format": "cloud", "parameter_size": "cloud"}
    with pytest.raises(NoModelError, match="no model of its own that generates text") as caught:
        await found(server)
    caught.match("openai/gpt-00, .*openai/gpt-19 and 10 more$")
    assert (await found(server, "openai/gpt-04")).notices == (
        "openai/gpt-04 runs elsewhere: prompts leave this machine",
    )


async def test_a_named_model_is_taken_and_not_told() -> None:
    server = FakeOllama()
    server.add("small")
    server.add("large:latest", size=40 * GB)
    server.add("embedder:latest", EMBEDS)
    it = await found(server, "large", "embedder")
    assert (it.model.name, it.embedding_model.name) == ("large:latest", "embedder:latest")
    assert it.notices == ()
    assert (await found(server, "large", "small")).embedding_model.name == "small"
    with pytest.raises(NoModelError, match="no model 'huge'"):
        await found(server, "huge")


async def test_a_named_model_that_does_not_speak_is_an_error() -> None:
    server = FakeOllama()
    server.add("embedder", EMBEDS)
    with pytest.raises(NoModelError, match="does not generate text"):
        await found(server, "embedder")


async def test_an_old_ollama_that_does_not_tell_what_its_models_can_do() -> None:
    server = FakeOllama(tells_capabilities=False)
    server.add("embedder", family="nomic-bert", size=MB)
    server.add("speaker", size=2 * GB)
    it = await found(server, must_embed=True)
    assert str(it.model) == (
        "speaker (the smallest here that generates text, judged by its family, 2.0 GB)"
    )
    assert it.embedding_model.name == "embedder"


async def test_what_is_told_goes_before_what_is_guessed() -> None:
    server = FakeOllama()
    server.add("mute", size=MB)
    server.details["mute"]["capabilities"] = []
    server.add("gone", size=2 * MB)
    del server.details["gone"]
    server.add("speaker", size=2 * GB)
    assert (await found(server)).model.name == "speaker"


async def test_a_server_without_ps_and_show_is_used() -> None:
    async def tags(_: Request) -> Response:
        return JSONResponse({"models": [{"name": "only"}]})

    async with served(Starlette(routes=[Route("/api/tags", tags)])) as url:
        it = await discover(url, None, None, must_embed=False)
    assert str(it.model) == (
        "only (the first here that generates text, of unknown size, judged by its family)"
    )


async def test_no_more_is_asked_than_needed() -> None:
    server = FakeOllama()
    for number in range(300):
        server.add(f"m{number}", size=number + 1)
    server.add("embedder", EMBEDS, size=1000)
    await found(server)
    assert server.requests[:2] == ["/api/tags", "/api/ps"]
    assert server.requests.count("/api/show") <= 101


async def test_a_server_whose_details_fail_is_not_asked_for_all_of_them() -> None:
    server = FakeOllama()
    for number in range(50):
        server.add(f"m{number}", size=number + 1)
    server.details.clear()
    assert (await found(server)).model.name == "m0"
    assert server.requests.count("/api/show") == 3


async def test_the_simulator_is_an_ollama() -> None:
    async with simulated() as url:
        it = await discover(url, None, None, must_embed=True)
    assert (it.model.name, it.embedding_model.name) == (
        "llama3.2:latest",
        "nomic-embed-text:latest",
    )
    assert (it.problem, it.other_server) == ("", "")


LLAMA_CPP_MISSING = {"error": {"code": 404, "message": "File Not Found", "type": "not_found_error"}}
LLAMA_CPP_MODELS = {
    "models": [
        {
            "name": "smollm2:135m",
            "model": "smollm2:135m",
            "modified_at": "",
            "size": "",
            "digest": "",
            "type": "model",
            "description": "",
            "tags": [""],
            "capabilities": ["completion"],
            "parameters": "",
            "details": {"parent_model": "", "format": "gguf", "family": "", "families": [""]},
        }
    ],
    "object": "list",
    "data": [
        {
            "id": "smollm2:135m",
            "object": "model",
            "created": 1764090000,
            "owned_by": "llamacpp",
            "meta": {"vocab_type": 2, "n_ctx_train": 8192},
        }
    ],
}


def openai_server(
    owner: str | None = None,
    *,
    software: str = "",
    answers: Mapping[str, object] | None = None,
    missing: object = LLAMA_CPP_MISSING,
) -> ASGIApp:
    """Return a server that lists a model at `/v1/models`, and has a few other answers."""
    known = dict(answers or {})
    if owner is not None:
        models = {"object": "list", "data": [{"id": "m", "object": "model", "owned_by": owner}]}
        known = {"/v1/models": models, **known}

    async def answer(request: Request) -> Response:
        headers = {"Server": software} if software else {}
        if request.url.path in known:
            return JSONResponse(known[request.url.path], headers=headers)
        if isinstance(missing, str):
            return PlainTextResponse(missing, 404, headers)
        return JSONResponse(missing, 404, headers)

    return Starlette(routes=[Route("/{path:path}", answer)])


@pytest.mark.parametrize(
    ("app", "name"),
    [
        (openai_server("llamacpp", software="llama.cpp"), "llama.cpp's own server"),
        (openai_server(software="llama.cpp"), "llama.cpp's own server"),
        (
            openai_server(answers={"/api/tags": LLAMA_CPP_MODELS, "/v1/models": LLAMA_CPP_MODELS}),
            "llama.cpp's own server",
        ),
        (openai_server("vllm", missing={"detail": "Not Found"}), "vLLM"),
        (openai_server("sglang", missing={"detail": "Not Found"}), "SGLang"),
        (
            openai_server(
                "organization_owner",
                answers={
                    path: {"error": f"Unexpected endpoint or method. (GET {path})"}
                    for path in ("/api/tags", "/api/version")
                },
            ),
            "LM Studio",
        ),
        (openai_server("somebody"), "a server of OpenAI's API"),
        (openai_server(missing="<html>404 Not Found</html>"), "some other web server"),
        (
            openai_server(answers={"/api/tags": [], "/api/version": "<html>"}),
            "some other web server",
        ),
    ],
)
async def test_what_answers_but_is_no_ollama_is_recognized(app: ASGIApp, name: str) -> None:
    async with served(app) as url:
        it = await discover(url, None, None, must_embed=True)
    assert (it.other_server, it.model.name) == (name, "")
    assert it.problem


@pytest.mark.parametrize("status", [401, 403, 500, 502, 503])
async def test_what_may_be_an_ollama_later_is_none_now(status: int) -> None:
    async def fail(_: Request) -> Response:
        error = {"error": {"code": status, "message": "Loading model"}}
        return JSONResponse(error, status, {"Server": "llama.cpp"})

    async with served(Starlette(routes=[Route("/{path:path}", fail)])) as url:
        it = await discover(url, "mine", None, must_embed=False)
    assert (it.other_server, it.model.name) == ("", "mine")
    assert it.problem.startswith(f"HTTP {status}")


async def test_an_ollama_whose_list_fails_is_still_one() -> None:
    app = openai_server("library", answers={"/api/version": {"version": "0.33.0"}})
    async with served(app) as url:
        it = await discover(url, None, None, must_embed=False)
    assert it.other_server == ""
    assert it.problem


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, ""),
        (384, "384 B"),
        (4_000, "4.0 kB"),
        (274_302_450, "274 MB"),
        (2_019_393_189, "2.0 GB"),
        (42_520_413_916, "43 GB"),
    ],
)
def test_sizes_are_shown_as_ollama_shows_them(size: int, shown: str) -> None:
    assert format_size(size) == shown
