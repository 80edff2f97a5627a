"""Textual's driver, made to survive whatever becomes of its terminal, and never to outlive it."""

from __future__ import annotations

import os
import signal
import termios
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TextIO, cast

from textual.app import App
from textual.drivers.linux_driver import LinuxDriver

from fuseboard_tui.terminal.ascii_drawing import ERRORS, terminal_encoding
from fuseboard_tui.terminal.background_writer import BackgroundWriter

_MAX_PENDING = 1 << 16  # bytes drawn and not shown yet, beyond which nothing more is drawn
_CHECK_SECONDS = 0.5
_EXIT_SECONDS = 3.0  # to end properly in once the terminal is gone

# XTWINOPS; terminals without a stack of titles ignore it.
_SAVE_TITLE = "\x1b[22;2t"
_RESTORE_TITLE = "\x1b[23;2t"


class TerminalDriver(LinuxDriver):
    """A driver that neither waits for its terminal nor outlives it.

    - Output goes past a terminal that does not read: frames are left out, and the screen
      is drawn anew once it reads again. Textual's own writer would stop the event loop.
    - When the terminal is gone, the process gets SIGHUP as from the kernel, even if it was
      not its controlling terminal; if that does not end it within three seconds, it exits.
      Textual reads on, and takes a whole core for it.
    - SIGTSTP, `kill -STOP` and `fg`: signals are handled on the event loop, because Textual's
      handlers deadlock if they interrupt a write; the terminal is put in order before the
      stop and taken over again after it.
    - What the encoding of the terminal lacks is drawn in ASCII.
    - Bytes that are no UTF-8 are ignored.
    """

    def __init__(self, app: App[Any], **options: Any) -> None:
        super().__init__(app, **options)
        self.encoding = terminal_encoding()
        self._errors = "replace" if self.encoding == "utf-8" else ERRORS
        self._writer: BackgroundWriter | None = None
        self._is_behind = False
        self._closed = threading.Event()
        self._handle_signals()

    def start_application_mode(self) -> None:
        """Take the terminal over."""
        self._closed = threading.Event()
        self._writer = BackgroundWriter(cast(TextIO, self._file).fileno(), _MAX_PENDING)
        self._is_behind = False
        self.write(_SAVE_TITLE)
        super().start_application_mode()  # type: ignore[no-untyped-call]
        threading.Thread(
            target=self._watch,
            args=(self._writer, self._closed),
            name="fuseboard-terminal",
            daemon=True,
        ).start()

    def stop_application_mode(self) -> None:
        """Leave the terminal as it was."""
        if self._is_behind and self._writer is not None:
            self._writer.discard()  # frames that nobody will see
            self._is_behind = False
        self.write(_RESTORE_TITLE)
        super().stop_application_mode()

    def close(self) -> None:
        """Write the rest, unless the terminal does not read it."""
        self._closed.set()
        super().close()
        if self._writer is not None:
            self._writer.close()

    def write(self, data: str) -> None:
        """Write to the terminal, or leave it out if that is behind."""
        if self._writer is not None and not self._is_behind:
            self._is_behind = not self._writer.offer(data.encode(self.encoding, self._errors))

    def run_input_thread(self) -> None:
        """Read keys until the driver stops or the terminal is gone."""
        while not self.exit_event.is_set():
            try:
                super().run_input_thread()
            except UnicodeDecodeError:
                continue
            except OSError:  # the watch takes note of it
                return

    def suspend(self) -> None:
        """Stop the process and its group, as Ctrl+Z does in other programs."""
        self._stop(lambda: os.killpg(0, signal.SIGTSTP))

    def _watch(self, writer: BackgroundWriter, closed: threading.Event) -> None:
        """Wait for the end of the terminal, or for a terminal that reads again."""
        while not closed.wait(_CHECK_SECONDS):
            if writer.failure is not None or self._is_gone():
                os.kill(os.getpid(), signal.SIGHUP)
                if not closed.wait(_EXIT_SECONDS):
                    os._exit(128 + signal.SIGHUP)
                return
            if self._is_behind and not writer.pending:
                self._is_behind = False
                self._app.post_message(self.SignalResume())

    def _is_gone(self) -> bool:
        try:
            termios.tcgetattr(self.fileno)
        except termios.error:
            return True
        return False

    # Signals

    def _handle_signals(self) -> None:
        self._loop.add_signal_handler(signal.SIGTSTP, self._on_stop)
        self._loop.add_signal_handler(signal.SIGCONT, self._on_continue)

    def _on_stop(self) -> None:
        self._stop(lambda: os.kill(os.getpid(), signal.SIGTSTP))

    def _on_continue(self) -> None:
        """Take the terminal over from whoever had it, after a stop without notice (SIGSTOP)."""
        self._stop(lambda: None)

    def _stop(self, stop: Callable[[], object]) -> None:
        """Give the terminal back, stop, and take it over when the process is continued.

        Where nobody could continue it (a group without a shell), the system does not stop it.
        """
        for number in (signal.SIGTSTP, signal.SIGCONT):
            self._loop.remove_signal_handler(number)
        if self._closed.is_set():  # the program is about to end, and the terminal is in order
            stop()
            return
        self._wait_for_foreground()
        self.suspend_application_mode()
        stop()
        self._wait_for_foreground()
        self._handle_signals()
        self.resume_application_mode()
        self._app.post_message(self.SignalResume())

    def _wait_for_foreground(self) -> None:
        """Stop again and again while another job has the terminal (`bg`, `kill -CONT`)."""
        with suppress(OSError):  # it is not the controlling terminal
            while os.tcgetpgrp(self.fileno) != os.getpgrp():
                os.kill(os.getpid(), signal.SIGSTOP)
