"""Reading questions from a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuseboard.traffic.questions import read_questions


def test_questions_are_read_one_per_line(tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_bytes("\ufeffone\n\n  two \r\nth\u2028r\u0085ee".encode())
    assert read_questions(str(file)) == ("one", "two", "th\u2028r\u0085ee")


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file"), (b"\n \n", "no prompts"), (b"\xff\xfe", "UTF-8")],
)
def test_files_without_questions_are_refused(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    file = tmp_path / "prompts.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_questions(str(file))
