"""The routes that tell of the models."""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import Response

from fuseboard.simulator.errors import RefusedError
from fuseboard.simulator.go_json import json_response, rfc3339
from fuseboard.simulator.models import MODIFIED_AT, is_name, with_tag
from fuseboard.simulator.request_body import read_body
from fuseboard.simulator.scheduler import Scheduler
from fuseboard.simulator.settings import SimulatorSettings


class ModelRoutes:
    """Answers about the models of one server."""

    def __init__(self, settings: SimulatorSettings, scheduler: Scheduler) -> None:
        self._settings = settings
        self._scheduler = scheduler

    async def tags(self, _: Request) -> Response:
        """List the models that there are."""
        models = [
            {
                **model.described(),
                "modified_at": rfc3339(MODIFIED_AT),
                "capabilities": model.capabilities,
            }
            for model in self._settings.models
        ]
        return json_response({"models": models})

    async def ps(self, _: Request) -> Response:
        """List the models that are loaded, the longest to stay first."""
        models = [
            {**model.running(), "expires_at": rfc3339(time.time() + seconds)}
            for model, seconds in self._scheduler.seconds_left().items()
        ]
        return json_response({"models": models})

    async def show(self, request: Request) -> Response:
        """Describe one model."""
        body = await read_body(request, "api.ShowRequest")
        name = body.text("model") or body.text("name")
        if not name:
            raise RefusedError(400, "model is required")
        if not is_name(name):
            raise RefusedError(400, "invalid model name")
        model = self._settings.find(name)
        if model is None:
            raise RefusedError(404, f"model '{with_tag(name)}' not found")
        return json_response(
            {
                "modelfile": f"# simulated by fuseboard\nFROM {model.name}\n",
                "template": "{{ .Prompt }}",
                "details": model.details(),
                "model_info": model.model_info(self._settings.dimensions),
                "capabilities": model.capabilities,
                "modified_at": rfc3339(MODIFIED_AT),
            }
        )
