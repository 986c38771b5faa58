"""Matching pursuit against a pursuit written out, and what theory promises of it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory.designs import get
from sasa_theory.designs.groups.orthonormal_blocks import retract
from sasa_theory.testing.strategies import SEEDS


def design_of(name: str, seed: int = 0, **settings) -> torch.nn.Module:
    design = get(name, seed=seed, **settings).double()
    retract(design.decoder.detach(), design.rank)  # in float64
    with torch.no_grad():
        design.decoder_bias += 0.1
    return design


def batch(seed: int, rows: int, width: int) -> torch.Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def pursued(design, x: torch.Tensor, steps: int, signed: bool) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """One unit at a time, as the definition says: the code and the residuals. Differentiable."""
    blocks = design.decoder.unflatten(0, (-1, design.rank))
    e = x - design.decoder_bias
    codes, residuals = torch.zeros(len(x), *blocks.shape[:2], dtype=x.dtype), [e]
    for _ in range(steps):
        p = torch.einsum("nd,krd->nkr", e, blocks)
        best = (p.norm(dim=-1) if signed else p[..., 0]).argmax(dim=1)
        value = p[torch.arange(len(x)), best]
        value = value if signed else value.relu()
        codes = codes.index_put((torch.arange(len(x)), best), value, accumulate=True)
        e = e - torch.einsum("nr,nrd->nd", value, blocks[best])
        residuals.append(e)
    return codes.flatten(1), residuals


CASES = [
    ("matching-pursuit", {"atoms": 12}, False),
    ("matching-pursuit/signed", {"atoms": 12}, True),
    ("matching-pursuit/group", {"groups": 6, "rank": 2}, True),
]


@pytest.mark.parametrize(("name", "size", "signed"), CASES)
@pytest.mark.parametrize("rows", [1, 9])  # few rows: products; more of them: the Gram matrix
def test_codes_and_gradients_are_those_of_the_definition(name, size, signed, rows):
    design, x = design_of(name, width=5, steps=6, **size), batch(1, rows, 5)
    codes, residuals = pursued(design, x, 6, signed)
    torch.testing.assert_close(design.encode(x), codes)
    torch.testing.assert_close(x - design(x), residuals[-1])
    loss = design.loss(x)
    expected = residuals[-1].square().sum(dim=1).mean()
    torch.testing.assert_close(loss.total, expected)
    grads = torch.autograd.grad(loss.total, list(design.parameters()))
    for got, want in zip(grads, torch.autograd.grad(expected, list(design.parameters())), strict=True):
        torch.testing.assert_close(got, want)


@given(st.sampled_from(CASES), SEEDS, st.integers(1, 6))
def test_the_residual_never_grows_with_the_steps(case, seed, steps):
    name, size, signed = case
    x = batch(seed, 8, 5)
    errors = [(x - design_of(name, seed, width=5, steps=t, **size)(x)).norm(dim=1) for t in (steps, steps + 1)]
    assert bool((errors[1] <= errors[0] + 1e-12).all())
    codes = design_of(name, seed, width=5, steps=steps, **size).encode(x)
    assert signed or bool((codes >= 0).all())
    assert int((codes.unflatten(1, (-1, size.get("rank", 1))) != 0).any(dim=2).sum(dim=1).max()) <= steps


@given(SEEDS)
def test_where_no_atom_points_at_the_input_nothing_is_taken(seed):
    design = design_of("matching-pursuit", seed, width=3, atoms=2, steps=5)
    x = design.decoder_bias - design.decoder.sum(dim=0).expand(2, -1)
    codes = design.encode(x)
    expected, _ = pursued(design, x, 5, signed=False)
    assert torch.equal(codes != 0, expected != 0)


@given(SEEDS, st.integers(1, 4))
def test_an_orthonormal_dictionary_is_recovered_exactly(seed, active):
    design = design_of("matching-pursuit/group", seed, width=12, groups=4, rank=3, steps=active)
    basis = torch.linalg.qr(batch(seed + 1, 12, 12)).Q
    with torch.no_grad():
        design.decoder.copy_(basis)
    codes = batch(seed + 2, 5, 12).unflatten(1, (4, 3))
    silent = torch.rand(5, 4, generator=torch.Generator().manual_seed(seed)).argsort(dim=1).argsort(dim=1) >= active
    codes = codes.masked_fill(silent.unsqueeze(-1), 0).flatten(1)
    torch.testing.assert_close(design.encode(design.decode(codes)), codes)


@given(SEEDS)
def test_in_low_coherence_only_true_atoms_are_taken_and_the_residual_vanishes(seed):
    # spikes and a Hadamard basis: coherence 1/4, so that supports below (1 + 4) / 2 are never left
    hadamard = torch.tensor([[1.0]], dtype=torch.float64)
    for _ in range(4):
        hadamard = torch.cat((torch.cat((hadamard, hadamard), 1), torch.cat((hadamard, -hadamard), 1)))
    design = design_of("matching-pursuit/signed", width=16, atoms=32, steps=40)
    with torch.no_grad():
        design.decoder.copy_(torch.cat((torch.eye(16, dtype=torch.float64), hadamard / 4)))
    generator = torch.Generator().manual_seed(seed)
    codes = torch.zeros(6, 32, dtype=torch.float64)
    support = torch.rand(6, 32, generator=generator).argsort(dim=1)[:, :2]
    codes.scatter_(1, support, torch.randn(6, 2, generator=generator, dtype=torch.float64))
    torch.testing.assert_close(design.encode(design.decode(codes)), codes, rtol=0, atol=1e-10)


@given(SEEDS)
def test_groups_of_rank_one_are_signed_atoms(seed):
    atoms = get("matching-pursuit/signed", seed=seed, width=6, atoms=9, steps=4)
    groups = get("matching-pursuit/group", seed=seed, width=6, groups=9, rank=1, steps=4)
    x = batch(seed, 7, 6).float()
    torch.testing.assert_close(atoms.encode(x), groups.encode(x))
    torch.testing.assert_close(atoms.loss(x).total, groups.loss(x).total)


@given(SEEDS)
def test_codes_turn_with_the_basis_of_a_block_and_reconstructions_do_not(seed):
    design = design_of("matching-pursuit/group", seed, width=7, groups=5, rank=3, steps=3)
    x = batch(seed, 6, 7)
    codes, x_hat = design.encode(x), design(x)
    turns = torch.linalg.qr(torch.stack([batch(seed + i, 3, 3) for i in range(5)])).Q
    with torch.no_grad():
        design.decoder.copy_((turns @ design.decoder.unflatten(0, (5, 3))).flatten(0, 1))
    torch.testing.assert_close(design(x), x_hat)
    torch.testing.assert_close(
        design.encode(x), torch.einsum("nkr,ksr->nks", codes.unflatten(1, (5, 3)), turns).flatten(1)
    )


def test_steps_keep_blocks_orthonormal_and_gradients_along_them():
    design, x = design_of("matching-pursuit/group", width=7, groups=5, rank=3, steps=2), batch(3, 30, 7)
    loss = design.loss(x)
    loss.total.backward()
    design.project_gradients()
    blocks, gradient = design.decoder.detach().unflatten(0, (5, 3)), design.decoder.grad.unflatten(0, (5, 3))
    change = gradient @ blocks.mT  # first-order change of the Gram matrix is its symmetric part
    torch.testing.assert_close(change + change.mT, torch.zeros(5, 3, 3, dtype=torch.float64))
    again = design.decoder.grad.clone()
    design.project_gradients()
    torch.testing.assert_close(design.decoder.grad, again)
    with torch.no_grad():
        design.decoder += 0.3 * batch(4, 15, 7)
    spans = torch.linalg.svd(design.decoder.detach().unflatten(0, (5, 3)), full_matrices=False).Vh
    design.end_step(loss, len(x))
    blocks = design.decoder.detach().unflatten(0, (5, 3))
    torch.testing.assert_close(blocks @ blocks.mT, torch.eye(3, dtype=torch.float64).expand(5, 3, 3))
    torch.testing.assert_close(blocks.mT @ blocks, spans.mT @ spans)


def test_a_dead_atom_finds_work_where_asked_to():
    def trained(coefficient: float) -> torch.Tensor:
        # one atom already explains x_0; x_1 is explained by none but the dead one, which never wins
        design = get("matching-pursuit", width=3, atoms=2, steps=1, dead_after=10, aux_coefficient=coefficient, seed=3)
        with torch.no_grad():
            design.decoder.copy_(torch.tensor([[1.0, 0.0, 0.0], [-0.6, 0.8, 0.0]]))
        design.idle[1] = 10
        x = torch.tensor([[3.0, 0.5, 0.0], [3.0, 0.0, 0.5], [2.0, 0.6, 0.3], [2.0, 0.1, 0.0]])
        optimiser = torch.optim.SGD(design.parameters(), lr=0.05)
        design.decoder_bias.requires_grad_(False)
        design.begin_step(0, 1)
        for _ in range(30):
            loss = design.loss(x)
            assert ("auxiliary" in loss.terms) == (coefficient > 0)
            optimiser.zero_grad()
            loss.total.backward()
            optimiser.step()
        return design.decoder.detach()[1]

    asleep, revived = trained(0.0), trained(1.0)
    torch.testing.assert_close(asleep, torch.tensor([-0.6, 0.8, 0.0]))
    assert not torch.allclose(revived, asleep)


def test_only_the_dead_explain_what_is_left():
    design = get("matching-pursuit", width=5, atoms=9, steps=2, dead_after=10, aux_coefficient=0.5).double()
    x = torch.randn(20, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    design.idle[:3] = 10
    design.begin_step(0, 1)
    left = x - design(x)
    dead = get("matching-pursuit", width=5, atoms=3, steps=2).double()
    dead.load_state_dict({"decoder": design.decoder[:3], "decoder_bias": dead.decoder_bias}, strict=False)
    expected = 0.5 * (left - dead(left)).square().sum() / (left - left.mean(dim=0)).square().sum()
    torch.testing.assert_close(design.loss(x).terms["auxiliary"], expected.detach())


def test_the_coefficient_is_the_buffers_so_that_members_may_differ():
    design = get("matching-pursuit", width=3, atoms=4, steps=1, dead_after=10)
    design.idle[1] = 10
    for coefficient in (0.5, 0.0):
        design.aux_coefficient.fill_(coefficient)
        design.begin_step(0, 1)
        assert ("auxiliary" in design.loss(torch.eye(3)).terms) == (coefficient > 0)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("matching-pursuit", {"atoms": 4, "steps": 0}, "steps must be in"),
        ("matching-pursuit", {"atoms": 4, "steps": 2, "aux_coefficient": -1}, "aux_coefficient"),
        ("matching-pursuit", {"atoms": 4, "step": 2}, "did you mean 'steps'"),
        ("matching-pursuit/group", {"groups": 4, "rank": 9, "steps": 2}, "nearest possible is 5"),
        ("matching-pursuit/group", {"groups": 4, "rank": 2, "steps": 2, "signed": True}, "signed"),
    ],
)
def test_impossible_settings_are_refused(name, settings, message):
    with pytest.raises(ValueError, match=message):
        get(name, width=5, **settings)
