"""Exports, screenshots, and the clipboard."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import pytest
from textual.pilot import Pilot

from fuseboard.breaker.state import State
from fuseboard.snapshot.codec import decode
from fuseboard.snapshot.csv_export import breakers_table, transitions_table
from fuseboard.snapshot.snapshot import Snapshot
from fuseboard_tui.app import FuseboardApp
from fuseboard_tui.board.export import write_new_files
from tests.core.clock import ManualClock
from tests.tui.fake_source import HALF_OPEN, OPEN, FakeSource, breaker, running_snapshot, transition

EVENING = datetime(2026, 9, 21, 20, 15, 30)  # noqa: DTZ001 (local time is what names files)


def rows(table: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table, newline="")))


def test_a_row_for_each_breaker() -> None:
    first, second = rows(breakers_table(running_snapshot(OPEN)))
    assert first["breaker"] == "ollama_generate"
    assert (first["state"], first["success"], first["rejected"]) == ("OPEN", "1204", "210")
    assert first["changed_at"] == "2026-09-21T14:13:16.800000+00:00"
    assert first["why"] == OPEN.why
    assert (second["breaker"], second["success"]) == ("ollama_embed", "0")


def test_a_row_for_each_transition() -> None:
    table = rows(transitions_table(running_snapshot(OPEN, HALF_OPEN)))
    assert len(table) == len(OPEN.history) + len(HALF_OPEN.history)
    assert table[0] == {
        "breaker": "ollama_generate",
        "at": "2026-09-21T14:11:45+00:00",
        "from": "CLOSED",
        "to": "OPEN",
        "reason": "5 consecutive failures: 5× connect refused",
        "causes": "1× HTTP 500",
    }


def test_no_text_becomes_a_formula_or_another_row() -> None:
    evil = '=HYPERLINK("http://x")\r\n,+1'
    snapshot = running_snapshot(
        breaker(evil, why=evil, history=(transition(1, State.CLOSED, State.OPEN, evil),))
    )
    assert rows(breakers_table(snapshot))[0]["why"] == f"'{evil}"
    assert rows(transitions_table(snapshot))[0]["reason"] == f"'{evil}"


def test_files_are_named_by_the_time_and_never_overwritten(tmp_path: Path) -> None:
    contents = {".json": "{}", "-a.csv": "1\r\n"}
    first = write_new_files(tmp_path, contents, EVENING)
    assert [path.name for path in first] == [
        "fuseboard-20260921-201530.json",
        "fuseboard-20260921-201530-a.csv",
    ]
    assert first[1].read_bytes() == b"1\r\n"
    second = write_new_files(tmp_path, contents, EVENING)
    assert [path.name for path in second] == [
        "fuseboard-20260921-201530-2.json",
        "fuseboard-20260921-201530-2-a.csv",
    ]
    assert len(list(tmp_path.iterdir())) == 4


def test_all_files_are_written_or_none(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file") as failure:
        write_new_files(tmp_path, {".json": "{}", "/no/such.csv": ""}, EVENING)
    assert failure.value.filename == f"{tmp_path}/fuseboard-20260921-201530/no/such.csv"
    assert list(tmp_path.iterdir()) == []


@asynccontextmanager
async def board_in(
    directory: Path, snapshot: Snapshot
) -> AsyncIterator[tuple[FuseboardApp, Pilot[str]]]:
    app = FuseboardApp(FakeSource(snapshot), directory=directory, clock=ManualClock())
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        yield app, pilot


def by_ending(directory: Path) -> dict[str, Path]:
    """Find the files there by what stands behind the time in their names."""
    stem = len("fuseboard-20260921-201530")
    return {path.name[stem:]: path for path in directory.iterdir()}


def notification(app: FuseboardApp) -> str:
    (note,) = app._notifications
    return note.message


async def test_e_exports_what_is_shown(tmp_path: Path) -> None:
    async with board_in(tmp_path, running_snapshot(OPEN)) as (app, pilot):
        await pilot.press("e")
        await pilot.pause()
        files = by_ending(tmp_path)
        assert set(files) == {".json", "-breakers.csv", "-transitions.csv"}
        assert notification(app).startswith(f"wrote {files['.json']}, ")
        for path in files.values():
            assert path.name in notification(app)
    assert decode(files[".json"].read_text()) == running_snapshot(OPEN)
    with files["-breakers.csv"].open(newline="") as file:
        assert file.read() == breakers_table(running_snapshot(OPEN))
    with files["-transitions.csv"].open(newline="") as file:
        assert file.read() == transitions_table(running_snapshot(OPEN))


async def test_x_writes_a_screenshot(tmp_path: Path) -> None:
    async with board_in(tmp_path, running_snapshot(OPEN)) as (app, pilot):
        await pilot.press("x")
        await pilot.pause()
        (path,) = by_ending(tmp_path).values()
        assert notification(app) == f"wrote {path}"
        assert path.suffix == ".svg"
        assert path.read_text().startswith("<svg")


@pytest.mark.parametrize("key", ["e", "x"])
async def test_a_missing_directory_is_notified(tmp_path: Path, key: str) -> None:
    async with board_in(tmp_path / "no", running_snapshot(OPEN)) as (app, pilot):
        await pilot.press(key)
        await pilot.pause()
        assert notification(app).startswith(f"cannot write {tmp_path}/no/fuseboard-")
        assert notification(app).endswith(": No such file or directory")
        assert app.is_running


async def test_y_copies_the_breaker_and_its_newest_transition(tmp_path: Path) -> None:
    async with board_in(tmp_path, running_snapshot(OPEN)) as (app, pilot):
        await pilot.press("y")
        assert app.clipboard == (
            "ollama_generate: OPEN for 3.2 s, 5 consecutive failures: 3× no first token within 5 s,"
            " 2× HTTP 500; success 1204, failure 42, rejected 210, ignored 2\n"
            "2026-09-21 14:13:16 UTC: CLOSED → OPEN, 5 consecutive failures:"
            " 3× no first token within 5 s, 2× HTTP 500"
        )
        assert notification(app) == "copied ollama_generate"


async def test_y_copies_the_transition_that_was_moved_to(tmp_path: Path) -> None:
    transitions = tuple(
        transition(1000 - n, State.CLOSED, State.OPEN, f"trip number {n}") for n in range(60)
    )
    async with board_in(tmp_path, running_snapshot(breaker(history=transitions))) as (app, pilot):
        await pilot.press("pagedown", "y")
        assert app.clipboard.endswith("trip number 54")


async def test_what_is_copied_has_no_control_characters(tmp_path: Path) -> None:
    evil = "x\x1b]0;pwned\x07\nrm -rf ~"
    snapshot = running_snapshot(
        breaker(evil, why=evil, history=(transition(1, State.CLOSED, State.OPEN, evil),))
    )
    async with board_in(tmp_path, snapshot) as (app, pilot):
        await pilot.press("y")
        assert len(app.clipboard.split("\n")) == 2
        assert not set("\x1b\x07") & set(app.clipboard)


async def test_the_palette_offers_the_exports(tmp_path: Path) -> None:
    async with board_in(tmp_path, running_snapshot(OPEN)) as (app, _):
        commands = {command.title for command in app.get_system_commands(app.screen)}
        assert {"Export", "Picture", "Copy"} <= commands
        assert "Screenshot" not in commands


async def test_the_palette_is_not_in_the_screenshot(tmp_path: Path) -> None:
    async with board_in(tmp_path, running_snapshot(OPEN)) as (app, pilot):
        await pilot.press("ctrl+p", *"picture")
        await app.workers.wait_for_complete()
        await pilot.pause()
        await pilot.press("enter")
        await pilot.pause()
        await pilot.pause()
        (path,) = by_ending(tmp_path).values()
        svg = path.read_text()
        assert "ollama_generate" in svg
        assert "write&#160;a&#160;screenshot" not in svg
