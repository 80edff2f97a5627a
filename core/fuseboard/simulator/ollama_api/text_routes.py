"""The routes that make texts."""

from __future__ import annotations

import time
from collections.abc import Mapping

from starlette.requests import Request
from starlette.types import ASGIApp

from fuseboard.simulator.errors import RefusedError
from fuseboard.simulator.go_json import go_json, json_response, rfc3339
from fuseboard.simulator.models import Model, is_name
from fuseboard.simulator.ollama_api.text_request import TextRequest, read_chat, read_generate
from fuseboard.simulator.request_body import read_body
from fuseboard.simulator.scheduler import Scheduler
from fuseboard.simulator.settings import SimulatorSettings
from fuseboard.simulator.streaming import TextForm, answered, streamed, whole
from fuseboard.simulator.text.generation import Ending, TextJob, make_text
from fuseboard.simulator.text.json_format import read_format
from fuseboard.simulator.text.options import read_options
from fuseboard.simulator.text.tokens import token_number, tokens_of


class TextRoutes:
    """Answers with texts by the models of one server."""

    def __init__(self, settings: SimulatorSettings, scheduler: Scheduler) -> None:
        self._settings = settings
        self._scheduler = scheduler

    async def generate(self, request: Request) -> ASGIApp:
        """Complete a prompt."""
        wanted = read_generate(await read_body(request, "api.GenerateRequest"))
        return self.answer(wanted, _GenerateForm(wanted))

    async def chat(self, request: Request) -> ASGIApp:
        """Say the next message of a chat."""
        wanted = read_chat(await read_body(request, "api.ChatRequest"))
        return self.answer(wanted, _ChatForm(wanted))

    def answer(self, wanted: TextRequest, form: TextForm) -> ASGIApp:
        """Answer a request in the form that the caller reads.

        Raises:
            RefusedError: If it asks for what there is not.
        """
        model = self._find(wanted)
        if not wanted.prompt and wanted.keep_alive == 0:
            self._scheduler.unload(model)
            return json_response(form.whole(Ending("unload")))
        _refuse_what_it_cannot(model, wanted)
        options = read_options(wanted.options)
        if not wanted.prompt:
            return self._load(model, wanted, form)
        if wanted.sees:
            raise RefusedError(500, "this model is missing data required for image input")
        schema = read_format(wanted.format)
        job = TextJob(model, wanted.prompt, options, schema, wanted.keep_alive)
        pieces = make_text(job, self._scheduler, self._settings)
        return streamed(pieces, form) if wanted.stream else whole(pieces, form)

    def _find(self, wanted: TextRequest) -> Model:
        if not wanted.model and wanted.verb == "chat":
            raise RefusedError(400, "model is required")
        if wanted.model and not is_name(wanted.model):
            raise RefusedError(400, "invalid model name")
        model = self._settings.find(wanted.model)
        if model is None:
            raise RefusedError(404, f"model '{wanted.model}' not found")
        return model

    def _load(self, model: Model, wanted: TextRequest, form: TextForm) -> ASGIApp:
        async def load() -> Mapping[str, object]:
            async with self._scheduler.loaded(model, wanted.keep_alive):
                return form.whole(Ending("load"))

        return answered(load)


def _refuse_what_it_cannot(model: Model, wanted: TextRequest) -> None:
    if wanted.thinks:
        raise RefusedError(400, f'"{wanted.model}" does not support thinking')
    if model.embeds:
        raise RefusedError(400, f'"{wanted.model}" does not support {wanted.verb}')
    if wanted.inserts:
        raise RefusedError(400, f"{model.full_name} does not support insert")


class _LinesForm:
    """A JSON object a line; what is said is in a field that `_said()` makes."""

    stream_type = "application/x-ndjson"

    def __init__(self, wanted: TextRequest) -> None:
        self._wanted = wanted

    def piece(self, text: str) -> bytes:
        return go_json({**self._item(text), "done": False}) + b"\n"

    def end(self, ending: Ending) -> bytes:
        return go_json(self._last("", ending)) + b"\n"

    def whole(self, ending: Ending) -> Mapping[str, object]:
        return self._last(ending.text, ending)

    def _last(self, text: str, ending: Ending) -> dict[str, object]:
        return {**self._item(text), "done": True, **ending.fields()}

    def _item(self, text: str) -> dict[str, object]:
        return {
            "model": self._wanted.model,
            "created_at": rfc3339(time.time()),
            **self._said(text),
        }

    def _said(self, text: str) -> dict[str, object]:
        raise NotImplementedError


class _ChatForm(_LinesForm):
    def _said(self, text: str) -> dict[str, object]:
        return {"message": {"role": "assistant", "content": text}}


class _GenerateForm(_LinesForm):
    def _said(self, text: str) -> dict[str, object]:
        return {"response": text}

    def _last(self, text: str, ending: Ending) -> dict[str, object]:
        """Write the end, and what a next request may give back as its context."""
        last = super()._last(text, ending)
        if ending.tokens and not self._wanted.raw:
            tokens = tokens_of(self._wanted.prompt) + tokens_of(ending.text)
            last["context"] = [token_number(token) for token in tokens]
        return last
