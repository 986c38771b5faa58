"""T5: shares that units cover against closed forms, the search, the fits; designs that cannot learn fail the claim."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import betainc

from sasa_theory import bounds
from sasa_theory.claims import intervals
from sasa_theory.claims.measuring.subspaces import random_bases
from sasa_theory.claims.trained import t5_token_growth
from sasa_theory.claims.trained.t5_token_growth import Setting, TokenGrowth
from sasa_theory.claims.trained.token_search import covered_share, fewest, slice_rows, train_on, unit_bases


@pytest.mark.parametrize(("d", "rank"), [(3, 1), (4, 1), (4, 3), (5, 2)])
def test_one_subspace_inside_the_slice_covers_the_cap_of_theory(d, rank):
    rng = np.random.default_rng(0)
    basis = random_bases(9, d, rng)[0]
    inside = (basis @ random_bases(d, rank, rng)[0]).T[None]
    p = betainc((d - rank) / 2, rank / 2, 0.25)
    assert covered_share(inside, basis, 0.5, rng) == pytest.approx(p, abs=0.03)


def test_rays_cover_half_of_what_lines_do_and_the_best_of_several_units_counts():
    rng = np.random.default_rng(1)
    basis = random_bases(6, 2, rng)[0]
    lines = (np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)], [-0.5, np.sqrt(0.75)]]) @ basis.T)[:, None]
    assert covered_share(lines, basis, 0.5 + 1e-9, rng) == 1.0
    assert covered_share(lines, basis, 0.5, rng, signed=False) == pytest.approx(0.5, abs=0.03)


def test_what_lies_outside_the_slice_covers_nothing():
    rng = np.random.default_rng(2)
    basis = random_bases(6, 6, rng)[0]
    assert covered_share(basis[:, 3:].T[None], basis[:, :3], 0.9, rng) == 0.0


def test_rows_are_unit_vectors_of_the_slice_and_a_smaller_set_is_the_start_of_a_larger_one():
    (basis, few), (same, many) = (slice_rows(m, 3, 8, np.random.default_rng(3)) for m in (5, 9))
    np.testing.assert_array_equal(basis, same)
    np.testing.assert_array_equal(few, many[:5])
    np.testing.assert_allclose(many @ basis @ basis.T, many, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(many, axis=1), 1.0)


@pytest.mark.parametrize("least", [1, 2, 5, 13, 21])
def test_the_search_finds_the_least_size_and_never_tries_the_last(least):
    tried = []
    found = fewest([1, 2, 3, 5, 8, 13], lambda m: bool(tried.append(m)) or m >= least)
    assert found == min(least, 13)
    assert 13 not in tried
    assert len(tried) <= 3


def test_a_group_trained_on_twice_its_dimension_spans_the_slice():
    rng = np.random.default_rng(4)
    basis, rows = slice_rows(6, 3, 10, rng)
    design = train_on(rows, "sasa/no_nuclear", rng, steps=200, lr=0.02, groups=1, rank=3, active=1)
    units = unit_bases(design)
    assert units.shape == (1, 3, 10)
    np.testing.assert_allclose(units[0] @ units[0].T, np.eye(3), atol=1e-6)
    assert covered_share(units, basis, 0.3, rng) == 1.0


def _found(design: str, law) -> list:
    case = "SASA" if design.startswith("sasa") else "vector SAE"
    rows = []
    for d in (2, 3, 4, 5, 6):
        runs = tuple(law(d) * factor for factor in (0.95, 1.0, 1.05))
        rows.append((Setting(case, design, d, 3, 1), replace(intervals.exact(runs[1], ">=", 0.0), also={"each": runs})))
    return rows


@pytest.mark.parametrize(
    ("design", "law", "verdict"),
    [
        ("topk", lambda d: 2.0**d, "holds"),
        ("topk", lambda d: 3.0 * d**1.1, "violated"),
        ("sasa/no_nuclear", lambda d: 1.5 * d, "holds"),
        ("sasa/no_nuclear", lambda d: 3.0**d, "violated"),
    ],
)
def test_conclusions_tell_exponential_from_linear_growth(design, law, verdict):
    ((_, evidence),) = TokenGrowth().conclude(_found(design, law), np.random.default_rng(5))
    assert evidence.verdict == verdict
    assert evidence.low < evidence.measured < evidence.high
    assert (evidence.also["misfit"] < 0.5) == (law(6) > 50)


def test_a_trainer_that_does_nothing_makes_the_claim_fail(monkeypatch):
    """Units as initialised cover nothing in 16 dimensions."""

    def untrained(rows, name, rng, *, steps, lr, **settings):
        return train_on(rows, name, rng, steps=1, lr=1e-9, **settings)

    monkeypatch.setattr(t5_token_growth, "train_on", untrained)
    claim, rng = TokenGrowth(), np.random.default_rng(6)
    assert claim.measure(Setting("SASA", "sasa/no_nuclear", 2, 1, 1), rng).verdict == "violated"
    noise = Setting("SASA in noise", "sasa/no_nuclear", 4, 1, 1, samples=64, ambient=32, signal=4.0)
    assert claim.measure(noise, rng).verdict == "violated"


def test_a_learner_that_knows_the_slice_breaks_the_visiting_floor(monkeypatch):
    def knowing(setting, m, rng):
        return np.empty(0), 1.0

    monkeypatch.setattr(t5_token_growth, "_trained_share", knowing)
    evidence = TokenGrowth().measure(Setting("vector SAE", "topk", 4, 2, 1), np.random.default_rng(7))
    assert evidence.verdict == "violated"
    assert evidence.bound == pytest.approx(float(np.exp(bounds.log_visiting_floor(4, 0.5, delta=0.5, signed=False))))


def test_points_judge_directions_not_the_training_rows():
    rng = np.random.default_rng(8)
    basis, rows = slice_rows(4, 5, 8, rng)
    share = covered_share(rows[:, None], basis, 0.5, rng)
    assert share == pytest.approx(float(bounds.memorising_coverage(4, 5, 0.5)), abs=0.03)
