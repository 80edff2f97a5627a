"""The help: keys of a screen, faults, and the meaning of the glyphs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from fuseboard.breaker.state import State
from fuseboard.snapshot.snapshot import FaultSnapshot
from fuseboard_tui.text.glyphs import GLYPHS, UNKNOWN
from fuseboard_tui.text.sanitize import sanitize

_MEANINGS = {
    State.CLOSED: "calls flow",
    State.OPEN: "calls are rejected; ▸ the time until a probe",
    State.HALF_OPEN: "a probe decides",
}
_KEY_WIDTH = 11


class HelpScreen(ModalScreen[None]):
    """List the keys of the screen below, made from its bindings.

    Args:
        bindings: The bindings of the screen below.
        faults: The faults with keys there; if there are any, the glyphs are explained too.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,f1,q,ctrl+c", "dismiss", "close", key_display="Esc"),
    ]

    def __init__(
        self, bindings: Iterable[tuple[str, Binding]], faults: Sequence[FaultSnapshot] = ()
    ) -> None:
        super().__init__()
        self._below = [binding for _, binding in bindings]
        self._faults = faults

    def compose(self) -> ComposeResult:
        """Create the widgets."""
        with VerticalScroll(id="help") as box:
            box.border_title = "Help"
            box.border_subtitle = "Esc closes"
            yield Static(Content("\n").join(self._lines()), markup=False)

    def _lines(self) -> Iterator[Content]:
        yield Content.styled("Keys", "bold")
        for description, keys in _keys_by_description(self._below).items():
            yield Content(f"  {', '.join(keys):<{_KEY_WIDTH}} {description}")
        yield Content(f"  {'^p':<{_KEY_WIDTH}} all commands, and the themes")
        if not self._faults:
            return
        yield Content("")
        yield Content.styled("Faults on the wire", "bold")
        for fault in self._faults:
            key = sanitize(fault.key, _KEY_WIDTH)
            yield Content(f"  {key:<{_KEY_WIDTH}} {sanitize(fault.description)}")
        yield Content("")
        yield Content.styled("Signs", "bold")
        for state, meaning in _MEANINGS.items():
            yield Content(f"  {GLYPHS[state]} {state.name:<{_KEY_WIDTH - 2}} {meaning}")
        yield Content(f"  {UNKNOWN:<{_KEY_WIDTH}} before fuseboard ran")
        yield Content(f"  {'▲':<{_KEY_WIDTH}} the fault is on; ▌ the one that + and - change")


def _keys_by_description(bindings: Iterable[Binding]) -> dict[str, list[str]]:
    by_description: dict[str, list[str]] = {}
    for binding in bindings:
        if not binding.id:
            continue  # Textual's own, such as those that move the focus
        description = binding.tooltip or binding.description
        key = key_name(binding.key)
        keys = by_description.setdefault(description, [])
        if key not in keys:
            keys.append(key)
    return by_description


def key_name(key: str) -> str:
    """Return the label of a key on keyboards, from Textual's name of it."""
    return _LABELS.get(key, key)


_LABELS = {
    "question_mark": "?",
    "f1": "F1",
    "slash": "/",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "escape": "Esc",
    "enter": "Enter",
    "plus": "+",
    "equals_sign": "=",
    "minus": "-",
    "ctrl+c": "^c",
    "ctrl+q": "^q",
    "up": "↑",
    "down": "↓",
    "pagedown": "PgDn",
    "pageup": "PgUp",
    "left": "←",
    "right": "→",
    "shift+left": "shift+←",
    "shift+right": "shift+→",
    "home": "Home",
    "end": "End",
    "less_than_sign": "<",
    "greater_than_sign": ">",
}
