from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory.designs import config, get
from sasa_theory.designs.atoms.jumprelu import jump, step
from sasa_theory.testing.strategies import SEEDS

SIZES = {"width": 5, "atoms": 9, "threshold": 0.3, "bandwidth": 0.4}


def data(rows: int = 200) -> torch.Tensor:
    return torch.randn(rows, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@given(seed=SEEDS, bandwidth=st.floats(0.05, 2))
def test_pseudo_derivatives_are_the_documented_ones(seed, bandwidth):
    rng = np.random.default_rng(seed)
    u, theta, g = rng.standard_normal((6, 3)), rng.uniform(0.05, 1, 3), rng.standard_normal((6, 3))
    near = np.abs(u - theta) < bandwidth / 2
    expected = {
        jump: (u * (u > theta), g * (u > theta), (-(theta / bandwidth) * near * g).sum(axis=0)),
        step: (1.0 * (u > theta), 0 * g, (-(1 / bandwidth) * near * g).sum(axis=0)),
    }
    for function, (value, by_u, by_theta) in expected.items():
        tu, tt = torch.tensor(u, requires_grad=True), torch.tensor(theta, requires_grad=True)
        result = function(tu, tt, bandwidth)
        result.backward(torch.tensor(g))
        np.testing.assert_allclose(result.detach(), value)
        np.testing.assert_allclose(np.zeros_like(u) if tu.grad is None else tu.grad, by_u)
        np.testing.assert_allclose(tt.grad, by_theta, atol=1e-12)


def test_the_gradient_of_the_log_threshold_is_theta_times_as_large():
    design, x = get("jumprelu", **SIZES, sparsity=0.7).double(), data()
    design.loss(x).total.backward()
    u = design.preactivations(x).detach()
    theta, near = 0.3, ((u - 0.3).abs() < 0.2).double()
    pull = 2 * (design(x) - x).detach() @ design.decoder.detach().T
    by_theta = (-(theta / 0.4) * near * pull - 0.7 / 0.4 * near).mean(dim=0)
    torch.testing.assert_close(design.log_threshold.grad, theta * by_theta, rtol=1e-5, atol=1e-7)


def test_the_step_is_differentiated_as_the_expected_count():
    """Averaged over many rows, the rectangle's slope is that of the mean count: minus the density of u at theta."""
    u = torch.randn(400_000, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    theta = torch.tensor([0.5], dtype=torch.float64, requires_grad=True)
    step(u, theta, 0.2).mean().backward()
    density = math.exp(-(0.5**2) / 2) / math.sqrt(2 * math.pi)
    assert float(theta.grad) == pytest.approx(-density, rel=0.02)


@pytest.mark.parametrize("name", ["jumprelu", "jumprelu/target", "jumprelu/tanh"])
def test_codes_and_penalties_against_the_formula(name):
    settings = {"jumprelu": {"sparsity": 0.7}, "jumprelu/target": {"target_l0": 2.5}, "jumprelu/tanh": {}}[name]
    design, x = get(name, **SIZES, **settings).double(), data()
    with torch.no_grad():
        design.encoder *= 4
    u = (x @ design.encoder.T).detach().numpy()
    f = np.where(u > 0.3, u, 0)
    np.testing.assert_allclose(design.encode(x).detach().numpy(), f)
    l0 = (f > 0).sum(axis=1).mean()
    norms = np.linalg.norm(design.decoder.detach().numpy(), axis=1)
    expected = {
        "jumprelu": 0.7 * l0,
        "jumprelu/target": (l0 / 2.5 - 1) ** 2,
        "jumprelu/tanh": np.tanh(4 * f * norms).sum(axis=1).mean(),
    }[name]
    assert float(design.loss(x).terms["sparsity"]) == pytest.approx(expected, rel=1e-6)


def test_codes_lie_above_thresholds_that_stay_positive():
    design, x = get("jumprelu", **SIZES, sparsity=1.0).double(), data()
    optimiser = torch.optim.Adam(design.parameters(), lr=1.0)
    for i in range(10):
        optimiser.zero_grad()
        design.begin_step(i, 10)
        design.loss(x).total.backward()
        optimiser.step()
    assert (design.threshold > 0).all()
    codes, below = design.encode(x), design.threshold.expand(len(x), -1)
    assert (codes[codes != 0] > below[codes != 0]).all()


def train(design, x, steps: int) -> None:
    optimiser = torch.optim.Adam(design.parameters(), lr=0.04)
    for i in range(steps):
        design.begin_step(i, steps)
        loss = design.loss(x)
        optimiser.zero_grad()
        loss.total.backward()
        design.project_gradients()
        optimiser.step()
        design.end_step(loss, len(x))


@pytest.mark.parametrize(("coefficient", "revives"), [(1.0, True), (0.0, False)])
def test_the_pull_revives_a_planted_dead_latent(coefficient, revives):
    design, x = get("jumprelu", **SIZES, sparsity=0.01, dead_coefficient=coefficient, dead_after=400), data()
    with torch.no_grad():
        design.encoder_bias[4] = -6.0
    train(design, x.float(), 150)
    assert bool((design.encode(x.float())[:, 4] > 0).any()) == revives


def test_the_pull_against_the_formula_touches_dead_latents_only():
    design, x = get("jumprelu", **SIZES, sparsity=0.0, dead_coefficient=0.5, dead_after=10).double(), data()
    design.idle[:3] = 10
    design.begin_step(0, 1)
    gap = (0.3 - design.preactivations(x)).relu()[:, :3].sum(dim=1).mean()
    torch.testing.assert_close(design.loss(x).terms["dead"], 0.5 * gap.detach())


def test_the_target_form_reaches_its_l0():
    design, x = get("jumprelu/target", **SIZES, target_l0=2.0, sparsity=20.0), data(1000).float()
    train(design, x, 150)
    assert float(design.loss(x).active) == pytest.approx(2, abs=0.3)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"penalty": "target"}, "target_l0 must be given"),
        ({"target_l0": 3.0}, "penalty='target'"),
        ({"penalty": "target", "target_l0": 10.0}, "target_l0"),
        ({"penalty": "target", "target_l0": 0.0}, "target_l0"),
        ({"penalty": "l00"}, "did you mean 'l0'"),
        ({"threshold": 0.0}, "threshold"),
        ({"bandwidth": -1.0}, "bandwidth"),
        ({"dead_after": 0}, "dead_after"),
        ({"dead_coefficient": -1.0}, "dead_coefficient"),
    ],
)
def test_impossible_settings_are_refused_by_name(wrong, named):
    with pytest.raises(ValueError, match=named):
        config("jumprelu", **{**SIZES, "sparsity": 1.0, **wrong})
