"""The Tab key: every name that a command takes, and no waiting for PyTorch."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import get_args

import pytest

from sasa_theory.benchmark.budgets import Match
from sasa_theory.benchmark.suite_command import SUITES
from sasa_theory.benchmark.suite_parts import Scale
from sasa_theory.benchmark.suites import TIERS
from sasa_theory.claims import CLAIMS, trained_claims
from sasa_theory.commands import completion
from sasa_theory.designs import presets


@pytest.mark.parametrize(
    ("offered", "names"),
    [
        (completion.claim_ids, {**CLAIMS, **trained_claims()}),
        (completion.design_names, presets()),
        (completion.tier_names, TIERS),
        (completion.suite_names, SUITES),
        (completion.matches, get_args(Match)),
        (completion.scales, get_args(Scale)),
    ],
)
def test_offered_are_the_names_that_there_are(offered, names):
    assert offered("") == sorted(names)
    first = sorted(names)[0]
    assert first in offered(first[:1])
    assert offered("?") == []


def test_notebooks_are_offered_where_they_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert completion.notebook_names("") == []
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "01_a.ipynb").touch()
    assert completion.notebook_names("0") == ["01_a"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("sasa-theory verify --claim C", ["C1", "C2", "C3", "C4", "C5"]),
        ("sasa-theory verify --explain T8", ["T8"]),
        ("sasa-theory designs topk/si", ["topk/signed"]),
        ("sasa-theory bench --tier sta", ["standard"]),
        ("sasa-theory bench mine.py:SAE --against sasa/pa", ["sasa/paper"]),
        ("sasa-theory doc", ["doctor"]),
    ],
)
def test_a_shell_is_answered_without_torch(words, expected):
    code = "import sys; from sasa_theory.cli import main\ntry: main()\nfinally: print('torch' in sys.modules)"
    environment = {
        **os.environ,
        "_SASA_THEORY_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    command = [sys.executable, "-c", f"import sys; sys.argv[0] = 'sasa-theory'\n{code}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.split() == [*expected, "False"], done.stderr


def test_completion_can_be_shown():
    command = [sys.executable, "-m", "sasa_theory", "--show-completion", "bash"]
    environment = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "COMPREPLY" in done.stdout
