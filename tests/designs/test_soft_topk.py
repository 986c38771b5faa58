"""Batched soft top-k against its NumPy reference, and its gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.func import vmap

from sasa_theory import bounds
from sasa_theory.designs.soft_topk import hard_topk, soft_topk
from sasa_theory.testing.strategies import SEEDS

KINDS = ("gaussian", "far away", "far apart", "rectified", "ties")


def scores_of(kind: str, seed: int, m: int, rows: int = 3) -> torch.Tensor:
    z = torch.randn(rows, m, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return {
        "gaussian": z,
        "far away": z + 1000,
        "far apart": (4 * z).exp(),
        "rectified": z.relu(),
        "ties": z.round(),
    }[kind]


@given(
    st.sampled_from(KINDS),
    SEEDS,
    st.integers(2, 60),
    st.floats(0.001, 0.999),
    st.booleans(),
    st.floats(-8, 4).map(lambda power: 10**power),
)
def test_gates_and_jacobians_are_those_of_the_reference(kind, seed, m, part, whole, alpha):
    scores = scores_of(kind, seed, m)
    kappa = float(min(m - 1, max(1, round(part * m)))) if whole else part * m
    scores.requires_grad_()
    budget = torch.full((3,), kappa, dtype=torch.float64, requires_grad=True)
    gates = soft_topk(scores, budget, torch.tensor(alpha, dtype=torch.float64))
    upstream = torch.randn(3, m, generator=torch.Generator().manual_seed(seed + 1), dtype=torch.float64)
    to_scores, to_budget = torch.autograd.grad((gates * upstream).sum(), (scores, budget))
    for i in range(3):
        found = bounds.soft_topk(scores[i].detach().numpy(), kappa, alpha)
        np.testing.assert_allclose(gates[i].detach(), found.gates, atol=1e-10)
        slope = found.jacobian_scores.T @ upstream[i].numpy()
        np.testing.assert_allclose(to_scores[i], slope, atol=1e-9 * float(upstream[i].abs().sum()) / alpha)
        # the slope in the budget is a softmax of distances from the threshold, which are reckoned in units of alpha
        distance = np.abs(scores[i].detach().numpy() - found.threshold).max() / alpha
        expected = float(found.jacobian_budget @ upstream[i].numpy())
        assert float(to_budget[i]) == pytest.approx(expected, abs=1e-9 + 1e-13 * distance * m)


@given(st.sampled_from(KINDS), SEEDS, st.integers(2, 300), st.floats(0.001, 0.999), st.floats(-6, 3))
def test_gates_spend_the_budget_keep_the_order_and_ignore_a_shift(kind, seed, m, part, power):
    scores, alpha = scores_of(kind, seed, m), torch.tensor(10**power, dtype=torch.float64)
    kappa = part * m * torch.tensor([1.0, 0.5, 0.1], dtype=torch.float64)  # each row its own
    gates = soft_topk(scores, kappa, alpha)
    torch.testing.assert_close(gates.sum(dim=1), kappa, rtol=1e-9, atol=0)
    assert bool(((gates >= 0) & (gates <= 1)).all())
    assert bool((gates.gather(1, scores.argsort(dim=1)).diff(dim=1) >= 0).all())
    shifted = soft_topk(scores + 2.0**-3, kappa, alpha)
    torch.testing.assert_close(gates, shifted, rtol=0, atol=min(1.0, 1e-12 / float(alpha)))


def test_float32_neither_overflows_nor_loses_the_budget():
    for kind in KINDS:
        scores = scores_of(kind, 5, 4000).float().requires_grad_()
        for alpha in (1e-8, 1e-4, 1.0, 1e4):
            for kappa in (0.5, 40.0, 40.3, 3999.5):
                budget = torch.tensor([kappa] * 3, requires_grad=True)
                gates = soft_topk(scores, budget, torch.tensor(alpha))
                torch.testing.assert_close(gates.sum(dim=1), budget, rtol=1e-4, atol=0)
                slopes = torch.autograd.grad(gates.square().sum(), (scores, budget))
                assert all(bool(slope.isfinite().all()) for slope in slopes)


@given(SEEDS, st.integers(2, 50), st.data())
def test_small_scales_give_the_hard_mask(seed, m, data):
    scores = torch.randperm(m, generator=torch.Generator().manual_seed(seed)).double().expand(2, m)
    k = torch.tensor([data.draw(st.integers(1, m - 1)), 1])
    mask = hard_topk(scores, k)
    torch.testing.assert_close(soft_topk(scores, k.double(), torch.tensor(1e-4).double()), mask.double())
    assert mask.sum(dim=1).tolist() == k.tolist()
    assert float(scores[mask].min()) >= float(scores[0][~mask[0]].max())


@pytest.mark.parametrize("alpha", [0.05, 1.0, 20.0])
def test_gradcheck(alpha):
    scores = scores_of("gaussian", 2, 9).requires_grad_()
    kappa = torch.tensor([0.7, 3.0, 7.6], dtype=torch.float64, requires_grad=True)
    scale = torch.tensor(alpha, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda z, k: soft_topk(z, k, scale), (scores, kappa))
    one = torch.tensor(2.5, dtype=torch.float64, requires_grad=True)  # one budget for all rows
    assert torch.autograd.gradcheck(lambda z, k: soft_topk(z, k, scale), (scores, one))


def test_members_of_an_ensemble_may_differ_in_everything():
    scores = torch.stack([scores_of("gaussian", seed, 12) for seed in range(4)])
    kappa = torch.tensor([[1.0, 2.0, 3.5]] * 4, dtype=torch.float64) + torch.arange(4).unsqueeze(1)
    alpha = torch.tensor([1e-3, 0.1, 1.0, 10.0], dtype=torch.float64)
    together = vmap(soft_topk)(scores, kappa, alpha)
    shared = vmap(soft_topk, in_dims=(None, 0, None))(scores[0], kappa, alpha[1])
    last = vmap(soft_topk, in_dims=(2, None, None))(scores.movedim(0, 2), kappa[0], alpha[1])
    for i in range(4):
        torch.testing.assert_close(together[i], soft_topk(scores[i], kappa[i], alpha[i]))
        torch.testing.assert_close(shared[i], soft_topk(scores[0], kappa[i], alpha[1]))
        torch.testing.assert_close(last[i], soft_topk(scores[i], kappa[0], alpha[1]))


def test_a_budget_that_cannot_be_met_is_held_at_the_nearest():
    scores, alpha = scores_of("gaussian", 1, 6), torch.tensor(0.5, dtype=torch.float64)
    everything = soft_topk(scores, torch.tensor(6.0, dtype=torch.float64), alpha)
    torch.testing.assert_close(everything, torch.ones_like(everything))
    nothing = soft_topk(scores, torch.tensor(-1.0, dtype=torch.float64), alpha)
    torch.testing.assert_close(nothing, torch.zeros_like(nothing))


def test_parts_that_fit_the_cache_change_nothing():
    scores, alpha = scores_of("rectified", 3, 9000, rows=70), torch.tensor(0.1, dtype=torch.float64)
    kappa = torch.linspace(1, 500, 70, dtype=torch.float64)
    gates = soft_topk(scores, kappa, alpha)
    torch.testing.assert_close(gates[64:], soft_topk(scores[64:], kappa[64:], alpha))
