"""A request to stop, made on another thread, in a signal handler and by signals."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from fuseboard_tui.cli.stop_request import StopRequest


def test_reaches_the_thread_that_waits() -> None:
    with StopRequest() as stopping:
        assert not stopping.wait(0)
        thread = threading.Thread(target=stopping.make)
        thread.start()
        assert stopping.wait(10)
        assert stopping.wait(0)
        thread.join()
    stopping.make()


def test_may_be_made_while_its_own_thread_begins_to_wait() -> None:
    made = 0
    stopping = StopRequest()

    def make(*_: object) -> None:
        nonlocal made
        made += 1
        stopping.make()

    usual = signal.signal(signal.SIGALRM, make)
    signal.setitimer(signal.ITIMER_REAL, 1e-4, 1e-4)
    try:
        while made < 2_000:
            with stopping:
                assert stopping.wait(10)
            stopping = StopRequest()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, usual)
        with stopping:
            pass


ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture
def _usual_handlers() -> Iterator[None]:
    usual = {each: signal.getsignal(each) for each in ENDINGS}
    yield
    for each, handler in usual.items():
        signal.signal(each, handler)


@pytest.mark.usefixtures("_usual_handlers")
@pytest.mark.parametrize("ending", ENDINGS)
def test_is_made_by_a_signal(ending: signal.Signals) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    with StopRequest() as stopping:
        stopping.on_signals()
        assert not stopping.wait(0)
        signal.raise_signal(ending)
        assert stopping.wait(0)


@pytest.mark.usefixtures("_usual_handlers")
def test_a_hangup_that_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with StopRequest() as stopping:
        stopping.on_signals()
        signal.raise_signal(signal.SIGHUP)
        assert not stopping.wait(0)
