"""What the keys of a screen do, as commands of the palette."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from textual.app import SystemCommand
from textual.binding import Binding
from textual.screen import Screen

_NOT_OFFERED = ("quit", "refuse")  # the palette's own; what does nothing


def bound_commands(screen: Screen[Any]) -> Iterator[SystemCommand]:
    """Give a command for each key of ours that a screen has; keys that do the same have one."""
    bindings: dict[str, Binding] = {}
    for active in screen.active_bindings.values():
        binding = active.binding
        if active.node is screen and binding.id and binding.id not in _NOT_OFFERED:
            bindings.setdefault(binding.action, binding)
    for action, binding in bindings.items():
        title = binding.description[0].upper() + binding.description[1:]
        words = binding.tooltip or binding.description
        yield SystemCommand(title, words, partial(screen.run_action, action))
