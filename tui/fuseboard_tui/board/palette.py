"""The entries of the command palette."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from textual.app import SystemCommand
from textual.binding import Binding
from textual.screen import Screen

from fuseboard.snapshot.snapshot import Snapshot
from fuseboard_tui.board.source_commands import SourceCommands
from fuseboard_tui.screens.fault_controls import FaultControls
from fuseboard_tui.text.sanitize import sanitize

_EXCLUDED_IDS = ("quit", "refuse")  # Textual's palette has its own quit; "refuse" does nothing


def key_commands(screen: Screen[Any]) -> Iterator[SystemCommand]:
    """Yield one entry for each action that a key of the screen runs."""
    bindings: dict[str, Binding] = {}
    for active in screen.active_bindings.values():
        binding = active.binding
        if active.node is screen and binding.id and binding.id not in _EXCLUDED_IDS:
            bindings.setdefault(binding.action, binding)
    for action, binding in bindings.items():
        title = binding.description[0].upper() + binding.description[1:]
        description = binding.tooltip or binding.description
        yield SystemCommand(title, description, partial(screen.run_action, action))


def board_commands(
    snapshot: Snapshot | None, faults: FaultControls, commands: SourceCommands
) -> Iterator[SystemCommand]:
    """Yield the board's entries that have no key: faults by name, scenarios, disabling."""
    from fuseboard.faults.scenarios.scenario import BUILT_IN as SCENARIOS

    for fault in snapshot.faults if snapshot else ():
        title = f"{'Mend' if fault.active else 'Break'}: {sanitize(fault.label, 20)}"
        yield SystemCommand(title, sanitize(fault.description), partial(faults.toggle, fault.name))
    for name in SCENARIOS:
        description = "faults strung over time; switching every fault off ends it"
        yield SystemCommand(f"Scenario: {name}", description, partial(commands.play_scenario, name))
    yield SystemCommand("Disable", "let every call through the chosen breaker", commands.disable)
