"""What importing the breaker loads, and that its modules do not import each other in a circle."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import fuseboard.breaker

PACKAGE = Path(fuseboard.breaker.__file__).parent


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
    assert others - breaker == {"fuseboard", "fuseboard.version"}


def test_import_fuseboard_loads_no_event_loop() -> None:
    assert "asyncio" not in modules_loaded_by("from fuseboard import CircuitBreaker")


def test_the_breaker_imports_the_standard_library_alone_and_has_no_import_cycle() -> None:
    """Imports for type checkers count, too."""
    imports: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        module = ".".join(("fuseboard.breaker", *path.relative_to(PACKAGE).with_suffix("").parts))
        imports[module] = {
            node.module
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.ImportFrom) and node.module
        }
    imported = {name for names in imports.values() for name in names}
    roots = {name for name in imported if not name.startswith("fuseboard.breaker.")}
    assert {name.partition(".")[0] for name in roots} <= sys.stdlib_module_names
    TopologicalSorter(imports).prepare()
