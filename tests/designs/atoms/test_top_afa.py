"""top-AFA: the number of latents that makes the code as long as the input."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory.designs import get
from sasa_theory.designs.atoms.top_afa import match_length
from sasa_theory.testing.strategies import SEEDS


def batch(seed: int, rows: int, width: int) -> torch.Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def design_of(name: str = "top-afa", seed: int = 0, **settings):
    design = get(name, seed=seed, **{"width": 6, "atoms": 15, **settings}).double()
    with torch.no_grad():
        design.encoder += 0.1 * batch(seed, 15, 6)
        design.decoder /= design.decoder.norm(dim=1, keepdim=True)
        design.decoder_bias += 0.3
    return design


@given(SEEDS, st.integers(1, 12), st.floats(0.01, 10))
def test_no_other_number_of_largest_parts_comes_nearer(seed, m, target):
    lengths = batch(seed, 4, m).relu()
    kept = match_length(lengths, torch.full((4,), target, dtype=torch.float64))
    for row, mask in zip(lengths, kept, strict=True):
        joint = row.sort(descending=True).values.square().cumsum(0).sqrt()
        k = int(mask.sum())
        assert k >= 1
        assert float(row[mask].norm()) == pytest.approx(float(joint[k - 1]))  # the largest ones
        gaps = (joint - target).abs()
        assert float(gaps[k - 1]) <= float(gaps.min()) + 1e-12
        assert k == 1 or float(gaps[: k - 1].min()) > float(gaps[k - 1])


@given(SEEDS, st.integers(1, 8))
def test_orthogonal_features_without_noise_give_the_true_number(seed, width):
    design = get("top-afa", width=width, atoms=width).double()
    basis = torch.linalg.qr(batch(seed, width, width)).Q
    with torch.no_grad():
        design.encoder.copy_(basis)
        design.decoder.copy_(basis)
    generator = torch.Generator().manual_seed(seed)
    true = torch.randint(1, width + 1, (20,), generator=generator)
    ranks = torch.rand(20, width, generator=generator).argsort(dim=1).argsort(dim=1)
    codes = (ranks < true.unsqueeze(1)) * (1 + torch.rand(20, width, generator=generator, dtype=torch.float64))
    found = design.encode(codes @ basis)
    torch.testing.assert_close(found, codes, rtol=0, atol=1e-6)
    assert torch.equal((found > 1e-6).sum(dim=1), true)


@pytest.mark.parametrize("name", ["top-afa", "top-afa/release"])
@pytest.mark.parametrize("constraint", ["unit", "free"])
def test_the_loss_is_that_of_the_equations(name, constraint):
    design, x = design_of(name, constraint=constraint, afa_coefficient=0.2), batch(1, 10, 6)
    with torch.no_grad():
        if constraint == "free":
            design.decoder *= torch.linspace(0.5, 2, 15).unsqueeze(1)
    latents = ((x - design.decoder_bias) @ design.encoder.T).relu()
    parts = latents * design.decoder.norm(dim=1) if constraint == "free" else latents
    kept = match_length(parts, (x - design.decoder_bias).norm(dim=1))
    x_hat = (latents * kept) @ design.decoder + design.decoder_bias
    asked = (x if name.endswith("release") else x - design.decoder_bias).norm(dim=1)
    means = (x - x_hat).square().mean() + 0.2 * ((parts * kept).norm(dim=1) - asked.detach()).square().mean()
    loss = design.loss(x)
    torch.testing.assert_close(loss.total, 6 * means)  # the source's loss, times the width
    torch.testing.assert_close(design.encode(x), latents * kept)
    wanted = torch.autograd.grad(6 * means, list(design.parameters()))
    for got, want in zip(torch.autograd.grad(loss.total, list(design.parameters())), wanted, strict=True):
        torch.testing.assert_close(got, want)


def test_dead_latents_are_revived_at_the_weight_of_the_source():
    design, x = design_of(dead_after=10), batch(2, 30, 6)
    quiet = design.loss(x)
    design.idle[:5] = 10
    design.begin_step(0, 1)
    loss = design.loss(x)
    dead = torch.arange(15) < 5
    latents = ((x - design.decoder_bias) @ design.encoder.T).relu() * dead
    best = latents.topk(3, dim=1)  # half the width
    residual = x - design(x)
    explained = torch.zeros_like(latents).scatter(1, best.indices, best.values) @ design.decoder
    spread = (residual - residual.mean(dim=0)).square().sum()
    expected = 6 / 32 * (residual - explained).square().sum() / spread
    torch.testing.assert_close(loss.terms["auxiliary"], expected.detach())
    torch.testing.assert_close(loss.total, quiet.total + expected)


def test_there_is_no_encoder_bias():
    assert "encoder_bias" not in dict(design_of().named_parameters())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss_target": "centered"}, "did you mean 'centred'"),
        ({"afa_coefficient": -1}, "afa_coefficient"),
        ({"k": 3}, "field of TopAFAConfig"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        get("top-afa", width=6, atoms=15, **settings)
