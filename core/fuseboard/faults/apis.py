"""The APIs of language models, told apart by the path of a request."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum


class Api(Enum):
    """An API whose errors have a form of their own."""

    OLLAMA = "ollama"
    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    GEMINI_AS_OPENAI = "gemini as openai"
    """Gemini's routes in the manner of OpenAI, whose errors are Gemini's, in an array."""


# Not at the start only: a server may have a base path.
_ANTHROPIC = re.compile(r"/v1/(messages|complete)(/|$)")
_GEMINI = re.compile(
    r"/v1(alpha|beta\d*)/|:(stream)?generateContent$|:(batch)?embedContents?$", re.IGNORECASE
)
_OPENAI = re.compile(r"/v1/|/openai/|/chat/completions$")
_GENERATION = re.compile(
    r"(/generate(_stream)?|/api/chat|/completions?|/responses|/v1/messages|/v1/complete|/infill"
    r"|/images/generations|/audio/speech|:(stream)?generateContent)/?$",
    re.IGNORECASE,
)


def api_of(path: str, headers: Iterable[tuple[bytes, bytes]] = ()) -> Api:
    """Return the API that a request is for.

    Args:
        path: The path of the request.
        headers: Its headers, with their names in lower case.
    """
    if "/v1beta/openai/" in path:
        return Api.GEMINI_AS_OPENAI
    if _GEMINI.search(path):
        return Api.GEMINI
    if _ANTHROPIC.search(path) or any(name == b"anthropic-version" for name, _ in headers):
        return Api.ANTHROPIC
    return Api.OPENAI if _OPENAI.search(path) else Api.OLLAMA


def generates(path: str) -> bool:
    """Return whether a request to `path` makes a model generate, in any of the APIs.

    Embedding is not generating.
    """
    return _GENERATION.search(path) is not None
