"""Words of ``sasa-theory real``, said as in a terminal, shared by tests."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from sasa_theory.cli import app

SIZES = ["--set", "groups=10", "--set", "rank=3", "--set", "active=2", "--recipe", "warmup=2", "--harvest", "length=16"]
SHORT = ["--harvest", "buffer=8", "--harvest", "sequences=4", "--tokens", "640", "--batch", "32"]


def real(*words: object) -> tuple[int, str]:
    """Exit status and what was said, on one line."""
    result = CliRunner().invoke(app, ["real", *map(str, words)], env={"COLUMNS": "400", "NO_COLOR": "1"})
    return result.exit_code, " ".join(result.output.replace("│", " ").split())


def common(model: Path, text: Path) -> list[object]:
    return ["--model", model, "--site", "1.resid_post", "--corpus", text]
