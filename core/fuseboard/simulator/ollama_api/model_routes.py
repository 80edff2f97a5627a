"""The routes that list and describe the models."""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import Response

from fuseboard.simulator.errors import ApiError
from fuseboard.simulator.go_json import json_response, rfc3339
from fuseboard.simulator.models import MODIFIED_AT, is_valid_name, with_default_tag
from fuseboard.simulator.request_body import read_body
from fuseboard.simulator.scheduler import Scheduler
from fuseboard.simulator.settings import SimulatorSettings


class ModelRoutes:
    """Handlers for the requests about models."""

    def __init__(self, settings: SimulatorSettings, scheduler: Scheduler) -> None:
        self._settings = settings
        self._scheduler = scheduler

    async def tags(self, _: Request) -> Response:
        """List all models."""
        models = [
            {
                **model.summary(),
                "modified_at": rfc3339(MODIFIED_AT),
                "capabilities": model.capabilities,
            }
            for model in self._settings.models
        ]
        return json_response({"models": models})

    async def ps(self, _: Request) -> Response:
        """List the loaded models, the last to expire first."""
        models = [
            {**model.running_summary(), "expires_at": rfc3339(time.time() + seconds)}
            for model, seconds in self._scheduler.seconds_left().items()
        ]
        return json_response({"models": models})

    async def show(self, request: Request) -> Response:
        """Describe one model."""
        body = await read_body(request, "api.ShowRequest")
        name = body.text("model") or body.text("name")
        if not name:
            raise ApiError(400, "model is required")
        if not is_valid_name(name):
            raise ApiError(400, "invalid model name")
        model = self._settings.find(name)
        if model is None:
            raise ApiError(404, f"model '{with_default_tag(name)}' not found")
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
