"""SASA with as many groups as a token needs."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from sasa_theory.designs import get
from sasa_theory.designs.atoms.top_afa import match_length
from sasa_theory.designs.soft_topk import soft_topk
from sasa_theory.testing.strategies import SEEDS

SIZE = {"width": 7, "groups": 6, "rank": 2}


def batch(seed: int, rows: int, width: int = 7) -> torch.Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def design_of(name: str, seed: int = 0, **settings):
    design = get(name, seed=seed, **{**SIZE, "active": 6, **settings}).double()
    with torch.no_grad():
        for parameter in design.parameters():
            parameter += 0.2 * torch.randn(
                parameter.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
            )
    return design


def blocks_of(design, codes: torch.Tensor) -> torch.Tensor:
    """What each group adds, shape (n, groups, width)."""
    return torch.einsum("nkr,krd->nkd", codes.unflatten(1, (-1, 2)), design.decoder.unflatten(0, (-1, 2)))


@given(SEEDS)
def test_afa_keeps_groups_until_their_contributions_are_as_long_as_the_input(seed):
    design, x = design_of("sasa/afa", seed, penalty="none", afa_coefficient=0.3), batch(seed, 9)
    p = (x - design.decoder_bias) @ design.encoder.T
    lengths, target = blocks_of(design, p).norm(dim=2), (x - design.decoder_bias).norm(dim=1)
    kept = match_length(lengths, target)
    codes = p * kept.repeat_interleave(2, dim=1)
    torch.testing.assert_close(design.encode(x), codes)
    gaps = ((lengths * kept).norm(dim=1) - target.detach()).square().mean()
    expected = (design(x) - x).square().sum(dim=1).mean() + 0.3 * gaps
    loss = design.loss(x)
    torch.testing.assert_close(loss.total, expected)
    wanted = torch.autograd.grad(expected, list(design.parameters()))
    for got, want in zip(torch.autograd.grad(loss.total, list(design.parameters())), wanted, strict=True):
        torch.testing.assert_close(got, want)


@pytest.mark.parametrize("name", ["sasa/afa", "sasa/soft"])
def test_a_scale_of_the_activations_is_absorbed(name):
    design, absorbed, x = design_of(name, active=2), design_of(name, active=2), batch(3, 9)
    absorbed.absorb_scale(0.3)
    torch.testing.assert_close(design(0.3 * x), 0.3 * absorbed(x))


def test_soft_groups_count_as_firing_where_their_gate_is_half_open():
    design, x = design_of("sasa/soft", active=2), batch(4, 9)
    design.begin_step(0, 100)
    norms = design.presence(design.preactivations(x))
    gates = soft_topk(norms, design.counts(x), torch.tensor(1.0, dtype=torch.float64))
    assert torch.equal(design.loss(x).fired, (gates >= 0.5).sum(dim=0))


@given(SEEDS, st.integers(1, 5))
def test_afa_takes_at_most_the_active_groups_and_those_of_largest_norm(seed, active):
    codes = design_of("sasa/afa", seed, active=active).encode(batch(seed, 9))
    every = design_of("sasa/afa", seed)
    norms = every.presence(every.preactivations(batch(seed, 9)))
    on = codes.unflatten(1, (-1, 2)).any(dim=2)
    assert int(on.sum(dim=1).max()) <= active
    assert bool((norms.masked_fill(~on, torch.inf).min(dim=1).values >= norms.topk(active).values[:, -1]).all())


@given(SEEDS)
def test_afa_turns_and_rescales_with_the_blocks(seed):
    design, x = design_of("sasa/afa", seed), batch(seed, 9)
    before, loss = design(x), design.loss(x).total
    mixes = torch.linalg.qr(torch.stack([batch(seed + i, 2, 2) for i in range(6)])).Q
    mixes *= torch.linspace(0.5, 2, 6, dtype=torch.float64)[:, None, None]
    with torch.no_grad():
        encoder, decoder = (w.unflatten(0, (6, 2)) for w in (design.encoder, design.decoder))
        design.encoder.copy_((mixes @ encoder).flatten(0, 1))
        design.decoder.copy_((torch.linalg.inv(mixes).mT @ decoder).flatten(0, 1))
    torch.testing.assert_close(design(x), before)
    torch.testing.assert_close(design.loss(x).total, loss, rtol=1e-4, atol=0)  # the norm's ridge is not invariant


def test_afa_learns_on_when_a_group_has_lost_directions():
    """The penalty on ranks means to take rows to 0, or to make them dependent."""
    design, x = get("sasa/afa", width=8, groups=4, rank=3, active=4), batch(0, 32, 8).float()
    with torch.no_grad():
        design.decoder[:3] = 0.0
        design.decoder[4] = design.decoder[3]
    gradients = torch.autograd.grad(design.loss(x).total, list(design.parameters()))
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)


@given(SEEDS)
def test_afa_finds_the_true_number_of_orthogonal_groups(seed):
    design = get("sasa/afa", width=12, groups=6, rank=2, active=6).double()
    basis = torch.linalg.qr(batch(seed, 12, 12)).Q
    with torch.no_grad():
        design.encoder.copy_(basis)
        design.decoder.copy_(basis)
    generator = torch.Generator().manual_seed(seed)
    true = torch.randint(1, 7, (20,), generator=generator)
    on = torch.rand(20, 6, generator=generator).argsort(dim=1).argsort(dim=1) < true.unsqueeze(1)
    codes = (batch(seed + 1, 20, 12).unflatten(1, (6, 2)) * on.unsqueeze(2)).flatten(1)
    torch.testing.assert_close(design.encode(codes @ basis), codes, rtol=0, atol=1e-6)


@given(SEEDS)
def test_soft_gates_multiply_whole_groups(seed):
    design, x = design_of("sasa/soft", seed, active=2, alpha_share=0.5, penalty="none"), batch(seed, 9)
    design.begin_step(20, 100)
    alpha = 1 + (1e-4 - 1) * 20 / 49
    p = (x - design.decoder_bias) @ design.encoder.T
    norms, net = p.unflatten(1, (-1, 2)).norm(dim=2), design.counter
    hidden = ((x - design.decoder_bias) @ net.weight.T + net.bias).relu()
    counts = (4 * torch.sigmoid(hidden @ net.read_out + net.offset)).clamp(1, 6)
    gates = soft_topk(norms, counts, torch.tensor(alpha, dtype=torch.float64)).repeat_interleave(2, dim=1)
    loss = design.loss(x)
    error = (design.decode(p * gates) - x).square().sum(dim=1).mean()
    budget = functional.softplus(5 * (counts.mean() - 2)) / 5
    torch.testing.assert_close(loss.total, error + budget)
    best = norms.argsort(dim=1, descending=True).argsort(dim=1) < counts.floor().unsqueeze(1)
    torch.testing.assert_close(design.encode(x), p * best.repeat_interleave(2, dim=1))


@pytest.mark.parametrize("name", ["sasa/afa", "sasa/soft"])
def test_nuclear_norms_and_revival_are_those_of_sasa(name):
    settings = {"active": 3, "dead_after": 10, "aux_coefficient": 0.5}
    design, x = design_of(name, **settings), batch(1, 20)
    design.idle[:2] = 10
    for step in (5, 9):
        design.begin_step(step, 10)
        terms = design.loss(x).terms
        sasa = get("sasa/paper", **SIZE, **settings).double()
        sasa.load_state_dict({k: v for k, v in design.state_dict().items() if k in sasa.state_dict()})
        sasa.begin_step(step, 10)
        torch.testing.assert_close(terms["nuclear"], sasa.loss(x).terms["nuclear"])
        assert float(terms["auxiliary"]) > 0
    assert ("budget" in terms) is False  # the last step is hard


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("sasa/afa", {"active": 7}, "nearest possible is 6"),
        ("sasa/afa", {"active": 2, "afa_coefficient": -0.1}, "afa_coefficient"),
        ("sasa/soft", {"active": 2, "alpha_start": 0}, "alpha_start"),
        ("sasa/soft", {"active": 2, "balance": 0.5}, "balance must be 0"),
        ("sasa/soft", {"active": 2, "anneal": 0.1}, "field of SoftSasaConfig"),
    ],
)
def test_impossible_settings_are_refused(name, settings, message):
    with pytest.raises(ValueError, match=message):
        get(name, **SIZE, **settings)
