"""The command `fuseboard`."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING

from fuseboard_tui.cli import options as command_options

if TYPE_CHECKING:
    import argparse

    from fuseboard.engine.engine import Engine
    from fuseboard.recording.recorder import Recorder
    from fuseboard.recording.replay import Replay
    from fuseboard_tui.app import FuseboardApp
    from fuseboard_tui.board.source import Source


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code: 2 where the user can mend something."""
    gc.disable()  # of what is imported nothing is garbage: to look takes 5 % of the start
    try:
        return _run(arguments)
    finally:
        gc.enable()


def _resume_collecting() -> None:
    """Look for garbage from now on, but never in what has been imported."""
    gc.freeze()
    gc.enable()


def _run(arguments: list[str] | None) -> int:
    options = command_options.parse(arguments)

    from fuseboard.engine.engine import Engine
    from fuseboard.server.sockets import ListenError

    try:
        if options.command == "export":
            from fuseboard_tui.cli.export import export

            document = command_options.exported_document(options)
            return export(document, options.output, overwrite=options.force)
        if options.command == "simulator":
            from fuseboard_tui.cli.simulator import simulate

            settings = command_options.simulator_settings(options)
            _resume_collecting()
            return simulate(settings, options.host, options.port)
        if options.command == "replay":
            return _replay(options)
        engine = Engine(command_options.engine_settings(options))
        recorder = _recorder(engine, options)
        if options.command == "serve":
            from fuseboard_tui.cli.serve import serve

            _resume_collecting()
            ended = serve(engine, options.duration, recorder)
        else:
            ended = _show(engine, recorder, options)
    except (ListenError, ValueError) as error:
        print(f"fuseboard: {error}{_advice(error, options.command)}", file=sys.stderr)  # noqa: T201
        return 2
    if recorder is not None and not recorder.problem:
        print(f"fuseboard: wrote {recorder.path}", file=sys.stderr)  # noqa: T201
    return ended


def _recorder(engine: Engine, options: argparse.Namespace) -> Recorder | None:
    if options.record is None:
        return None
    from fuseboard.recording.recorder import Recorder

    return Recorder(engine.snapshot, options.record, overwrite=options.force)


def _show(engine: Engine, recorder: Recorder | None, options: argparse.Namespace) -> int:
    if not _has_terminal():
        raise ValueError("there is no terminal to draw on; `fuseboard serve` runs without one")
    from fuseboard_tui.cli.deferred_log import log_held_back
    from fuseboard_tui.cli.recorded_source import RecordedSource

    source = RecordedSource(engine, recorder) if recorder else engine
    app = _app(source, options)
    with log_held_back():
        engine.start()
        try:
            with recorder or nullcontext():
                return _draw(app)
        finally:
            engine.stop()


def _replay(options: argparse.Namespace) -> int:
    from fuseboard.recording.reader import read_recording
    from fuseboard.recording.replay import Replay

    recording = read_recording(options.file)
    if not _has_terminal():
        raise ValueError("there is no terminal to draw on")
    from fuseboard_tui.cli.deferred_log import log_held_back

    app = _app(Replay(recording, options.speed), options)
    with log_held_back():
        return _draw(app)


def _app(source: Source | Replay, options: argparse.Namespace) -> FuseboardApp:
    from fuseboard_tui import remembered_theme, themes
    from fuseboard_tui.app import FuseboardApp

    theme = themes.checked(options.theme) if options.theme else remembered_theme.recall()
    return FuseboardApp(
        source,
        options.export_dir,
        theme=theme,
        on_theme=remembered_theme.remember,
        bell=options.bell,
    )


def _draw(app: FuseboardApp) -> int:
    _resume_collecting()
    problem = app.run()
    if problem:
        print(f"fuseboard: {problem}", file=sys.stderr)  # noqa: T201
    return app.return_code or 0


def _has_terminal() -> bool:
    # Textual reads from stdin and draws on stderr, unless a driver of another kind is named.
    return "TEXTUAL_DRIVER" in os.environ or (sys.stdin.isatty() and sys.stderr.isatty())


def _advice(error: Exception, command: str | None) -> str:
    from fuseboard.server.sockets import PortTakenError

    if not isinstance(error, PortTakenError):
        return ""
    ports = "--port" if command == "simulator" else "--metrics-port or --proxy-port"
    return f"; choose another with {ports}, 0 is any free one"
