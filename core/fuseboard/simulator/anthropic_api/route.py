"""The route below `/v1/` that serves Anthropic's Messages API, as Ollama has since 0.14."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp

from fuseboard.simulator.anthropic_api.encoder import MessagesEncoder
from fuseboard.simulator.anthropic_api.request import read_directive, to_chat_request
from fuseboard.simulator.ollama_api.text_request import read_chat_request
from fuseboard.simulator.ollama_api.text_routes import TextRoutes
from fuseboard.simulator.request_body import read_body

_CHARACTERS_PER_TOKEN = 4  # as Ollama estimates


class MessagesRoute:
    """A handler that converts each request into Ollama's own, and responds as Anthropic does."""

    def __init__(self, texts: TextRoutes) -> None:
        self._texts = texts

    async def messages(self, request: Request) -> ASGIApp:
        """Generate the next message of a conversation."""
        body = await read_body(request, "anthropic.MessagesRequest", if_empty="EOF")
        text_request = await body.converted(
            lambda body: read_chat_request(to_chat_request(body), read_directive(body))
        )
        estimate = max(len(text_request.prompt) // _CHARACTERS_PER_TOKEN, 1)
        return self._texts.respond(text_request, MessagesEncoder(text_request.model, estimate))
