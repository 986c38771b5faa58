"""Commands write into their output folder and into caches that `doctor` names, and nowhere else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

WORDS = [
    ["--help"],
    ["designs"],
    ["designs", "sasa/paper"],
    ["new", "mine.py"],
    ["check", "mine.py:MySAE"],
    ["verify", "--list"],
    ["verify", "--claim", "C4", "--jobs", "1", "--out", "out"],
    ["notebooks"],
    ["real", "presets"],
    ["doctor"],
]


def test_nothing_is_left_but_what_was_asked_for(tmp_path):
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    passed_on = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SASA_", "XDG_"))}
    environment = {**passed_on, "HOME": str(home)}
    code = f"""
from typer.testing import CliRunner
from sasa_theory.cli import app
if __name__ == "__main__":  # workers import this again
    for words in {WORDS!r}:
        result = CliRunner().invoke(app, words)
        assert result.exit_code == (2 if words == ["notebooks"] else 0), result.output  # there are none here
    print(CliRunner().invoke(app, ["doctor", "--json"]).output)
"""
    script = tmp_path / "script.py"
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, script], cwd=here, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(path.name for path in here.iterdir()) == ["mine.py", "out"]
    named = [Path(folder["path"]) for folder in json.loads(done.stdout)["caches"]]
    left = [path for path in home.rglob("*") if path.is_file()]
    assert [path for path in left if not any(path.is_relative_to(folder) for folder in named)] == []
