"""SoftSAE: equations, schedules, and a number of latents that follows the token."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from sasa_theory import bounds
from sasa_theory.designs import get
from sasa_theory.testing.strategies import SEEDS


def batch(seed: int, rows: int, width: int) -> torch.Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def design_of(seed: int = 0, **settings):
    design = get("softsae", seed=seed, **{"width": 6, "atoms": 15, "k": 3, **settings}).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in design.counter.parameters():
            parameter += 0.5 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        design.encoder_bias += 0.1
    return design


def counts_of(design, x: torch.Tensor, k: float) -> torch.Tensor:
    net = design.counter
    hidden = ((x - design.decoder_bias) @ net.weight.T + net.bias).relu()
    return (2 * k * torch.sigmoid(hidden @ net.read_out + net.offset)).clamp(1, design.columns)


@given(SEEDS, st.integers(1, 15))
def test_inference_keeps_the_largest_latents_that_were_asked_for(seed, k):
    design, x = design_of(seed, k=k), batch(seed, 8, 6)
    latents = ((x - design.decoder_bias) @ design.encoder.T + design.encoder_bias).relu()
    codes = design.encode(x)
    for row, z, count in zip(codes, latents, counts_of(design, x, k).floor().long(), strict=True):
        expected = torch.zeros_like(z)
        best = z.topk(int(count)).indices
        expected[best] = z[best]
        torch.testing.assert_close(row, expected)
    torch.testing.assert_close(design.counts(x), counts_of(design, x, k))


@given(SEEDS)
def test_the_soft_loss_is_that_of_the_equations(seed):
    design, x = design_of(seed, alpha_share=0.5, anneal=0.0, budget_coefficient=0.7), batch(seed, 8, 6)
    design.begin_step(30, 100)
    alpha = 1 + (1e-4 - 1) * 30 / 49
    latents = ((x - design.decoder_bias) @ design.encoder.T + design.encoder_bias).relu()
    counts = counts_of(design, x, 3)
    gates = torch.stack(
        [
            torch.from_numpy(bounds.soft_topk(z.numpy(), float(count), alpha).gates)
            for z, count in zip(latents.detach(), counts.detach(), strict=True)
        ]
    )
    loss = design.loss(x)
    x_hat = (latents * gates) @ design.decoder + design.decoder_bias
    budget = 0.7 * functional.softplus(5 * (counts.mean() - 3)) / 5
    torch.testing.assert_close(loss.error, (x - x_hat).square().sum(dim=1).mean().detach())
    torch.testing.assert_close(loss.terms["budget"], budget.detach())
    torch.testing.assert_close(loss.total, loss.error + budget)
    assert float(loss.active) == pytest.approx(float(((gates >= 0.5) & (latents > 0)).sum() / 8))


def test_schedules_of_k_alpha_and_the_hard_selection():
    design = design_of(width=10, k=2, anneal=0.2, alpha_share=0.4, hard_share=0.3)
    seen = []
    for step in range(20):
        design.begin_step(step, 20)
        seen.append((design.k, design.schedule.alpha, design.schedule.hard))
    ks, alphas, hard = zip(*seen, strict=True)
    torch.testing.assert_close(torch.tensor(ks), torch.tensor([10, 10 - 8 / 3, 10 - 16 / 3] + [2.0] * 17))
    torch.testing.assert_close(torch.tensor(alphas[:8]), torch.linspace(1, 1e-4, 8))
    assert set(alphas[7:]) == {1e-4}
    assert hard == (False,) * 14 + (True,) * 6


def test_the_counter_learns_while_gates_are_soft_and_rests_while_they_are_hard():
    design, x = design_of(), batch(1, 20, 6)
    for step, learns in ((10, True), (99, False)):
        design.begin_step(step, 100)
        design.zero_grad()
        loss = design.loss(x)
        loss.total.backward()
        moved = design.counter.read_out.grad
        assert (moved is not None and bool(moved.any())) == learns
        assert ("budget" in loss.terms) == learns


def test_gradients_of_the_soft_loss():
    design, x = design_of(atoms=8), batch(2, 4, 6)
    design.begin_step(0, 10_000)  # k = 6: the width

    class Total(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.design = design

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.design.loss(x).total

    names = [name for name, _ in Total().named_parameters()]

    def total(*parameters):
        return functional_call(Total(), dict(zip(names, parameters, strict=True)), (x,))

    parameters = tuple(p.detach().requires_grad_() for p in design.parameters())
    assert torch.autograd.gradcheck(total, parameters)


def test_tokens_with_more_features_get_more_latents():
    # 12 orthogonal features; half of the tokens have one of them, the others six
    generator = torch.Generator().manual_seed(0)
    design = get("softsae", width=12, atoms=12, k=4, anneal=0.0, alpha_share=0.5, hard_share=0.1)
    with torch.no_grad():
        design.encoder.copy_(torch.eye(12))
        design.decoder.copy_(torch.eye(12))
        design.counter.weight.copy_(torch.eye(12))

    def tokens(rows: int) -> tuple[torch.Tensor, torch.Tensor]:
        true = torch.where(torch.rand(rows, generator=generator) < 0.5, 1, 6)
        ranks = torch.rand(rows, 12, generator=generator).argsort(dim=1).argsort(dim=1)
        return (ranks < true.unsqueeze(1)) * (1 + torch.rand(rows, 12, generator=generator)), true

    optimiser = torch.optim.Adam(design.counter.parameters(), lr=4e-2)
    for step in range(150):
        design.begin_step(step, 150)
        loss = design.loss(tokens(128)[0])
        optimiser.zero_grad()
        loss.total.backward()
        optimiser.step()
    x, true = tokens(500)
    counts = design.counts(x).detach()
    assert float(counts[true == 6].mean()) > float(counts[true == 1].mean()) + 3
    assert float(counts.mean()) < 4.5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"k": 16}, "nearest possible is 15"),
        ({"k": 2, "alpha_end": 0.0}, "alpha_end"),
        ({"k": 2, "hard_share": 1.5}, "hard_share"),
        ({"k": 2, "anneal": -0.1}, "anneal"),
        ({"k": 2, "hard": 0.1}, "did you mean 'hard_share'"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        get("softsae", width=6, atoms=15, **settings)
