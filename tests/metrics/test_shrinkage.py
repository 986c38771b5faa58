"""How much of a feature comes back: the closed form of the nuclear norm, and dictionaries shrunk as it says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory.metrics import METRICS, observe
from sasa_theory.metrics.alone import slices_of
from sasa_theory.metrics.shrinkage import kept, predicted_shrinkage, shrinkage_gap
from sasa_theory.testing.strategies import SEEDS

from . import dictionaries

WORLD = dictionaries.world()


@given(seed=SEEDS, lam=st.floats(0, 3), usage=st.floats(0.05, 1))
def test_the_prediction_minimises_the_penalised_error(seed: int, lam: float, usage: float) -> None:
    variance = np.random.default_rng(seed).uniform(0.1, 2, 3)
    kept_share = np.linspace(0, 1, 2001)[:, None]
    cost = usage * variance * (1 - kept_share) ** 2 + lam * kept_share
    np.testing.assert_allclose(predicted_shrinkage(lam, usage, variance), kept_share[cost.argmin(axis=0), 0], atol=1e-3)


def test_known_values() -> None:
    np.testing.assert_allclose(predicted_shrinkage(0.4, 0.5, [1.0, 0.5, 0.4, 0.1]), [0.6, 0.2, 0.0, 0.0], atol=1e-12)


@pytest.mark.parametrize(("lam", "usage", "variance"), [(-1.0, 0.5, [1.0]), (1.0, 0.0, [1.0]), (1.0, 0.5, [-1.0])])
def test_it_refuses_what_is_out_of_range(lam: float, usage: float, variance: list[float]) -> None:
    with pytest.raises(ValueError, match="must be in"):
        predicted_shrinkage(lam, usage, variance)


def shrunk(factors: list[torch.Tensor]) -> dictionaries.Fixed:
    """The truth with ``x V' m V`` for what comes back of a feature."""
    bases = dictionaries.truth(WORLD)
    decoders = [factor.to(basis) @ basis for factor, basis in zip(factors, bases, strict=True)]
    return dictionaries.Fixed(decoders, 2, encoders=bases, gates=bases)


def test_the_mean_singular_value_is_found() -> None:
    diagonals = [torch.linspace(0.3, 0.9, d) for d in dictionaries.DIMS]
    found = kept(observe(shrunk([torch.diag(diagonal) for diagonal in diagonals]), WORLD, 600))
    expected = torch.stack([diagonal.mean() for diagonal in diagonals]).double()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_a_turn_shrinks_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    design = shrunk([dictionaries.orthogonal(d, generator) for d in dictionaries.DIMS])
    assert METRICS["shrinkage"].measure(observe(design, WORLD, 600)).value == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("lam", [0.0, 0.02, 0.2])
def test_a_dictionary_shrunk_as_predicted_has_no_gap(lam: float) -> None:
    observation = observe(dictionaries.perfect(WORLD), WORLD, 600)
    usage = observation.crowd.present.counts() / observation.crowd.rows
    factors = []
    for h, basis, share in zip(slices_of(observation.rows, 6), observation.bases, usage.tolist(), strict=True):
        v = h.double() @ basis.double().T
        values, vectors = torch.linalg.eigh(v.T @ v / len(v))
        optimum = torch.from_numpy(predicted_shrinkage(lam, share, values.clamp_min(0).numpy()))
        factors.append(vectors * optimum @ vectors.T)
    gap = shrinkage_gap(observe(shrunk(factors), WORLD, 600), lam)
    torch.testing.assert_close(gap, torch.zeros_like(gap), rtol=0, atol=1e-5)
    if lam:
        assert (shrinkage_gap(observation, lam) > 1e-3).all()


def test_a_penalty_is_not_negative() -> None:
    with pytest.raises(ValueError, match="lam must be in"):
        shrinkage_gap(observe(dictionaries.perfect(WORLD), WORLD, 50), -1.0)


def test_few_slices_shrink_nothing_and_none_say_nothing() -> None:
    observation = observe(dictionaries.perfect(WORLD), WORLD, 1)
    found, gap = kept(observation), shrinkage_gap(observation, 0.0)
    seen = observation.alone.slices > 0
    assert int(seen.sum()) == 2
    torch.testing.assert_close(found[seen], torch.ones(2, dtype=torch.float64), rtol=0, atol=1e-5)
    assert found[~seen].isnan().all()
    torch.testing.assert_close(gap[seen], torch.zeros(2, dtype=torch.float64), rtol=0, atol=1e-5)
    assert gap[~seen].isnan().all()
    penalised = shrinkage_gap(observation, 0.1)[seen]  # 1 - lam / (2 usage s) is predicted, of a usage of 1
    torch.testing.assert_close(penalised, 0.05 / observation.alone.power[seen], rtol=1e-4, atol=0)
