"""Commands: what importing them costs, and that each has a handler."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import get_args

import pytest

from fuseboard import Registry
from fuseboard.engine.assembly import Assembly
from fuseboard.engine.command_handlers import CommandHandlers
from fuseboard.engine.commands import Command
from fuseboard.engine.settings import EngineSettings
from fuseboard.engine.status import EngineStatus

HEAVY = ("asyncio", "h11", "httpx", "prometheus_client", "starlette", "uvicorn")


def test_every_command_has_a_handler() -> None:
    settings = EngineSettings(simulate=True)
    assembly = Assembly(settings, Registry(), dict[str, str]().get, time.monotonic)
    handlers = CommandHandlers(assembly, EngineStatus(assembly, time.monotonic))
    assert handlers._handlers.keys() == set(get_args(Command))


@pytest.mark.parametrize("module", ["fuseboard.engine.commands", "fuseboard.engine.settings"])
def test_imports_nothing_heavy(module: str) -> None:
    program = f"import sys, {module}; print(*sorted(sys.modules.keys() & set({HEAVY})))"
    ran = subprocess.run(
        [sys.executable, "-c", program], env=os.environ, capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == []
