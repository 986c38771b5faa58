"""Every inequality of the theory on invented dictionaries, covariances, partitions, worlds, steered to small margins.

A case is drawn, its margin measured without the bound, and hypothesis told to look for smaller ones. Random
measurements may fall short of a bound by what chance does once in 1e9 cases, so that a test of 500 examples raises a
false alarm less than once in a million runs. Each inequality also has slightly wrong bounds, which some case must
violate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, find, given, settings, target
from hypothesis import strategies as st
from scipy import stats

from sasa_theory import bounds
from sasa_theory.claims.measuring.frames import coherence, spread
from sasa_theory.claims.measuring.gauges import mean_gauge
from sasa_theory.claims.measuring.geometry import residual, sphere
from sasa_theory.claims.measuring.nuclear_solver import objective, solve, solve_factors
from sasa_theory.claims.measuring.second_group import steepest_slope
from sasa_theory.testing import (
    CovarianceSpec,
    DictionarySpec,
    PartitionSpec,
    covariances,
    dictionaries,
    partitions,
    worlds,
)
from synthetic import World, WorldConfig

DRAWS = 20_000
CHANCE = 1e-9  # of a false alarm in one case
ROUNDING = 1e-9
SEEDS = st.integers(0, 2**32 - 1)
UNIT = st.floats(0.0, 1.0)


@dataclass(frozen=True)
class Inequality:
    """A strategy for cases, the margin of a case (negative: violated), and wrong bounds: name, what is made of it."""

    cases: st.SearchStrategy[Any]
    margin: Callable[..., float]
    wrong: tuple[tuple[str, Callable[[Any], Any]], ...]


def slice_points(spec: DictionarySpec, seed: int) -> np.ndarray:
    """Fresh uniform points of the slice's sphere in the space of the atoms."""
    return sphere(DRAWS, spec.d, np.random.default_rng([seed, 1])) @ np.eye(spec.d, spec.ambient)


def coverage(spec: DictionarySpec, active: int, eps: float, signed: bool, seed: int) -> float:
    """A1: the share of the slice within eps of k atoms, against C(N, k) p."""
    k = min(active, spec.d - 1, spec.atoms)
    signed = signed or k > 1
    hits = int((residual(slice_points(spec, seed), spec.build(), k, signed=signed) <= eps).sum())
    bound = float(bounds.coverage_bound(spec.atoms, spec.d, k, eps, signed=signed))
    return (stats.binom.isf(CHANCE, DRAWS, min(bound, 1.0)) - hits) / DRAWS


def distortion(spec: DictionarySpec, signed: bool, seed: int) -> float:
    """A5: the mean squared residual with one active atom, against the floor; Hoeffding's margin for [0, 1]."""
    error = residual(slice_points(spec, seed), spec.build(), 1, signed=signed) ** 2
    chance = np.sqrt(-np.log(CHANCE) / (2 * DRAWS))
    return float(error.mean() + chance - bounds.distortion_floor(spec.atoms, spec.d, signed=signed))


def surrounding(spec: DictionarySpec) -> np.ndarray:
    """The atoms with the signed true basis, which makes the gauge finite."""
    return np.vstack([spec.build(), np.eye(spec.d), -np.eye(spec.d)])


def gauge_above_floor(spec: DictionarySpec) -> float:
    """B3: the mean gauge, by exact integration, against the least that so many atoms reach."""
    atoms = surrounding(spec)
    return float(mean_gauge(atoms) / bounds.gauge_floor(len(atoms), spec.d) - 1 + ROUNDING)


def gauge_demands_atoms(spec: DictionarySpec) -> float:
    """B3: the number of atoms, against what their mean gauge demands."""
    atoms = surrounding(spec)
    return float(np.log(len(atoms)) - bounds.log_near_optimal_floor(spec.d, mean_gauge(atoms) - 1))


def gauge_under_true_basis(spec: DictionarySpec) -> float:
    """B1, B2: spare atoms beside the true basis never raise the mean gauge."""
    return float(bounds.true_basis_gauge(spec.d) / mean_gauge(surrounding(spec)) - 1 + ROUNDING)


def sample(covariance: CovarianceSpec, seed: int) -> np.ndarray:
    """Inputs whose expected second moment is the covariance."""
    values, basis = np.linalg.eigh(covariance.build())
    noise = np.random.default_rng([seed, 1]).standard_normal((60, covariance.d))
    return noise * np.sqrt(np.maximum(values, 0)) @ basis.T


def single_group(covariance: CovarianceSpec, rank: int, lam: float, seed: int) -> float:
    """C1: the objective of the best map of limited rank that a search finds, against the least."""
    second, rng = covariance.build(), np.random.default_rng([seed, 1])
    found = solve_factors(second, lam, min(rank, covariance.d), rng, starts=1)
    least = bounds.single_group_optimum(covariance.eigenvalues, lam, rank=rank)
    return float(objective(second, found, lam) - least.risk + ROUNDING)


def partition(covariance: CovarianceSpec, cells: PartitionSpec, lam: float, seed: int) -> float:
    """C2: the solver's objective on a partition of a sample, against the floor at the sample's own second moment."""
    x = sample(covariance, seed)
    labels = cells.build(x)
    parts = np.stack([x[labels == g].T @ x[labels == g] for g in range(cells.groups)]) / len(x)
    whole = np.maximum(np.linalg.eigvalsh(x.T @ x / len(x)), 0)
    return float(solve(parts, lam).risk.sum() - bounds.partition_floor(whole, lam) + ROUNDING)


def second_group(covariance: CovarianceSpec, cells: PartitionSpec, lam: float, seed: int) -> float:
    """C3: the slope of the objective along the best second map on a cell, against what the pressure allows."""
    x = sample(covariance, seed)
    cell = cells.build(x) == 0
    second, inner = x.T @ x / len(x), x[cell].T @ x[cell] / len(x)
    slope = steepest_slope(x, cell, solve(second, lam).maps, lam)
    return float(slope / lam - 1 + bounds.second_group_pressure(second, inner, lam) + 1e-3)  # the solver's first map


def gating(config: WorldConfig, seed: int) -> float:
    """C5: the coherence of a world in which some selection is wrong, against the limit."""
    world = World.build(config, seed)
    active, norms = config.firing.active, np.sqrt([law.energy for law in config.laws])
    oracle = world.oracle(500, torch.Generator().manual_seed(seed), s=active)
    if oracle.exact_support.value == 1:
        return 1.0
    return float(world.card().coherence_max / bounds.coherence_limit(active, norms.min(), norms.max()) - 1 + 1e-5)


def decoder(spec: DictionarySpec) -> float:
    """C4: the nuclear norm of unit rows, against its range."""
    norm = np.linalg.norm(spec.build(), "nuc")
    low, high = bounds.decoder_penalty_range(spec.atoms)
    return float(min(norm - low, high - norm) + 1e-5)  # near-collinear rows fall short of parallel ones by 1e-6


def activation(spec: DictionarySpec, largest: bool, tilt: float) -> float:
    """E1: the norm of codes along the Gram matrix's extreme eigenvectors, tilted, against the interval."""
    atoms = spec.build()
    _, vectors = np.linalg.eigh(atoms @ atoms.T)
    codes = vectors[:, -1 if largest else 0] + tilt * vectors[:, 0 if largest else -1]
    norm = np.linalg.norm(codes @ atoms)
    eps = min(coherence(atoms) + ROUNDING, 1.0)  # equal atoms cancel to rounding noise, which has no relative size
    low, high = bounds.afa_interval(norm, eps, spec.atoms)
    return float(min(1 - low / np.linalg.norm(codes), high / np.linalg.norm(codes) - 1) + 1e-6)


def welch(spec: DictionarySpec) -> float:
    """Welch: the coherence of unit atoms, pushed apart where they cannot be orthogonal, against the least possible."""
    atoms = spread(spec.build(), steps=30) if spec.atoms > spec.ambient else spec.build()
    return float(coherence(atoms) - bounds.welch_bound(spec.atoms, spec.ambient) + ROUNDING)


FLAT = dictionaries(d=st.integers(2, 4), spare_dims=0)
PAIRS = dictionaries(atoms=st.integers(2, 6))
PLANAR = dictionaries(d=st.integers(2, 3), spare_dims=0)
INEQUALITIES = {
    "A1 coverage": Inequality(
        st.tuples(dictionaries(atoms=st.integers(1, 8)), st.integers(1, 3), st.floats(0.1, 0.9), st.booleans(), SEEDS),
        coverage,
        (("coverage_bound", lambda bound: 0.9 * bound),),
    ),
    "A5 distortion": Inequality(
        st.tuples(dictionaries(), st.booleans(), SEEDS),
        distortion,
        (("distortion_floor", lambda floor: 1.1 * floor),),
    ),
    "B3 gauge": Inequality(st.tuples(FLAT), gauge_above_floor, (("gauge_floor", lambda floor: 1.1 * floor),)),
    "B3 atoms": Inequality(
        st.tuples(FLAT), gauge_demands_atoms, (("log_near_optimal_floor", lambda log_atoms: log_atoms + np.log(2.5)),)
    ),
    "B1 true basis": Inequality(
        st.tuples(FLAT), gauge_under_true_basis, (("true_basis_gauge", lambda gauge: 0.99 * gauge),)
    ),
    "C1 limited rank": Inequality(
        st.tuples(covariances(d=st.integers(1, 4)), st.integers(1, 4), st.floats(0.05, 1.0), SEEDS),
        single_group,
        (("single_group_optimum", lambda least: replace(least, risk=1.01 * least.risk)),),
    ),
    "C2 partition": Inequality(
        st.tuples(covariances(d=st.integers(1, 4)), partitions(), st.floats(0.05, 1.0), SEEDS),
        partition,
        (("partition_floor", lambda floor: 1.02 * floor),),
    ),
    "C3 second group": Inequality(
        st.tuples(covariances(d=st.integers(1, 4)), partitions(), st.floats(0.05, 1.0), SEEDS),
        second_group,
        (("second_group_pressure", lambda pressure: 0.98 * pressure),),
    ),
    "C4 decoder": Inequality(
        st.tuples(dictionaries()),
        decoder,
        (
            ("decoder_penalty_range", lambda ends: (1.01 * ends[0], ends[1])),
            ("decoder_penalty_range", lambda ends: (ends[0], 0.99 * ends[1])),
        ),
    ),
    "C5 gating": Inequality(
        st.tuples(worlds(clean=True), SEEDS), gating, (("coherence_limit", lambda limit: 1.5 * limit),)
    ),
    "E1 activation": Inequality(
        st.tuples(PAIRS, st.booleans(), UNIT),
        activation,
        (
            ("afa_interval", lambda ends: (1.01 * ends[0], ends[1])),
            ("afa_interval", lambda ends: (ends[0], 0.99 * ends[1])),
        ),
    ),
    "Welch": Inequality(st.tuples(PLANAR), welch, (("welch_bound", lambda bound: 1.1 * bound),)),
}


@pytest.mark.parametrize("name", INEQUALITIES)
def test_inequality_holds(name: str) -> None:
    inequality = INEQUALITIES[name]

    @given(inequality.cases)
    def holds(case: tuple[Any, ...]) -> None:
        margin = inequality.margin(*case)
        target(-margin)
        assert margin >= 0

    holds()


@pytest.mark.parametrize(
    ("name", "wrong"), [(name, i) for name, inequality in INEQUALITIES.items() for i in range(len(inequality.wrong))]
)
def test_a_slightly_wrong_bound_is_violated(name: str, wrong: int, monkeypatch: pytest.MonkeyPatch) -> None:
    inequality = INEQUALITIES[name]
    function, mutate = inequality.wrong[wrong]
    right = getattr(bounds, function)
    monkeypatch.setattr(bounds, function, lambda *args, **kwargs: mutate(right(*args, **kwargs)))
    search = settings(
        max_examples=1000, phases=[Phase.generate], derandomize=True, database=None, suppress_health_check=HealthCheck
    )
    find(inequality.cases, lambda case: inequality.margin(*case) < 0, settings=search)
