"""The command `fuseboard`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from fuseboard_tui import options as command_options

if TYPE_CHECKING:
    from fuseboard.engine import Engine


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code: 2 where the user can mend something."""
    options = command_options.parse(arguments)

    from fuseboard.engine import Engine
    from fuseboard.listening import ListenError

    try:
        if options.command == "export":
            from fuseboard_tui.export import export

            document = command_options.exported_document(options)
            return export(document, options.output, overwrite=options.force)
        if options.command == "simulator":
            from fuseboard_tui.simulator import simulate

            settings = command_options.simulator_settings(options)
            return simulate(settings, options.host, options.port)
        engine = Engine(command_options.engine_settings(options))
        if options.command == "serve":
            from fuseboard_tui.serve import serve

            return serve(engine, options.duration)
        return _show(engine, options.theme)
    except (ListenError, ValueError) as error:
        print(f"fuseboard: {error}{_advice(error, options.command)}", file=sys.stderr)  # noqa: T201
        return 2


def _show(engine: Engine, theme: str | None) -> int:
    if not _has_terminal():
        said = "there is no terminal to draw on; `fuseboard serve` runs without one"
        print(f"fuseboard: {said}", file=sys.stderr)  # noqa: T201
        return 2
    from fuseboard_tui import remembered_theme, themes
    from fuseboard_tui.app import FuseboardApp
    from fuseboard_tui.held_back_log import log_held_back

    chosen = themes.checked(theme) if theme else remembered_theme.recall()
    with log_held_back():
        engine.start()
        app = FuseboardApp(engine, theme=chosen, on_theme=remembered_theme.remember)
        try:
            problem = app.run()
        finally:
            engine.stop()
    if problem:
        print(f"fuseboard: {problem}", file=sys.stderr)  # noqa: T201
    return app.return_code or 0


def _has_terminal() -> bool:
    # Textual reads from stdin and draws on stderr, unless a driver of another kind is named.
    return "TEXTUAL_DRIVER" in os.environ or (sys.stdin.isatty() and sys.stderr.isatty())


def _advice(error: Exception, command: str | None) -> str:
    from fuseboard.listening import PortTakenError

    if not isinstance(error, PortTakenError):
        return ""
    ports = "--port" if command == "simulator" else "--metrics-port or --proxy-port"
    return f"; choose another with {ports}, 0 is any free one"
