"""The log that is held back while the screen is in use."""

from __future__ import annotations

import logging

import pytest

from fuseboard_tui.cli.deferred_log import log_deferred


def test_warnings_are_written_at_the_end_and_only_the_latest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logger = logging.getLogger("somebody")
    with log_deferred():
        logger.info("not a warning")
        for number in range(60):
            logger.warning("number %s", number)
        assert capsys.readouterr().err == ""
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 50
    assert lines[-1].endswith("WARNING somebody: number 59")


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("not now")


@pytest.mark.parametrize(
    ("message", "arguments", "said"),
    [
        ("%d items", ("many",), "'%d items' cannot be written: %d format"),
        ("%s", (Unprintable(),), "'%s' cannot be written: not now"),
        ("%s and %s", ("one",), "'%s and %s' cannot be written: not enough arguments"),
    ],
)
def test_a_wrong_log_call_does_not_raise_into_its_caller(
    message: str, arguments: tuple[object, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    with log_deferred(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(root, "handlers", root.handlers[-1:])  # pytest's own would raise
        logging.getLogger("somebody").warning(message, *arguments)
    assert said in capsys.readouterr().err
