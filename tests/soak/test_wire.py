"""The attack on every port runs, and finds nothing."""

from __future__ import annotations

import pytest

from tests.soak import wire


@pytest.mark.slow
def test_the_attack_on_every_port_finds_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert wire.main(["--quick"]) == 0
    report = capsys.readouterr().out
    for line in ("stalled clients held", "connections at once", "requests", "random bytes"):
        assert line in report
