"""The dashboard in a real terminal: what it withstands, and how it leaves it."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from tests.soak.dashboard import soak
from tests.terminal import running

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="knows Linux's terminals only"),
]

COMMAND = [sys.executable, "-m", "fuseboard_tui", "--simulate", "--metrics-port", "0"]
_SOAK_SECONDS = 5.0


def test_withstands_keys_at_random() -> None:
    *_, findings = soak(_SOAK_SECONDS, seed=1)
    assert findings.problems == []
    assert findings.keys > 10
    assert findings.frames > 10


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGHUP])
def test_leaves_the_terminal_as_it_was_when_it_is_told_to_end(ending: signal.Signals) -> None:
    with running(COMMAND) as terminal:
        before = terminal.attributes()
        terminal.wait_for(b"success")
        assert terminal.attributes() != before
        os.kill(terminal.pid, ending)
        assert terminal.wait_for_end() == 128 + ending
        assert terminal.attributes() == before
        assert not terminal.modes[1049]


def test_ends_when_the_terminal_is_gone() -> None:
    with running(COMMAND) as terminal:
        terminal.wait_for(b"success")
        terminal.hang_up()
        assert terminal.wait_for_end() == 128 + signal.SIGHUP
        with pytest.raises(ProcessLookupError):
            os.killpg(terminal.pid, 0)  # it began a group of its own, and nobody is left in it
