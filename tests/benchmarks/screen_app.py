"""The apps measured by the screen's benchmark: `python -m tests.benchmarks.screen_app NAME`.

`empty` shows a clock and imports nothing of fuseboard; another name is that of a film.
"""

from __future__ import annotations

import sys
import time

REDRAWS_PER_SECOND = 4
EMPTY = "empty"


def show_empty_app() -> None:
    """Run an app that shows a clock, which keys redraw as well."""
    from textual.app import App, ComposeResult
    from textual.widgets import Static

    class EmptyApp(App[None]):
        CSS = "Static { height: 1; }"

        def compose(self) -> ComposeResult:
            yield Static("clock")

        def on_mount(self) -> None:
            self.set_interval(1 / REDRAWS_PER_SECOND, self.draw)

        def on_key(self) -> None:
            self.draw()

        def draw(self) -> None:
            self.query_one(Static).update(f"clock {time.time():.3f}", layout=False)

    EmptyApp().run()


def show_film(name: str) -> None:
    """Run the dashboard with a film as its source."""
    from fuseboard_tui.app import FuseboardApp
    from tests.benchmarks.films import FILMS

    FuseboardApp(FILMS[name]()).run()


if __name__ == "__main__":
    if sys.argv[1] == EMPTY:
        show_empty_app()
    else:
        show_film(sys.argv[1])
