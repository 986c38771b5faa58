"""Metric, observation and judge: what a metric states, what is looked at, what is refused."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib import import_module

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sasa_theory import designs
from sasa_theory.metrics import METRICS, Metric, Observation, Reading, judge, observe
from sasa_theory.metrics.judge import NULLS, random_like, true_subspaces
from sasa_theory.metrics.rows import Rows
from sasa_theory.metrics.units import Units
from synthetic import World, preset

from . import dictionaries
from .dictionaries import DIMS, WIDTH, Fixed


@cache
def noisy() -> World:
    return dictionaries.world(noise=0.1)


def dearest(observation: Observation) -> Reading:
    """Largest ``||x||``
    over the rows.
    """
    return Reading(float(max(block.x.norm(dim=1).max() for block in observation.rows)))


def test_a_metric_is_defined_by_its_function() -> None:
    metric = Metric(name="dearest", title="dearest", unit="norm", direction="lower", version=1, measure=dearest)
    assert metric.definition == "Largest ``||x||``\nover the rows."
    known = dictionaries.world()
    assert metric.measure(observe(dictionaries.perfect(known), known, 50)).value > 0


def test_a_floor_stands_beside_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    limited = Metric(
        name="dearest", title="x", unit="norm", direction="lower", version=1, measure=dearest, floor=lambda _: 0.5
    )
    module = import_module("sasa_theory.metrics.judge")  # the package exports the function of this name
    monkeypatch.setattr(module, "METRICS", {"dearest": limited, "ev": METRICS["ev"]})
    known = dictionaries.world()
    scores = judge(dictionaries.perfect(known), known, rows=50, calibrate=False)
    assert (scores["dearest"].floor, scores["ev"].floor) == (0.5, None)


def test_judge_measures_what_is_asked_for_beside_chance_and_truth() -> None:
    known = dictionaries.world()
    scores = judge(dictionaries.split(known), known, rows=400, only=["recovery", "ev"])
    assert list(scores) == ["recovery", "ev"]
    recovery = scores["recovery"]
    assert recovery.metric is METRICS["recovery"]
    assert recovery.oracle == pytest.approx(1)
    assert recovery.value == pytest.approx(float(recovery.each.mean()))
    low, high = recovery.null
    assert 0 < low < high < recovery.value < recovery.oracle


def test_without_calibration_there_is_neither_null_nor_oracle() -> None:
    known = dictionaries.world()
    score = judge(dictionaries.split(known), known, rows=100, only=["ev"], calibrate=False)["ev"]
    assert (score.null, score.oracle) == (None, None)


def test_the_same_seed_gives_the_same_scores() -> None:
    known = dictionaries.world(noise=0.1)
    design = dictionaries.merged(known)
    first, again, other = (judge(design, known, rows=200, seed=s, only=["ev", "recovery"]) for s in (4, 4, 5))
    assert [(s.value, s.null, s.oracle) for s in first.values()] == [
        (s.value, s.null, s.oracle) for s in again.values()
    ]
    assert first["ev"].value != other["ev"].value
    assert first["ev"].null != other["ev"].null


def test_a_misspelt_metric_is_answered_with_the_nearest() -> None:
    known = dictionaries.world()
    with pytest.raises(ValueError, match="did you mean 'recovery'"):
        judge(dictionaries.perfect(known), known, only=["recovry"])


def test_widths_must_agree() -> None:
    known = dictionaries.world()
    with pytest.raises(ValueError, match="one width, got 7 and 16"):
        observe(designs.get("topk", width=7, atoms=8, k=2, seed=0), known)


class Curved(Fixed):
    """A decoder that is not affine."""

    def decode(self, codes: Tensor) -> Tensor:
        return super().decode(codes.sinh())


def test_a_decoder_that_is_not_affine_is_refused() -> None:
    known = dictionaries.world()
    with pytest.raises(ValueError, match="decode of Curved must be affine"):
        judge(Curved(dictionaries.truth(known), 2), known)


def test_judging_leaves_no_trace_in_the_design() -> None:
    known = dictionaries.world()
    design = designs.get("batch-topk", width=WIDTH, atoms=12, k=3, seed=0)
    design.train()
    before = {name: tensor.clone() for name, tensor in design.state_dict().items()}
    judge(design, known, rows=200)
    assert design.training
    assert all(torch.equal(before[name], tensor) for name, tensor in design.state_dict().items())
    assert all(p.grad is None for p in design.parameters())


@given(seed=st.integers(0, 2**16), n=st.integers(1, 40), block=st.integers(4, 25))
def test_every_pass_sees_the_same_rows_with_whatever_truth(seed: int, n: int, block: int) -> None:
    rows = Rows(noisy(), n, seed, block)
    first, second = (torch.cat([b.x for b in rows]) for _ in range(2))
    with_slices = torch.cat([b.x for b in rows.blocks("contributions")])
    assert len(first) == n
    assert torch.equal(first, second)
    assert torch.equal(first, with_slices)
    assert max(len(b.x) for b in rows) <= block


@pytest.mark.parametrize("wrong", [{"count": 0}, {"count": 2.5}, {"count": 5, "block": 0}])
def test_rows_come_in_whole_numbers(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"must be (a whole number )?in \[1, "):
        Rows(dictionaries.world(), **wrong)


@given(seed=st.integers(0, 2**32 - 1))
def test_units_decode_to_what_the_design_decodes_to(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    of = torch.cat((torch.arange(3), torch.randint(0, 3, (4,), generator=generator)))
    design = Scattered(of[torch.randperm(7, generator=generator)], torch.randn(8, 5, generator=generator))
    units = Units.of(design)
    codes = torch.randn(6, 7, generator=generator)
    contributions = torch.einsum("nkr,krw->nkw", units.blocks(codes), units.decoder)
    assert torch.allclose(contributions.sum(dim=1) + units.offset, design.decode(codes), atol=1e-5)
    for k in range(3):
        mine = codes * (design.units() == k)
        assert torch.allclose(contributions[:, k] + units.offset, design.decode(mine), atol=1e-5)
    assert units.sizes.tolist() == torch.bincount(design.units()).tolist()


class Scattered(designs.Design):
    """Columns that belong to units in any order, and an offset."""

    def __init__(self, of: Tensor, rows: Tensor) -> None:
        super().__init__(rows.shape[1], len(of))
        self.of, self.rows = of, rows

    def units(self) -> Tensor:
        return self.of

    def encode(self, x: Tensor) -> Tensor:
        return x @ self.rows[:-1].mT

    def decode(self, codes: Tensor) -> Tensor:
        return codes @ self.rows[:-1] + self.rows[-1]


@given(seed=st.integers(0, 2**32 - 1), block=st.integers(5, 60))
def test_moments_and_energies_of_the_crowd_are_means_over_its_rows(seed: int, block: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    design = Fixed([torch.randn(r, WIDTH, generator=generator) for r in (1, 3, 2)], 2)
    observation = replace(observe(design, noisy(), 60), rows=Rows(noisy(), 60, seed, block))
    crowd, units = observation.crowd, observation.units
    codes = design.encode(torch.cat([b.x for b in observation.rows]))
    present = torch.cat([b.truth.dense() for b in observation.rows])
    blocks = units.blocks(codes)
    second = torch.einsum("nkr,nks->krs", blocks, blocks).double() / 60
    assert torch.allclose(crowd.second, second, rtol=1e-4, atol=1e-5)
    assert crowd.column_firings.tolist() == (codes != 0).sum(dim=0).tolist()
    contributions = torch.einsum("nkr,krw->nkw", blocks, units.decoder)
    for i, basis in enumerate(observation.bases):
        energy = (contributions @ basis.mT).square().sum(dim=2)[present[:, i]].sum(dim=0) / max(1, present[:, i].sum())
        assert torch.allclose(crowd.energy[i], energy.double(), rtol=1e-4, atol=1e-5)


def test_random_dictionaries_have_the_shape_of_the_design() -> None:
    known = dictionaries.world()
    groups = random_like(observe(dictionaries.perfect(known), known, 200))
    assert len(groups) == NULLS
    assert {(g.n_units, g.columns) for g in groups} == {(6, 6 * max(DIMS))}
    atoms = random_like(observe(designs.get("topk", width=WIDTH, atoms=20, k=3, seed=0), known, 200))
    assert {(a.n_units, a.columns) for a in atoms} == {(20, 20)}
    assert len({float(a.decode(torch.ones(1, 20)).norm()) for a in atoms}) == NULLS
    signed = random_like(observe(dictionaries.split(known), known, 200))
    assert all((random.encode(torch.randn(50, WIDTH)) < 0).any() for random in signed)


def test_the_oracle_is_the_truth_around_the_worlds_bias() -> None:
    world = World.build(preset("theorem", "small", width=40, bias=2.0), seed=2)
    assert world.bias.norm() > 1
    oracle = true_subspaces(observe(designs.get("topk", width=40, atoms=64, k=3, seed=0), world, 300))
    assert torch.allclose(oracle.decode(torch.zeros(1, oracle.columns))[0], world.bias, atol=1e-6)
    bases = [world.basis(i) for i in range(world.config.size)]
    assert torch.bincount(oracle.units()).tolist() == [len(basis) for basis in bases]
