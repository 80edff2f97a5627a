"""The last line of a screen: its keys."""

from __future__ import annotations

from textual.widgets import Footer


class KeysFooter(Footer):
    """Textual's footer without its memory leak.

    Textual leaves each key that was ever shown subscribed to `compact`, as long as
    that does not change: https://github.com/Textualize/textual/issues/6666
    """

    def __init__(self) -> None:
        super().__init__(compact=True)

    async def recompose(self) -> None:
        """Show the present keys, and release those shown before."""
        await super().recompose()
        self.mutate_reactive(Footer.compact)
