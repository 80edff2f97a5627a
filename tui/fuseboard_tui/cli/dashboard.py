"""`fuseboard`: show the dashboard, and start the engine once its first frame is drawn."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from msgspec.structs import replace

from fuseboard.invalid_input import InvalidInputError
from fuseboard_tui.cli.deferred_log import log_deferred
from fuseboard_tui.cli.garbage_collection import resume_collecting
from fuseboard_tui.cli.missing_package import missing_package
from fuseboard_tui.cli.problems import port_problem, report, report_recording
from fuseboard_tui.cli.run_options import (
    PORT_OPTIONS,
    describe_dry_run,
    engine_settings,
    run_recorder,
)
from fuseboard_tui.terminal.requirements import check_terminal

if TYPE_CHECKING:
    from fuseboard.engine.commands import Command
    from fuseboard.engine.settings import EngineSettings
    from fuseboard.recording.recorder import Recorder
    from fuseboard.snapshot.snapshot import Snapshot
    from fuseboard_tui.app import AppSettings, DashboardApp
    from fuseboard_tui.timeline.source import Source


def show_dashboard(options: Mapping[str, Any]) -> int:
    """Show the dashboard of a run and return the exit code.

    Args:
        options: The values of the options by name.

    Raises:
        ValueError: If one is invalid, or there is no terminal to draw on.
    """
    if options.get("dry_run"):
        return describe_dry_run(options)
    from fuseboard.engine.settings import check_settings

    settings = engine_settings(options)
    check_settings(settings)
    screen = screen_settings(options)
    if not has_terminal():
        raise InvalidInputError(
            "there is no terminal to draw on; `fuseboard serve` runs without one"
        )
    check_terminal()
    from fuseboard_tui.cli.starting_app import StartingApp

    run = _Run(settings, options)
    app = StartingApp(run.start, **screen)
    with log_deferred():
        try:
            code = draw(app)
        finally:
            app.join()
            run.stop()
    if run.recorder is not None:
        report_recording(run.recorder)
    return code


def screen_settings(options: Mapping[str, Any]) -> AppSettings:
    """Return what the options say about the screen.

    Raises:
        InvalidInputError: If there is no such theme, or exports cannot be written.
    """
    from fuseboard_tui import remembered_theme, themes

    settings: AppSettings = {
        "theme": themes.checked(options["theme"])
        if "theme" in options
        else remembered_theme.recall(),
        "on_theme": remembered_theme.remember,
        "bell": options.get("bell", False),
    }
    if "export_dir" in options:
        settings["directory"] = _writable(options["export_dir"])
    return settings


def _writable(directory: Path) -> Path:
    try:
        mode = directory.stat().st_mode
    except FileNotFoundError:
        raise InvalidInputError(
            f"cannot export to {directory}: it is not there; create it first"
        ) from None
    except OSError as error:
        raise InvalidInputError(f"cannot export to {directory}: {error.strerror}") from None
    if not stat.S_ISDIR(mode):
        raise InvalidInputError(f"cannot export to {directory}: it is no directory")
    if not os.access(directory, os.W_OK | os.X_OK):
        raise InvalidInputError(f"cannot export to {directory}: nothing can be written there")
    return directory


def draw(app: DashboardApp) -> int:
    """Draw the dashboard until the user leaves or it fails, and return the exit code."""
    with _stderr_on_terminal():
        problem = app.run()
    if problem:
        report(problem)
    return app.return_code or 0


def has_terminal() -> bool:
    """Return whether there is a terminal to draw on."""
    # Textual reads from stdin, unless a driver of another kind is named.
    on_terminal = _is_terminal(sys.__stdin__) and _screen_stream() is not None
    return "TEXTUAL_DRIVER" in os.environ or on_terminal


def _screen_stream() -> TextIO | None:
    """Return the first of stderr and stdout that is a terminal; `None` if neither is."""
    return next(filter(_is_terminal, (sys.__stderr__, sys.__stdout__)), None)


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


@contextmanager
def _stderr_on_terminal() -> Iterator[None]:
    """Draw within the block on stdout if stderr is redirected: `fuseboard 2>err.log`."""
    before, screen = sys.__stderr__, _screen_stream()
    if screen is None or screen is before:
        yield
        return
    # Textual draws on `sys.__stderr__` and offers no other stream; messages go to `sys.stderr`.
    setattr(sys, "__stderr__", screen)  # noqa: B010 (a constant to the type checker)
    try:
        yield
    finally:
        setattr(sys, "__stderr__", before)  # noqa: B010


class RecordedSource:
    """A source whose snapshots begin their notices with what is wrong with the recording."""

    def __init__(self, source: Source, recorder: Recorder) -> None:
        self._source = source
        self._recorder = recorder

    def snapshot(self) -> Snapshot:
        """Return the snapshot of the source, with a notice if the recording has ended early."""
        snapshot = self._source.snapshot()
        if not self._recorder.problem:
            return snapshot
        return replace(snapshot, notices=(self._recorder.problem, *snapshot.notices))

    def send(self, command: Command) -> None:
        """Send a command to the source."""
        self._source.send(command)


class _Run:
    """The engine of the dashboard, and the recording of its run if `--record` names a file."""

    def __init__(self, settings: EngineSettings, options: Mapping[str, Any]) -> None:
        self._settings = settings
        self._options = options
        self._stack = ExitStack()
        self.recorder: Recorder | None = None

    def start(self) -> Source:
        """Import the engine and the board, start the engine and the recording.

        Raises:
            ValueError: If that cannot be; the message is for the user.
        """
        try:
            import fuseboard_tui.board.screen  # noqa: F401 (here it does not hold the screen up)
            from fuseboard.engine.engine import Engine
            from fuseboard.server.sockets import ListenError
        except ModuleNotFoundError as error:
            raise InvalidInputError(missing_package(error)) from error
        finally:
            resume_collecting()
        engine = Engine(self._settings)
        try:
            engine.start()
        except ListenError as error:
            raise InvalidInputError(port_problem(error, PORT_OPTIONS)) from error
        self._stack.callback(engine.stop)
        recorder = run_recorder(self._options, engine.snapshot)
        if recorder is None:
            return engine
        self.recorder = self._stack.enter_context(recorder)
        return RecordedSource(engine, recorder)

    def stop(self) -> None:
        """End the recording, and stop the engine."""
        self._stack.close()
