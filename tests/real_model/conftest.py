from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real_model.model_server import ModelServer

_VARIABLE = "FUSEBOARD_MODEL_PYTHON"


@pytest.fixture
def model_server() -> Iterator[ModelServer]:
    """A real model behind the Ollama API, one for each test, since tests kill it."""
    python = os.environ.get(_VARIABLE)
    if not python:
        pytest.skip(
            f"{_VARIABLE} is not set: it names the python of a venv made as "
            "tests/real_model/requirements.txt says"
        )
    with ModelServer(Path(python)) as server:
        yield server
