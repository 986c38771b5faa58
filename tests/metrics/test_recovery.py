"""Capture, purity, recovery, maps and the assignment of units, on dictionaries whose scores can be written down."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory import designs
from sasa_theory.bounds import random_subspace_cosine
from sasa_theory.metrics import METRICS, judge, observe
from sasa_theory.metrics.judge import random_like
from sasa_theory.metrics.subspaces import observe_subspaces, principal
from sasa_theory.metrics.units import Units
from synthetic import Feature, Features, Independent, Listed, World, preset

from . import dictionaries
from .dictionaries import DIMS, WIDTH, Fixed
from .reading import ROWS, each, known, seen, value

seeds = st.integers(0, 2**32 - 1)


# What each spoilt truth deserves.


@pytest.mark.parametrize("name", ["capture", "purity", "recovery", "isolated_r2", "recovered"])
def test_the_truth_scores_one_for_every_feature(name: str) -> None:
    assert each(name, seen("perfect")) == pytest.approx([1.0] * 6)


def test_a_split_feature_is_captured_by_one_dimension_of_its_own() -> None:
    assert each("capture", seen("split")) == pytest.approx([1 / d for d in DIMS])
    assert each("purity", seen("split")) == pytest.approx([1.0] * 6)
    assert each("recovery", seen("split")) == pytest.approx([2 / (d + 1) for d in DIMS])
    assert each("map_error", seen("split")) == pytest.approx([1 - 1 / d for d in DIMS])
    assert each("recovered", seen("split")) == [d == 1 for d in DIMS]


def test_a_merged_unit_serves_one_of_its_features_impurely() -> None:
    merged = seen("merged")  # features 0 and 2 in a unit, 1 and 3 in another: the larger ones get them
    assert each("capture", merged) == pytest.approx([0, 0, 1, 1, 1, 1])
    assert each("purity", merged) == pytest.approx([0, 0, 2 / 3, 2 / 3, 1, 1])
    assert each("recovery", merged) == pytest.approx([0, 0, 0.8, 0.8, 1, 1])
    assert each("map_error", merged) == pytest.approx([1, 1, 0, 0, 0, 0], abs=1e-6)  # none is left for two
    assert each("isolated_r2", merged) == pytest.approx([1.0] * 6)  # each is reconstructed by one unit all the same
    assert each("recovered", merged) == [0, 0, 0, 0, 1, 1]


def test_copies_have_the_subspace_but_half_the_map() -> None:
    copies = seen("duplicated")
    assert each("recovery", copies) == pytest.approx([1.0] * 6)
    assert each("map_error", copies) == pytest.approx([0.25] * 6, abs=0.08)  # W = V / 2
    assert each("recovered", copies) == [0] * 6
    half = {1: 3 / 4, 2: 1 / 2 + 1 / math.pi**2, 3: 9 / 16}  # 1 - (1/2 - ||E c||^2) on a half-sphere
    assert each("isolated_r2", copies) == pytest.approx([half[d] for d in DIMS], abs=0.1)


def test_junk_captures_and_reconstructs_everything_but_is_impure() -> None:
    junk = seen("junk")
    assert max(each("capture", junk)) == pytest.approx(1)
    assert max(each("purity", junk)) == pytest.approx(max(DIMS) / sum(DIMS))  # of the 16 it uses 12
    assert value("ev", junk) == pytest.approx(1)
    assert value("recovered", junk) == 0


def test_full_rank_units_for_every_feature_have_capture_one_and_low_purity() -> None:
    junk = observe(Fixed([torch.eye(WIDTH)] * 6, 6), known(), ROWS)
    assert each("capture", junk) == pytest.approx([1.0] * 6)
    assert each("purity", junk) == pytest.approx([d / sum(DIMS) for d in DIMS])
    assert value("recovered", junk) == 0


def test_a_map_too_long_and_sloping_out_of_the_feature_is_wrong_by_as_much() -> None:
    bases = dictionaries.truth(known())
    outside = torch.linalg.svd(torch.cat(bases)).Vh[sum(DIMS) :]  # orthogonal to all features
    sloping = [1.5 * basis + 0.5 * outside[:1].expand_as(basis) for basis in bases]
    observation = observe(Fixed(sloping, 2, encoders=bases, gates=bases), known(), ROWS)
    assert each("map_error", observation) == pytest.approx([0.25] * 6, rel=1e-4)
    assert each("leakage", observation) == pytest.approx([0.25] * 6, rel=1e-4)


def test_the_map_is_that_of_the_assigned_unit_though_another_adds_more() -> None:
    bases = dictionaries.truth(known())
    loud = torch.cat((3 * bases[4], bases[0]))  # a second unit for feature 4, impure and three times too long
    observation = observe(Fixed([*bases, loud], 7), known(), ROWS)
    assert observation.alone.candidates[4, 0] == 6
    assert observation.matching.subspace.tolist() == [0, 1, 2, 3, 4, 5]
    assert each("map_error", observation) == pytest.approx([0.0] * 6, abs=1e-6)


def test_dimensions_that_hardly_any_code_reaches_are_not_counted() -> None:
    bases = dictionaries.truth(known())
    outside = torch.linalg.svd(torch.cat(bases)).Vh[sum(DIMS) :]
    padded = [torch.cat((basis, outside)) for basis in bases]  # rank d + 4, of which the rows reach d
    observation = observe(Fixed(padded, 2), known(), ROWS)
    assert observation.subspaces.ranks.tolist() == list(DIMS)
    assert value("recovery", observation) == pytest.approx(1)


@pytest.mark.parametrize(("share", "rank"), [(0.005, 1), (0.02, 2)])
def test_a_direction_counts_from_one_per_cent_of_the_energy(share: float, rank: int) -> None:
    first, second, *_ = dictionaries.truth(known())
    length = (share / (1 - share)) ** 0.5  # both features are +-1 and about equally frequent
    unit = torch.cat((first, length * second))
    observation = observe(Fixed([unit], 1, encoders=[torch.cat((first, second))]), known(), ROWS)
    assert observation.subspaces.ranks.tolist() == [rank]


@pytest.mark.parametrize(("columns", "rank"), [(99, 99), (100, 99), (101, 100)])
def test_of_equally_strong_directions_as_many_count_as_hold_99_per_cent_in_every_basis(columns: int, rank: int) -> None:
    turned, eye = dictionaries.orthogonal(columns, torch.Generator().manual_seed(columns)), torch.eye(columns)
    for decoder in (eye, turned):
        units = Units(decoder.unsqueeze(0), torch.zeros(columns), torch.arange(columns).unsqueeze(0), columns)
        found = observe_subspaces(units, eye.double().unsqueeze(0), (eye[:2],))
        assert found.ranks.tolist() == [rank]


# Features that never occur, or without a unit.


def test_a_feature_that_never_occurs_is_left_out() -> None:
    features = (Features(Feature("subspace", 1), 2), Features(Feature("subspace", 2), 1))
    firing, absent = Independent(Listed((0.5, 0.0, 0.5))), 1
    world = World.build(preset("theorem", "small", width=8, features=features, firing=firing, noise=0.0), seed=1)
    observation = observe(Fixed(dictionaries.truth(world), 3), world, 200)
    for name in ("capture", "purity", "recovery", "map_error", "leakage", "support_f1", "recovered"):
        reading = METRICS[name].measure(observation)
        assert reading.each.isnan().nonzero().squeeze(1).tolist() == [absent]
        assert reading.value == pytest.approx(METRICS[name].best, abs=1e-6)
    assert observation.matching.subspace[absent] == observation.matching.support[absent] == -1
    assert value("exact_support", observation) == 1


@pytest.mark.parametrize("rows", [3, 12, 40])
def test_few_slices_do_not_make_a_perfect_map_wrong(rows: int) -> None:
    features = (Features(Feature("subspace", 8, radius="sphere"), 4),)
    world = World.build(preset("theorem", "small", width=32, features=features, noise=0.0), seed=2)
    bases = dictionaries.truth(world)
    observation = observe(Fixed(bases, 2), world, rows)
    assert bool((observation.alone.slices < 8).any()) == (rows < 40)
    for name in ("map_error", "leakage"):
        assert value(name, observation) == pytest.approx(0, abs=1e-6)
    assert value("shrinkage", observation) == pytest.approx(1, abs=1e-5)
    outside = [0.5 * bases[(i + 1) % 4] for i in range(4)]
    slanted = Fixed([0.5 * b + o for b, o in zip(bases, outside, strict=True)], 2, encoders=bases, gates=bases)
    wrong = observe(slanted, world, rows)
    assert value("map_error", wrong) == pytest.approx(0.25, rel=1e-4)
    assert value("leakage", wrong) == pytest.approx(0.25, rel=1e-4)


def test_a_feature_without_a_unit_has_error_one_however_few_its_slices() -> None:
    observation = observe(Fixed(dictionaries.truth(known())[:4], 2), known(), 5)
    missed = observation.matching.occurs & (observation.matching.subspace < 0)
    assert (observation.alone.slices[missed] < 3).any()
    assert METRICS["map_error"].measure(observation).each[missed].tolist() == pytest.approx([1.0] * int(missed.sum()))


def test_features_beyond_the_number_of_units_score_zero() -> None:
    bases = dictionaries.truth(known())
    observation = observe(Fixed(bases[2:], 2), known(), ROWS)
    for name in ("capture", "purity", "recovery", "support_recall", "recovered"):
        assert each(name, observation) == pytest.approx([0, 0, 1, 1, 1, 1])
    assert each("map_error", observation) == pytest.approx([1, 1, 0, 0, 0, 0], abs=1e-6)
    assert each("leakage", observation) == pytest.approx([0.0] * 6, abs=1e-6)


def test_silent_units_score_zero() -> None:
    observation = observe(Fixed([0 * basis for basis in dictionaries.truth(known())], 2), known(), ROWS)
    assert observation.subspaces.ranks.tolist() == [0] * 6
    assert observation.alone.turns.shares.isnan().all()
    for name in ("capture", "purity", "recovery", "leakage", "support_precision", "support_f1", "recovered", "mcc"):
        assert value(name, observation) == 0


class Switches:
    """A world of one's own: a feature that is always the same slice when present, and one of either sign."""

    width, bias = 2, torch.zeros(2)

    def basis(self, i: int) -> torch.Tensor:
        return torch.eye(2)[i : i + 1]

    def sample(self, n: int, generator: torch.Generator, truth: str = "support") -> SimpleNamespace:
        present = torch.rand(n, 2, generator=generator) < 0.5
        constant = 0.3 + 3e-8 * torch.randn(n, generator=generator)  # but for rounding
        values = present * torch.stack((constant, torch.rand(n, generator=generator) - 0.5), dim=1)
        samples, features = present.nonzero(as_tuple=True)
        slices = values[samples, features].unsqueeze(1) * torch.eye(2)[features]
        known = SimpleNamespace(size=(n, 2), samples=samples, features=features, contributions=slices)
        return SimpleNamespace(x=values, truth=known)


def test_slices_that_never_vary_have_no_r2_and_are_recovered_all_the_same() -> None:
    observation = observe(Fixed(list(torch.eye(2).split(1)), 2), Switches(), 300)
    assert each("isolated_r2", observation) == pytest.approx([math.nan, 1.0], nan_ok=True)
    assert value("isolated_r2", observation) == pytest.approx(1)
    assert each("recovered", observation) == [1, 1]
    assert each("map_error", observation) == pytest.approx([0, 0], abs=1e-6)


class Line(Switches):
    """One feature of two dimensions whose slices lie on a line, but for rounding."""

    def basis(self, i: int) -> torch.Tensor:
        return torch.eye(2)

    def sample(self, n: int, generator: torch.Generator, truth: str = "support") -> SimpleNamespace:
        slices = torch.randn(n, 1, generator=generator) * torch.tensor([[0.6, 0.8]])
        slices += 3e-8 * torch.randn(n, 2, generator=generator)
        rows = torch.arange(n)
        known = SimpleNamespace(size=(n, 1), samples=rows, features=0 * rows, contributions=slices)
        return SimpleNamespace(x=slices, truth=known)


def test_of_slices_on_a_line_only_the_map_along_it_is_known() -> None:
    line = torch.tensor([[0.6, 0.8]])
    observation = observe(Fixed([line], 1), Line(), 300)
    assert observation.alone.spans[0].trace() == pytest.approx(1)
    assert each("map_error", observation) == pytest.approx([0], abs=1e-5)
    assert each("shrinkage", observation) == pytest.approx([1], abs=1e-5)


# Theorems.


@given(seed=seeds, rank=st.integers(1, 5), width=st.integers(5, 9), units=st.integers(1, 4))
def test_principal_directions_are_those_of_the_map_in_every_gauge(seed: int, rank: int, width: int, units: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    decoder = torch.randn(units, rank, width, dtype=torch.float64, generator=generator)
    codes = torch.randn(20, units, rank, dtype=torch.float64, generator=generator)
    gauge = torch.eye(rank, dtype=torch.float64) + 0.3 * torch.randn(rank, rank, generator=generator).double() / rank
    second = torch.einsum("nkr,nks->krs", codes, codes) / 20
    contributions = torch.einsum("nkr,krw->nkw", codes, decoder)
    whole = torch.einsum("nkv,nkw->kvw", contributions, contributions) / 20
    for d, m in ((decoder, second), (torch.linalg.inv(gauge) @ decoder, gauge.T @ second @ gauge)):
        directions, energies = principal(d, m)
        assert torch.allclose(energies, torch.linalg.eigvalsh(whole).flip(1)[:, :rank], atol=1e-9)
        assert torch.allclose(whole @ directions.mT, directions.mT * energies.unsqueeze(1), atol=1e-9)
        assert torch.allclose(directions @ directions.mT, torch.eye(rank, dtype=torch.float64), atol=1e-6)


@given(seed=seeds)
def test_recovery_lies_between_capture_and_purity(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.randint(1, 5, (7,), generator=generator).tolist()
    observation = observe(Fixed([torch.randn(r, WIDTH, generator=generator) for r in sizes], 3), known(), 100, seed)
    capture, purity, recovery = (METRICS[n].measure(observation).each for n in ("capture", "purity", "recovery"))
    seen = observation.matching.occurs
    assert (recovery <= torch.maximum(capture, purity) + 1e-9)[seen].all()
    assert (recovery >= torch.minimum(capture, purity) - 1e-9)[seen].all()
    harmonic = (2 * capture * purity / (capture + purity)).nan_to_num(0)
    assert torch.allclose(recovery.nan_to_num(0), harmonic, atol=1e-12)


# Chance.


def test_capture_of_random_units_is_rank_over_width_in_the_mean_and_more_for_the_assigned_ones() -> None:
    shape = designs.get("random/groups", width=WIDTH, groups=24, rank=2, active=24, seed=0)
    world = known()
    dims = torch.tensor(DIMS)
    pairs, assigned = [], []
    for seed in range(12):
        random = designs.get("random/groups", width=WIDTH, groups=24, rank=2, active=24, seed=seed)
        observation = observe(random, world, 500)
        assert observation.subspaces.ranks.tolist() == [2] * 24
        pairs.append((observation.subspaces.overlap / torch.minimum(dims, torch.tensor(2)).unsqueeze(1)).mean(dim=1))
        assigned.append(value("capture", observation))
    expected = [float(random_subspace_cosine(d, 2, WIDTH)) for d in DIMS]
    assert torch.stack(pairs).mean(dim=0).tolist() == pytest.approx(expected, rel=0.15)
    low, high = judge(shape, world, rows=500, only=["capture"])["capture"].null
    assert low > 2 / WIDTH
    assert all(low - 0.1 < found < high + 0.1 for found in assigned)


@pytest.mark.parametrize("name", ["recovery", "purity", "leakage", "map_error", "support_f1", "mcc", "isolated_r2"])
def test_a_further_random_dictionary_lies_in_the_range_of_the_null(name: str) -> None:
    perfect = seen("perfect")
    found = [value(name, observe(random, known(), 1000)) for seed in (1, 50) for random in random_like(perfect, seed)]
    null, further = found[:3], found[3:]
    margin = 3 * (max(null) - min(null)) + 0.05
    assert all(min(null) - margin < other < max(null) + margin for other in further)
