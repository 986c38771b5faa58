"""Designs that take part: by name, from a file, the truth; all at the size that was matched, none knowing the world."""

from __future__ import annotations

import hashlib
import sys

import pytest
import torch

from sasa_theory.benchmark import Size
from sasa_theory.benchmark.entrants import entrant
from sasa_theory.designs import presets
from sasa_theory.designs.config import GroupConfig
from sasa_theory.metrics import judge
from synthetic import World, preset

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


FIXED = """
class Fixed(Pairs):
    def __init__(self, width):
        super().__init__(width, {columns}, 4)
    def units(self):
        return torch.arange(len(self.rows)) // {rank}
"""


@pytest.mark.parametrize(
    ("columns", "rank", "match"),
    [(480, 2, "columns"), (480, 480, "columns"), (480, 480, "bits"), (6, 1, "columns"), (480, 1, "units")],
)
def test_a_class_that_makes_any_size_it_likes_is_refused(written, world, columns, rank, match):
    written.write_text(WRITTEN + FIXED.format(columns=columns, rank=rank))
    entered = entrant(f"{written}:Fixed")
    with pytest.raises(ValueError, match=rf"mine.py:Fixed has {columns} columns .* columns were matched"):
        entered.size(Size(6, 3, 2), match, world.width)


def test_a_class_is_refused_that_makes_another_size_only_when_it_is_built(written, world):
    written.write_text(WRITTEN + FIXED.format(columns=480, rank=1))
    with pytest.raises(ValueError, match=r"has 480 columns in 480 units where 18 columns were matched"):
        entrant(f"{written}:Fixed").build(world, Size(9, 2, 3), 0, None)


def test_a_class_may_round_to_whole_units(written, world):
    rounding = """
class Fours(Pairs):
    def __init__(self, width, columns, active):
        super().__init__(width, columns // 4 * 4, active)
    def units(self):
        return torch.arange(len(self.rows)) // 4
"""
    written.write_text(WRITTEN + rounding)
    entered = entrant(f"{written}:Fours")
    size = entered.size(Size(6, 3, 2), "columns", world.width)
    assert size == Size(4, 4, 2)  # 16 columns for 18
    assert entered.build(world, size, 0, None).columns == 16


def test_a_class_may_need_a_sparsity(written, world):
    written.write_text(WRITTEN.replace("sparsity=0.0", "sparsity"))
    entered = entrant(f"{written}:Pairs")
    assert entered.coefficient == "sparsity"
    assert entered.size(Size(6, 3, 2), "columns", world.width) == Size(9, 2, 3)
    one, three = (entered.build(world, Size(9, 2, 3), 0, factor).module.sparsity for factor in (1.0, 3.0))
    assert three == pytest.approx(3 * one)


def test_a_partial_of_a_class_takes_part(written, world):
    written.write_text(WRITTEN + "from functools import partial\nDense = partial(Pairs, sparsity=0.5)\n")
    entered = entrant(f"{written}:Dense")
    size = entered.size(Size(6, 3, 2), "columns", world.width)
    assert entered.build(world, size, 0, None).columns == 18
    assert entered.identity() == entrant(f"{written}:Dense").identity()


def test_a_partial_belongs_to_the_file_of_its_class(tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "pairs_dense", raising=False)
    base = tmp_path / "pairs_dense.py"
    base.write_text(WRITTEN + "from functools import partial\nDense = partial(Pairs, sparsity=0.5)\n")
    (tmp_path / "mine.py").write_text("from pairs_dense import Dense\n")
    before = entrant(f"{tmp_path}/mine.py:Dense").identity()
    base.write_text(base.read_text() + "# changed\n")
    assert entrant(f"{tmp_path}/mine.py:Dense").identity() != before
    sys.modules.pop("pairs_dense")


def test_what_a_file_imports_belongs_to_the_design(tmp_path, monkeypatch):
    for name in ("pairs_base", "pairs_sizes"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    (tmp_path / "pairs_sizes.py").write_text("RANK = 2\n")
    (tmp_path / "pairs_base.py").write_text(f"import pairs_sizes\n{WRITTEN}")
    path = tmp_path / "mine.py"
    path.write_text("from pairs_base import Pairs\nclass Mine(Pairs):\n    pass\n")
    seen = [entrant(f"{path}:Mine").identity()["source"]]
    assert entrant(f"{path}:Mine").identity()["source"] == seen[0]
    for name in ("mine", "pairs_base", "pairs_sizes"):
        with (tmp_path / f"{name}.py").open("a") as file:
            file.write("# changed\n")
        seen.append(entrant(f"{path}:Mine").identity()["source"])
    assert len(set(seen)) == 4
    for name in ("pairs_base", "pairs_sizes"):
        sys.modules.pop(name)


def test_a_file_that_imports_only_what_is_installed_is_its_own_digest(written):
    written.write_text(WRITTEN + "import numpy, os, sasa_theory, synthetic\nfrom sasa_theory import designs\n")
    expected = hashlib.sha256(written.read_bytes()).hexdigest()
    assert entrant(f"{written}:Pairs").identity() == {"name": "mine.py:Pairs", "source": expected}


def test_a_file_without_a_class_is_told_how_to_give_one(world):
    with pytest.raises(ValueError, match=r"give mine\.py:Class"):
        entrant("mine.py").size(Size(6, 3, 2), "columns", world.width)


def test_the_truth_reconstructs_everything(world):
    entered = entrant("oracle")
    design = entered.build(world, Size(6, 3, 1), 0, None)
    x = world.sample(50, torch.Generator().manual_seed(3)).x
    torch.testing.assert_close(design(x), x, atol=1e-5, rtol=0)
    assert not entered.trains


def test_the_truth_is_the_one_that_scores_are_compared_with():
    families = World.build(preset("absorption", "small"), 0)
    design = entrant("oracle").build(families, Size(6, 3, 2), 0, None)
    names = ["support_f1", "exact_support", "ev"]
    for score in judge(design, families, rows=2000, seed=1, only=names).values():
        assert score.value == pytest.approx(score.oracle, abs=1e-3)
        assert score.value > 0.999


def test_an_unknown_design_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'sasa/paper'"):
        entrant("sasa/papr")
