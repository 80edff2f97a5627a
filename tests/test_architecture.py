"""What the tree promises about its imports, beyond the contracts that import-linter checks."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]


def _module_name(path: Path, source_root: Path) -> str:
    parts = path.relative_to(source_root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    _module_name(path, source_root): path
    for source_root in (ROOT / "core", ROOT / "tui")
    for path in source_root.rglob("*.py")
}


def _imports(module: str) -> Iterator[str]:
    """Yield the modules that a module names in its imports, wherever in it they stand.

    Imports within functions and under `if TYPE_CHECKING` count. The packages
    that importing a module runs first do not.
    """
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=str(source), names=names, level=0):
                for name in names:
                    submodule = f"{source}.{name.name}"
                    yield submodule if submodule in MODULES else source
            case ast.ImportFrom():
                raise ValueError(f"{module} has a relative import in line {node.lineno}")


def _cycle(graph: dict[str, set[str]]) -> list[str]:
    """Return the modules along one import cycle, or nothing if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        cycle: list[str] = error.args[1]
        return cycle[::-1]  # it has each module after those that it imports
    return []


def test_a_cycle_is_found() -> None:
    assert _cycle({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert _cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) in (["b", "c", "b"], ["c", "b", "c"])


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = {module: MODULES.keys() & set(_imports(module)) for module in MODULES}
    assert " imports ".join(_cycle(graph)) == ""


def test_the_breaker_imports_the_standard_library_alone() -> None:
    foreign = {
        (module, imported)
        for module in MODULES
        if module.startswith("fuseboard.breaker")
        for imported in _imports(module)
        if imported.partition(".")[0] not in sys.stdlib_module_names
        and not imported.startswith("fuseboard.breaker")
    }
    assert not foreign
