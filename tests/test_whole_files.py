"""Files that are there whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from sasa_theory.whole_files import atomically, write_text


def test_a_file_is_replaced(tmp_path):
    for text in ("one\n", "µ\n"):
        write_text(tmp_path / "a.txt", text)
        assert (tmp_path / "a.txt").read_text(encoding="utf-8") == text
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_what_fails_half_way_leaves_the_old_file_and_nothing_else(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    seen = []

    def write(path: Path) -> None:
        path.write_text("half")
        seen.append(path.name)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        atomically(tmp_path / "a.txt", write, "writing-")
    assert seen == ["writing-a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
