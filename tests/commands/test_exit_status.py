"""Exit statuses that every command shares: Ctrl-C wherever it comes, and mistakes of ours."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from sasa_theory.cli import app

INTERRUPTED = """
from torch import nn


class Interrupted(nn.Module):
    def __init__(self, width, columns):
        raise KeyboardInterrupt
"""


@pytest.mark.parametrize("command", ["check", "bench"])
def test_ctrl_c_before_anything_is_run_is_130(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "slow.py").write_text(INTERRUPTED)
    result = CliRunner().invoke(app, [command, "slow.py:Interrupted"])
    assert result.exit_code == 130, result.output


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (["designs"], "sasa_theory.designs.presets"),
        (["new", "mine.py"], "sasa_theory.benchmark.template.write_template"),
        (["doctor"], "sasa_theory.doctor.examination.examine"),
        (["verify", "--list"], "sasa_theory.report.verdicts.claim_list"),
        (["real", "presets"], "real_models.presets.real_presets"),
    ],
)
def test_ctrl_c_is_130_in_quick_commands_too(words, place, tmp_path, monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(place, interrupted)
    assert CliRunner().invoke(app, words).exit_code == 130
    assert not list(tmp_path.iterdir())


def test_a_mistake_of_ours_is_3_and_shown(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "from sasa_theory.report import design_list\n"
        "def broken(*args, **kwargs):\n"
        "    raise ZeroDivisionError('on purpose')\n"
        "design_list.design_table = broken\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "sasa_theory", "designs"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "ZeroDivisionError: on purpose" in done.stderr


def test_an_unknown_command_is_2_and_the_nearest_is_named():
    result = CliRunner().invoke(app, ["verfy"])
    assert result.exit_code == 2
    assert "verify" in result.output
