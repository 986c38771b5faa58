from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory.designs import config, get
from sasa_theory.testing.strategies import SEEDS

SIZES = {"width": 6, "atoms": 20, "k": 3}


def data(seed: int = 0, rows: int = 50) -> torch.Tensor:
    return torch.randn(rows, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.3


def prepared(name: str, seed: int = 0, **settings):
    """A design with biases and, where they are free, rows of different norms."""
    design = get(name, seed=seed, **{**SIZES, **settings}).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        design.encoder_bias += 0.3 * torch.randn(20, generator=generator, dtype=torch.float64)
        design.decoder_bias += 0.3
        if design.constraint == "free":
            design.decoder *= 1 + 9 * torch.rand(20, 1, generator=generator, dtype=torch.float64)
    return design


def dense_pick(u, scores, count):
    """The ``count`` entries of each row with the largest scores, one row after the other."""
    codes = np.zeros_like(u)
    for row in range(len(u)):
        best = np.argsort(-scores[row])[:count]
        codes[row, best] = u[row, best]
    return codes


def preactivations(design, x):
    return design.preactivations(x).detach().numpy()


@given(seed=SEEDS, k=st.integers(1, 20), name=st.sampled_from(["topk", "topk/saelens", "topk/signed"]))
def test_codes_against_a_search_row_by_row(seed, k, name):
    design, x = prepared(name, seed, k=k), data(seed, rows=8)
    u = preactivations(design, x)
    scores = {"topk": u, "topk/signed": np.abs(u), "topk/saelens": u * design.decoder.detach().norm(dim=1).numpy()}
    expected = dense_pick(u, scores[name], k)
    if name != "topk/signed":
        expected = np.maximum(expected, 0)
    codes = design.encode(x).detach().numpy()
    np.testing.assert_allclose(codes, expected, rtol=1e-9)
    assert ((codes != 0).sum(axis=1) <= k).all()


@pytest.mark.parametrize("name", ["topk/openai", "topk/sparsify"])
def test_the_relative_error_is_the_variance_unexplained(name):
    design, x = prepared(name), data()
    unexplained = (design(x) - x).square().sum() / (x - x.mean(dim=0)).square().sum()
    torch.testing.assert_close(design.loss(x).total, unexplained)


@given(scale=st.floats(0.01, 100))
def test_the_relative_error_has_no_unit(scale):
    design, scaled, x = prepared("topk/multi"), prepared("topk/multi"), data()
    scaled.absorb_scale(1 / scale)
    torch.testing.assert_close(scaled.loss(scale * x).total, design.loss(x).total)


def test_multi_topk_adds_an_eighth_of_the_error_at_4k():
    design, wide, x = prepared("topk/multi"), prepared("topk/openai", k=12), data()
    expected = wide.loss(x).total / 8
    torch.testing.assert_close(design.loss(x).terms["multi"], expected.detach())
    assert prepared("topk/multi", k=15).loss(x).total.isfinite()  # 60 latents asked for, of 20


@pytest.mark.parametrize("aux_count", [None, 2, 7, 50])
@pytest.mark.parametrize("name", ["topk", "topk/saelens", "topk/signed"])
def test_auxk_against_the_formula(name, aux_count):
    design, x = prepared(name, aux_count=aux_count, dead_after=100), data()
    design.idle[[1, 4, 5, 8, 12]] = 100
    design.idle[[2, 3]] = 99  # not yet dead
    design.begin_step(5, 10)
    count, dead = aux_count or 3, [1, 4, 5, 8, 12]
    D = design.decoder.detach().numpy()
    u = preactivations(design, x)[:, dead]
    scores = {"topk": u, "topk/signed": np.abs(u), "topk/saelens": u * np.linalg.norm(D[dead], axis=1)}[name]
    codes = dense_pick(u, scores, count)
    if name != "topk/signed":
        codes = np.maximum(codes, 0)
    e = (x - design(x)).detach().numpy()
    left = ((e - codes @ D[dead]) ** 2).sum(axis=1).mean()
    expected = left / ((e - e.mean(axis=0)) ** 2).sum(axis=1).mean() / 32
    if name == "topk/saelens":
        expected = left * min(5 / count, 1)
    assert float(design.loss(x).terms["auxiliary"]) == pytest.approx(expected, rel=1e-6)


def test_auxk_trains_the_dead_and_only_them():
    design, x = prepared("topk", dead_after=100), data()
    design.idle[:10] = 100
    gradients = []
    for step_with in (False, True):
        design.begin_step(0, 1) if step_with else None
        design.zero_grad()
        design.loss(x).total.backward()
        gradients.append(design.decoder.grad.clone())
    changed = (gradients[0] != gradients[1]).any(dim=1)
    assert changed[:10].any()
    assert not changed[10:].any()


def test_no_dead_latents_no_auxk():
    design, x = prepared("topk"), data()
    design.begin_step(0, 1)
    assert "auxiliary" not in design.loss(x).terms
    sparsify = prepared("topk/sparsify", dead_after=1)
    sparsify.idle.fill_(10)
    sparsify.begin_step(0, 1)
    assert "auxiliary" not in sparsify.loss(x).terms


def alive_after_training(name: str, coefficient: float) -> int:
    """How many fire of ten latents that start too weak to be among the largest."""
    design, x = get(name, width=6, atoms=20, k=1, aux_coefficient=coefficient, dead_after=300), data(rows=100).float()
    with torch.no_grad():
        design.encoder[10:] *= 1e-3
    optimiser = torch.optim.Adam(design.parameters(), lr=0.02)
    for i in range(60):
        design.begin_step(i, 60)
        loss = design.loss(x)
        optimiser.zero_grad()
        loss.total.backward()
        design.project_gradients()
        optimiser.step()
        design.end_step(loss, len(x))
    return int((design.encode(x)[:, 10:] != 0).any(dim=0).sum())


@pytest.mark.parametrize("name", ["topk", "topk/saelens", "batch-topk", "matryoshka"])
def test_auxk_revives_planted_dead_latents(name):
    assert alive_after_training(name, 1.0) >= alive_after_training(name, 0.0) + 4


def test_k_falls_from_the_width_to_its_value():
    design, x = prepared("topk", anneal=0.5), data()
    seen = []
    for i in (0, 1, 2, 4, 9):
        design.begin_step(i, 10)
        seen.append(design.k)
    assert seen == [6, 5, 4, 3, 3]  # round(6 - 3 * 0, .25, .5, 1): 4.5 to even
    whole = prepared("topk", anneal=1.0)
    whole.begin_step(9, 10)
    assert whole.k == 3
    above = prepared("topk", anneal=1.0, k=10)
    above.begin_step(0, 10)
    assert above.k == 10  # k is beyond the width: nothing to fall from
    assert ((design.encode(x) != 0).sum(dim=1) <= 3).all()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"k": 21}, "k must be at most atoms = 20, got 21; the nearest possible is 20"),
        ({"k": 0}, "k"),
        ({"k": 2.5}, "whole number"),
        ({"anneal": 2.0}, "anneal"),
        ({"aux_coefficient": -1.0}, "aux_coefficient"),
        ({"aux_count": 0}, "aux_count"),
        ({"dead_after": 0}, "dead_after"),
        ({"multi": -0.1}, "multi"),
        ({"initial_norm": 0.5}, "initial_norm"),
        ({"kk": 3}, "did you mean 'k'"),
    ],
)
def test_impossible_settings_are_refused_by_name(wrong, named):
    with pytest.raises(ValueError, match=named):
        config("topk", **{**SIZES, **wrong})
