from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory.designs import Design
from sasa_theory.metrics import METRICS, observe
from sasa_theory.metrics.absorption import absorbed, by_unit, families
from sasa_theory.metrics.crowd import Pattern
from synthetic import Truth, World, preset

from . import dictionaries

ROWS = 3000
ROOTS, CHILDREN = 4, 3
UNUSED = 2  # columns of each unit that code nothing


@cache
def known() -> World:
    """Four parents of three exclusive children each, all orthogonal, magnitudes 1."""
    return World.build(preset("absorption", "small"), seed=0)


class Family(Design):
    """A unit a feature, with ``UNUSED`` more columns; the first column decodes the feature.

    With ``share``, a child's unit also decodes this much of its parent, whose own unit is then silent. Each unit's code
    is turned by ``turn``, and its decoder with it.
    """

    def __init__(self, share: float = 0.0, turn: torch.Tensor | None = None, silent: bool = True) -> None:
        features, width = known().config.size, known().width
        rank = 1 + UNUSED
        super().__init__(width, features * rank)
        self.register_buffer("turn", torch.eye(rank) if turn is None else turn)
        bases = torch.cat([known().basis(i) for i in range(features)])
        self.register_buffer("bases", bases)
        self.parent = torch.tensor([-1] * ROOTS + [(c - ROOTS) // CHILDREN for c in range(ROOTS, features)])
        taken = share * bases[self.parent] * (self.parent >= 0).unsqueeze(1)
        blocks = torch.zeros(features, rank, width)
        blocks[:, 0] = bases + taken
        blocks[:, 1:] = 0.05 * dictionaries.orthogonal(width, torch.Generator().manual_seed(1))[:UNUSED]
        self.register_buffer("decoder", (self.turn @ blocks).flatten(0, 1))
        self.silenced = bool(share) and silent

    bases: torch.Tensor
    decoder: torch.Tensor
    turn: torch.Tensor

    def units(self) -> torch.Tensor:
        return torch.arange(self.columns) // (1 + UNUSED)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        found = (x @ self.bases.T) * ((x @ self.bases.T) > 0.5)
        if self.silenced:
            children = self.parent >= 0
            heard = torch.zeros(len(x), ROOTS).index_add(1, self.parent[children], (found[:, children] > 0).float())
            found = torch.cat((found[:, :ROOTS] * (heard == 0), found[:, ROOTS:]), dim=1)
        blocks = torch.zeros(len(x), found.shape[1], 1 + UNUSED)
        blocks[:, :, 0] = found
        return (blocks @ self.turn.T).flatten(1)

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        return codes @ self.decoder


def value(name: str, design: Design, world: World | None = None) -> float:
    return METRICS[name].measure(observe(design, world or known(), ROWS)).value


@cache
def accompanied() -> torch.Tensor:
    """Share of each parent's rows in which one of its children is present."""
    dense = torch.cat([block.truth.dense() for block in observe(Family(), known(), ROWS).rows]).double()
    children = dense[:, ROOTS : ROOTS * (1 + CHILDREN)].unflatten(1, (ROOTS, CHILDREN)).amax(dim=2)
    return children.sum(dim=0) / dense[:, :ROOTS].sum(dim=0)


def test_families_are_found_in_the_rows():
    found = families(observe(Family(), known(), ROWS).crowd.present)
    assert found.tolist() == [[(c - ROOTS) // CHILDREN, c] for c in range(ROOTS, ROOTS * (1 + CHILDREN))]
    assert not len(
        families(observe(dictionaries.perfect(dictionaries.world()), dictionaries.world(), 500).crowd.present)
    )


@given(st.integers(0, 10**6), st.floats(0.02, 0.98), st.floats(0.02, 0.98))
def test_independent_features_are_no_families_however_often_they_fire(seed, often, rarely):
    generator = torch.Generator().manual_seed(seed)
    rates = torch.tensor([1.0, often, often, rarely, rarely, 0.0])
    dense = torch.rand(400, len(rates), generator=generator) < rates
    rows, members = dense.nonzero().T
    assert not len(families(Pattern(rows, members, tuple(dense.shape))))


def test_grandparents_are_parents_and_twins_are_not():
    root = torch.arange(1000) % 2 == 0
    middle = root & (torch.arange(1000) % 4 == 0)
    leaf = middle & (torch.arange(1000) % 8 == 0)
    rows, members = torch.stack((root, middle, leaf, leaf), dim=1).nonzero().T
    found = families(Pattern(rows, members, (1000, 4)))
    assert set(map(tuple, found.tolist())) == {(0, 1), (0, 2), (0, 3), (1, 2), (1, 3)}


def test_units_of_their_own_absorb_nothing():
    assert value("absorption", Family()) == 0
    assert value("absorption_columns", Family()) == 0


def test_a_parent_is_absorbed_in_the_rows_of_its_children():
    reading = METRICS["absorption"].measure(observe(Family(share=1.0), known(), ROWS))
    assert torch.allclose(reading.each[:ROOTS], accompanied())
    assert reading.each[ROOTS:].isnan().all()
    assert reading.value == pytest.approx(float(accompanied().mean()))
    assert 0.5 < reading.value < 1


@pytest.mark.parametrize(("share", "counts"), [(0.35, False), (0.45, True), (-1.0, False)])
def test_a_child_has_to_carry_two_fifths_of_its_parent(share, counts):
    assert value("absorption", Family(share)) == (pytest.approx(float(accompanied().mean())) if counts else 0)


def test_a_parent_that_still_fires_is_not_absorbed():
    assert value("absorption", Family(share=1.0, silent=False)) == 0


def test_units_that_share_a_feature_absorb_nothing():
    """Two units that fire in turn for the same parent leave its main unit silent in half the rows."""

    class Turns(Family):
        def encode(self, x: torch.Tensor) -> torch.Tensor:
            blocks = super().encode(x).unflatten(1, (-1, 1 + UNUSED)).clone()
            first = x[:, 0] * 1e4 % 1 < 0.5  # as good as a coin
            copy = blocks[:, 0].clone()
            blocks[:, 0] *= first.unsqueeze(1)
            return torch.cat((blocks.flatten(1), copy * ~first.unsqueeze(1)), dim=1)

        def decode(self, codes: torch.Tensor) -> torch.Tensor:
            return super().decode(codes[:, : len(self.decoder)]) + codes[:, len(self.decoder) :] @ self.decoder[:3]

    design = Turns()
    design.columns += 1 + UNUSED
    assert value("absorption", design) == 0


def even_turn() -> torch.Tensor:
    """An orthogonal matrix that spreads the first direction evenly."""
    spread = torch.linalg.qr(torch.cat((torch.ones(3, 1), torch.eye(3)[:, :2]), dim=1)).Q
    return spread.T if abs(spread[0, 0]) < 0.5 else spread


def test_columns_lose_the_absorption_that_units_keep_when_a_unit_is_turned():
    plain, turned = Family(share=1.0), Family(share=1.0, turn=even_turn())
    x = known().sample(50, torch.Generator().manual_seed(0)).x
    assert torch.allclose(plain(x), turned(x), atol=1e-5)  # the same function
    expected = pytest.approx(float(accompanied().mean()))
    assert value("absorption", plain) == value("absorption_columns", plain) == expected
    assert value("absorption", turned) == expected
    assert value("absorption_columns", turned) == 0  # no column restores more than a third


@given(st.integers(0, 10**6))
def test_absorption_by_units_does_not_depend_on_the_gauge(seed):
    turn = dictionaries.orthogonal(1 + UNUSED, torch.Generator().manual_seed(seed))
    observation = observe(Family(share=1.0, turn=turn), known(), 600)
    assert METRICS["absorption"].measure(observation).value == pytest.approx(
        METRICS["absorption"].measure(observe(Family(share=1.0), known(), 600)).value
    )


def test_pairs_may_be_given_and_need_not_be_strict():
    observation = observe(Family(share=1.0), known(), ROWS)
    each = absorbed(observation, by_unit(observation), torch.tensor([[0, 4], [1, 0]]))
    dense = torch.cat([block.truth.dense() for block in observation.rows]).double()
    assert float(each[0]) == pytest.approx(float((dense[:, 0] * dense[:, 4]).sum() / dense[:, 0].sum()))
    assert each[1] == 0
    assert each[2:].isnan().all()


def test_a_pair_counts_in_rows_that_hold_both_alone():
    """Feature 7 is a child of 1: its rows without 0 say nothing of 0, nor of 1, whose child 7 is not asked for."""
    observation = observe(Family(share=1.0), known(), ROWS)
    each = absorbed(observation, by_unit(observation), torch.tensor([[0, 7], [1, 8]]))
    dense = torch.cat([block.truth.dense() for block in observation.rows]).double()
    assert each[0] == 0
    assert float(each[1]) == pytest.approx(float((dense[:, 1] * dense[:, 8]).sum() / dense[:, 1].sum()))


def test_the_order_of_firings_within_a_row_does_not_matter():
    class Backwards:
        """The same world, the firings of each row the other way round."""

        def __init__(self, world: World) -> None:
            self.world, self.width, self.bias, self.basis = world, world.width, world.bias, world.basis

        def sample(self, n: int, generator: torch.Generator, truth: str = "support"):
            found = self.world.sample(n, generator, truth)
            order = (found.truth.samples * found.truth.size[1] - found.truth.features).argsort()
            parts = {"samples": found.truth.samples[order], "features": found.truth.features[order]}
            if truth == "contributions":
                parts["contributions"] = found.truth.contributions[order]
            return replace(found, truth=Truth(found.truth.size, **parts))

    metric, design = METRICS["absorption"], Family(share=1.0)
    forwards = metric.measure(observe(design, known(), ROWS)).each
    assert torch.equal(metric.measure(observe(design, Backwards(known()), ROWS)).each[:ROOTS], forwards[:ROOTS])


def test_a_child_that_no_unit_serves_absorbs_nothing():
    class Stranger(Family):
        """Unit 0 decodes parent 1 too and silences unit 1; the children of 1 are not decoded."""

        def __init__(self) -> None:
            super().__init__()
            blocks = self.decoder.unflatten(0, (-1, 1 + UNUSED))
            blocks[0, 0] += self.bases[1]
            blocks[self.parent == 1] = 0

        def encode(self, x: torch.Tensor) -> torch.Tensor:
            blocks = super().encode(x).unflatten(1, (-1, 1 + UNUSED))
            blocks[:, 1] *= blocks[:, :1, 0] == 0
            return blocks.flatten(1)

    for name in ("absorption", "absorption_columns"):
        assert METRICS[name].measure(observe(Stranger(), known(), ROWS)).each[1] == 0


def test_worlds_without_families_and_parents_without_units_are_not_judged():
    flat = dictionaries.world()
    for name in ("absorption", "absorption_columns"):
        assert math.isnan(value(name, dictionaries.perfect(flat), flat))
    design = Family(share=1.0)
    design.decoder[:3] = 0  # nothing serves parent 0
    for name in ("absorption", "absorption_columns"):
        each = METRICS[name].measure(observe(design, known(), ROWS)).each
        assert each[0].isnan()
        assert not each[1:ROOTS].isnan().any()


def test_a_parent_that_its_unit_serves_faintly_is_judged_all_the_same():
    design = Family(share=1.0)
    design.decoder[:3] *= 1e-3  # a millionth of the energy: far more than rounding
    for name in ("absorption", "absorption_columns"):
        each = METRICS[name].measure(observe(design, known(), ROWS)).each
        assert torch.allclose(each[:ROOTS], accompanied())
