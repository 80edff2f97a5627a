"""The buffer of log lines that a board shows."""

from __future__ import annotations

import logging

import pytest

from fuseboard.engine.log_buffer import LogBuffer
from fuseboard.snapshot.snapshot import LogLevel


def test_stores_levels_sources_texts_and_tracebacks() -> None:
    buffer = LogBuffer()
    with buffer.capture():
        logging.getLogger("fuseboard.faults.switches").info("fault %s is on", "stall")
        logging.getLogger("asyncio").warning("slow")
        try:
            int("x")
        except ValueError:
            logging.getLogger("fuseboard.engine.engine").exception("the engine broke")
    info, warning, error = buffer.lines()
    assert (info.level, info.source, info.message) == (
        LogLevel.INFO,
        "faults",
        "fault stall is on",
    )
    assert (warning.level, warning.source, warning.message) == (LogLevel.WARNING, "asyncio", "slow")
    assert error.level is LogLevel.ERROR
    assert error.message.startswith("the engine broke\nTraceback")
    assert error.message.endswith("invalid literal for int() with base 10: 'x'")
    assert info.at <= warning.at <= error.at


def test_stores_nothing_before_and_after() -> None:
    buffer = LogBuffer()
    logger = logging.getLogger("fuseboard")
    before = logger.level
    logger.warning("before")
    with buffer.capture():
        pass
    logger.warning("after")
    assert buffer.lines() == ()
    assert logger.level == before


def test_a_lower_level_stays(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "fuseboard"), LogBuffer().capture():
        logging.getLogger("fuseboard").debug("small")
    assert caplog.messages == ["small"]


def test_is_bounded() -> None:
    buffer = LogBuffer()
    with buffer.capture():
        for number in range(1000):
            logging.getLogger("fuseboard").info("%s %s", number, "x" * 10_000)
    lines = buffer.lines()
    assert len(lines) == 300
    assert lines[-1].message.startswith("999 xxx")
    assert max(len(line.message) for line in lines) < 4100


def test_two_buffers_end_in_any_order() -> None:
    logger = logging.getLogger("fuseboard")
    before = logger.level
    one, other = LogBuffer(), LogBuffer()
    with other.capture():
        with one.capture():
            pass
        logger.info("still heard")
    assert [line.message for line in other.lines()] == ["still heard"]
    assert logger.level == before


def test_a_level_chosen_meanwhile_stays() -> None:
    logger = logging.getLogger("fuseboard")
    before = logger.level
    try:
        with LogBuffer().capture():
            logger.setLevel(logging.ERROR)
        assert logger.level == logging.ERROR
    finally:
        logger.setLevel(before)


def test_a_wrong_log_call_is_stored_and_breaks_nothing() -> None:
    buffer = LogBuffer()
    logger = logging.getLogger("elsewhere")
    with buffer.capture(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(logger, "propagate", False)
        logger.addHandler(buffer)
        logger.warning("%d items", "many")
        logger.removeHandler(buffer)
    (line,) = buffer.lines()
    assert line.message.startswith("'%d items' cannot be written: %d format")
