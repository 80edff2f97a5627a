"""What the program logs, kept for the screen."""

from __future__ import annotations

import logging

import pytest

from fuseboard.engine.log_buffer import LogBuffer
from fuseboard.snapshot.snapshot import LogLevel


def test_keeps_levels_sources_words_and_tracebacks() -> None:
    book = LogBuffer()
    with book.capture():
        logging.getLogger("fuseboard.faults.switches").info("fault %s is on", "stall")
        logging.getLogger("asyncio").warning("slow")
        try:
            int("x")
        except ValueError:
            logging.getLogger("fuseboard.engine.engine").exception("the engine broke")
    informs, warns, tells = book.lines()
    assert (informs.level, informs.source, informs.words) == (
        LogLevel.INFO,
        "faults",
        "fault stall is on",
    )
    assert (warns.level, warns.source, warns.words) == (LogLevel.WARNING, "asyncio", "slow")
    assert tells.level is LogLevel.ERROR
    assert tells.words.startswith("the engine broke\nTraceback")
    assert tells.words.endswith("invalid literal for int() with base 10: 'x'")
    assert informs.at <= warns.at <= tells.at


def test_hears_nothing_before_and_after() -> None:
    book = LogBuffer()
    ours = logging.getLogger("fuseboard")
    before = ours.level
    ours.warning("before")
    with book.capture():
        pass
    ours.warning("after")
    assert book.lines() == ()
    assert ours.level == before


def test_a_level_that_was_asked_for_stays(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "fuseboard"), LogBuffer().capture():
        logging.getLogger("fuseboard").debug("small")
    assert caplog.messages == ["small"]


def test_is_bounded() -> None:
    book = LogBuffer()
    with book.capture():
        for number in range(1000):
            logging.getLogger("fuseboard").info("%s %s", number, "x" * 10_000)
    lines = book.lines()
    assert len(lines) == 300
    assert lines[-1].words.startswith("999 xxx")
    assert max(len(line.words) for line in lines) < 4100


def test_two_books_end_in_any_order() -> None:
    ours = logging.getLogger("fuseboard")
    before = ours.level
    one, other = LogBuffer(), LogBuffer()
    with other.capture():
        with one.capture():
            pass
        ours.info("still heard")
    assert [line.words for line in other.lines()] == ["still heard"]
    assert ours.level == before


def test_a_level_chosen_meanwhile_stays() -> None:
    ours = logging.getLogger("fuseboard")
    before = ours.level
    try:
        with LogBuffer().capture():
            ours.setLevel(logging.ERROR)
        assert ours.level == logging.ERROR
    finally:
        ours.setLevel(before)


def test_what_is_logged_wrongly_is_kept_and_harms_nobody() -> None:
    book = LogBuffer()
    logger = logging.getLogger("elsewhere")
    with book.capture(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(logger, "propagate", False)
        logger.addHandler(book)
        logger.warning("%d items", "many")
        logger.removeHandler(book)
    (line,) = book.lines()
    assert line.words.startswith("'%d items' cannot be written: %d format")
