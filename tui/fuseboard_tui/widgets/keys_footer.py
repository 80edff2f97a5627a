"""The keys of a screen on its last line."""

from __future__ import annotations

from textual.widgets import Footer


class KeysFooter(Footer):
    """Shows the keys as Textual's footer does, but lets go of those that it showed before.

    There each old key would be remembered as somebody who wants to hear of changes
    to `compact`, as long as that does not change:
    https://github.com/Textualize/textual/issues/6666
    """

    def __init__(self) -> None:
        super().__init__(compact=True)

    async def recompose(self) -> None:
        """Show the keys of now."""
        await super().recompose()
        self.mutate_reactive(Footer.compact)
