"""What importing the breaker loads."""

from __future__ import annotations

import subprocess
import sys


def modules_loaded_by(statement: str) -> set[str]:
    program = (
        "import sys; before = set(sys.modules)\n"
        f"{statement}\n"
        "print(*set(sys.modules) - before, sep='\\n')"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(run.stdout.split())


def test_import_fuseboard_loads_the_standard_library_and_the_breaker_only() -> None:
    others = {
        name
        for name in modules_loaded_by("from fuseboard import CircuitBreaker")
        if name.partition(".")[0] not in sys.stdlib_module_names
    }
    breaker = {name for name in others if (name + ".").startswith("fuseboard.breaker.")}
    assert "fuseboard.breaker.breaker" in breaker
    assert others - breaker == {"fuseboard", "fuseboard.lazy_names", "fuseboard.version"}


def test_import_fuseboard_loads_no_event_loop() -> None:
    assert "asyncio" not in modules_loaded_by("from fuseboard import CircuitBreaker")
