"""`sasa-theory check` as a user meets it: the grid, a planted mistake, exemptions, what cannot be checked."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from sasa_theory.cli import app
from sasa_theory.testing import CHECKS

SOURCE = """
import torch
from torch import nn


class Right(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.width = width
        self.inward, self.outward = nn.Linear(width, 24), nn.Linear(24, width)

    def encode(self, x):
        return self.inward(x).relu()

    def decode(self, codes):
        return self.outward(codes)


class Sized(Right):
    def __init__(self, width, columns, active):
        super().__init__(width)
        assert columns % 4 == active % 4 == 0


class Sparse(Right):
    def __init__(self, width, sparsity):
        super().__init__(width)
        assert sparsity > 0


class Forgetful(Right):
    def forward(self, x):
        return self.encode(x) @ self.outward.weight.T


class Blind(Right):
    def encode(self, x):
        return torch.nan_to_num(super().encode(x))


class Raising(Right):
    def __init__(self, width):
        super().__init__(width)
        raise OSError("weights not found")
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    file = tmp_path_factory.mktemp("designs") / "my_design.py"
    file.write_text(SOURCE)
    return file


def shown(*arguments: str, code: int) -> str:
    result = CliRunner().invoke(app, ["check", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return " ".join(result.output.replace("│", " ").split())


def test_a_design_that_conforms_is_exit_status_0_with_a_row_for_every_check(path):
    output = shown(f"{path}:Right", code=0)
    assert all(f" {name} " in output for name in CHECKS)
    assert "Right: " in output
    assert "failed" not in output


def test_a_class_may_ask_for_columns_and_active_columns(path):
    assert "Sized: " in shown(f"{path}:Sized", code=0)


def test_a_class_may_need_a_sparsity(path):
    assert "Sparse: " in shown(f"{path}:Sparse", code=0)


@pytest.mark.parametrize("name", ["sasa/paper", "softsae"])
def test_shipped_designs_are_checked_by_name(name):
    output = shown(name, "--width", 6, code=0)
    assert ("1 expected" in output) == (name == "softsae")


def test_a_planted_mistake_is_exit_status_1_and_named_with_its_remedy(path):
    output = shown(f"{path}:Blind", code=1)
    assert "nan_shown failed" in output
    assert "Wrong: with nan in row 0, forward(x) of that row is finite" in output
    assert "Shown by: 1 row: 0 0 0" in output
    assert "Mend: drop nan_to_num" in output


def test_an_exemption_makes_it_exit_status_0_and_a_stale_one_1(path):
    output = shown(f"{path}:Forgetful", "--expect", "forward_decodes_codes=on purpose = really", code=0)
    assert "forward_decodes_codes expected" in output
    assert "on purpose = really" in output
    output = shown(f"{path}:Right", "--expect", "nan_shown=on purpose", code=1)
    assert "nan_shown stale" in output
    assert "this exemption can go: on purpose" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sasa/papr"], "did you mean 'sasa/paper'"),
        (["{path}:Rigth"], "did you mean 'Right'"),
        (["{path}:Raising"], '(raise OSError("weights not found")): OSError: weights not found'),
        (["{path}:Right", "--expect", "nan_shown"], "must be CHECK=REASON, got 'nan_shown'"),
        (["{path}:Right", "--expect", "nan_show=x"], "Invalid value for --expect: check must be one of"),
        (["{path}:Right", "--expect", "nan_show=x"], "did you mean 'nan_shown'"),
        (["my_design.py"], "got 'my_design.py'; give my_design.py:Class"),
        (["sasa/paper", "--width", "2"], "3"),
    ],
)
def test_what_cannot_be_checked_is_exit_status_2(path, arguments, message):
    output = shown(*(argument.format(path=path) for argument in arguments), code=2)
    assert "".join(message.split()) in "".join(output.split())
