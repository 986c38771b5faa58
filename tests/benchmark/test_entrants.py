"""Designs that take part: by name, from a file, the truth; all at the size that was matched, none knowing the world."""

from __future__ import annotations

import pytest
import torch

from sasa_theory.benchmark import Size
from sasa_theory.benchmark.entrants import entrant
from sasa_theory.designs import presets
from sasa_theory.designs.config import GroupConfig
from synthetic import World

from . import micro

WRITTEN = '''
import torch
from torch import nn

class Pairs(nn.Module):
    """Units of two columns."""
    def __init__(self, width, columns, active, sparsity=0.0):
        super().__init__()
        self.rows = nn.Parameter(torch.randn(columns, width))
        self.active, self.sparsity = active, sparsity
    def encode(self, x):
        return x @ self.rows.T
    def decode(self, codes):
        return codes @ self.rows
    def units(self):
        return torch.arange(len(self.rows)) // 2
'''


@pytest.fixture(scope="module")
def world():
    return World.build(micro.CONFIG, 0)


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(WRITTEN)
    return path


@pytest.mark.parametrize("name", sorted(presets()))
@pytest.mark.parametrize("match", ["columns", "units"])
def test_every_named_design_gets_the_size_that_was_matched(name, match, world):
    target = Size(6, 3, 1)
    entered = entrant(name)
    size = entered.size(target, match, world.width)
    design = entered.build(world, size, 0, 1.0)
    assert (design.columns, design.n_units) == (size.columns, size.units)
    assert size.rank == (3 if issubclass(presets()[name].config, GroupConfig) else 1)
    assert size.columns == 18 if match == "columns" else size.units == 6
    config = vars(design.config)
    for field in {"k", "active"} & config.keys():
        assert config[field] == size.active


def test_the_coefficient_follows_its_factor(world):
    size = Size(6, 3, 1)
    for name, field in (("sasa/paper", "penalty_coefficient"), ("relu", "sparsity")):
        entered = entrant(name)
        assert entered.coefficient == field
        low, high = (vars(entered.build(world, size, 0, factor).config)[field] for factor in (1.0, 3.0))
        assert high == pytest.approx(3 * low)
    assert entrant("topk").coefficient is None
    assert entrant("sasa/no_nuclear").coefficient is None


def test_a_class_in_a_file_tells_the_rank_of_its_units(written, world):
    entered = entrant(f"{written}:Pairs")
    assert entered.label == "mine.py:Pairs"
    assert entered.size(Size(6, 3, 2), "columns", world.width) == Size(9, 2, 3)
    assert entered.size(Size(6, 3, 2), "units", world.width) == Size(6, 2, 2)
    design = entered.build(world, Size(9, 2, 3), 0, 2.0)
    module = design.module
    assert (design.columns, design.n_units, module.active) == (18, 9, 6)
    assert module.sparsity > 0


def test_a_changed_file_is_another_design(written):
    before = entrant(f"{written}:Pairs").identity()
    assert entrant(f"{written}:Pairs").identity() == before
    written.write_text(WRITTEN + "# changed\n")
    assert entrant(f"{written}:Pairs").identity() != before


def test_the_truth_reconstructs_everything(world):
    entered = entrant("oracle")
    design = entered.build(world, Size(6, 3, 1), 0, None)
    x = world.sample(50, torch.Generator().manual_seed(3)).x
    torch.testing.assert_close(design(x), x, atol=1e-5, rtol=0)
    assert not entered.trains


def test_an_unknown_design_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'sasa/paper'"):
        entrant("sasa/papr")
