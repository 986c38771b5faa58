"""Random dictionaries: uniform, orthonormal within a group, and tied as they say."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.func import functional_call, stack_module_state, vmap

from sasa_theory.designs import config, get
from sasa_theory.testing.strategies import SEEDS


@given(SEEDS, st.integers(1, 6), st.integers(1, 9), st.data())
def test_the_largest_projections_are_kept_and_added_up(seed, rank, groups, draw):
    active = draw.draw(st.integers(1, groups))
    design = get("random/groups", seed=seed, width=7, groups=groups, rank=rank, active=active).double()
    x = torch.randn(5, 7, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    for row, code, x_hat in zip(x, design.encode(x), design(x), strict=True):
        bases = design.decoder.split(rank)
        torch.testing.assert_close(bases[0] @ bases[0].mT, torch.eye(rank, dtype=x.dtype), atol=1e-6, rtol=0)
        projections = sorted((basis.mT @ basis @ row for basis in bases), key=lambda p: -float(p.norm()))
        torch.testing.assert_close(x_hat, sum(projections[:active]), atol=1e-6, rtol=0)
        assert int((code != 0).sum()) == active * rank
    assert design.units().tolist() == [k // rank for k in range(groups * rank)]


@given(SEEDS, st.integers(1, 12), st.data())
def test_atoms_are_rectified_and_groups_of_one_keep_the_sign(seed, atoms, draw):
    k = draw.draw(st.integers(1, atoms))
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(seed))
    design = get("random", seed=seed, width=4, atoms=atoms, k=k)
    torch.testing.assert_close(design.decoder.norm(dim=1), torch.ones(atoms))
    u = x @ design.decoder.mT
    kth = u.sort(dim=1, descending=True).values[:, k - 1 : k]
    torch.testing.assert_close(design.encode(x), torch.where((u >= kth) & (u > 0), u, 0.0))
    signed = get("random/groups", seed=seed, width=4, groups=atoms, rank=1, active=k)
    u = x @ signed.decoder.mT
    kth = u.abs().sort(dim=1, descending=True).values[:, k - 1 : k]
    torch.testing.assert_close(signed.encode(x), torch.where(u.abs() >= kth, u, 0.0))


def test_random_subspaces_are_uniform():
    bases = get("random/groups", width=20, groups=4000, rank=3, active=1).decoder.unflatten(0, (4000, 3))
    # Capture of any fixed plane: mean 3 * 2 / 20, deviation below .2 a subspace, so .0032 of the mean.
    assert float(bases[:, :, :2].square().sum(dim=(1, 2)).mean()) == pytest.approx(0.3, abs=0.015)
    assert float(bases.mean(dim=0).abs().max()) < 5 * (1 / 20 / 4000) ** 0.5


def test_the_centre_is_taken_off_and_put_back():
    design = get("random/groups", width=6, groups=4, rank=2, active=4)
    x = torch.randn(3, 6)
    before = design.encode(x)
    design.decoder_bias += 5.0
    torch.testing.assert_close(design.encode(x + 5.0), before, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(design(x + 5.0), before @ design.decoder + 5.0, rtol=1e-4, atol=1e-5)


def test_seeds_differ_and_nothing_is_trained():
    sizes = {"width": 6, "groups": 4, "rank": 2, "active": 2}
    one, other = get("random/groups", seed=1, **sizes), get("random/groups", seed=2, **sizes)
    assert one.decoder.equal(get("random/groups", seed=1, **sizes).decoder)
    assert not one.decoder.equal(other.decoder)
    assert not list(one.parameters())
    assert not one.loss(torch.randn(3, 6)).total.requires_grad


SIZES = [("random", {"atoms": 8, "k": 3}), ("random/groups", {"groups": 4, "rank": 2, "active": 2})]


@pytest.mark.parametrize(("name", "sizes"), SIZES)
def test_members_of_an_ensemble_are_evaluated_at_once(name, sizes):
    members = [get(name, seed=seed, width=6, **sizes) for seed in range(3)]
    x = torch.randn(5, 6)
    parameters, buffers = stack_module_state(members)
    codes = vmap(lambda p, b: functional_call(members[0], (p, b), (x,)))(parameters, buffers)
    torch.testing.assert_close(codes, torch.stack([member(x) for member in members]))


def test_refused():
    with pytest.raises(ValueError, match="k must be at most atoms = 8, got 9"):
        config("random", width=4, atoms=8, k=9)
    with pytest.raises(ValueError, match="active must be at most groups = 8, got 9"):
        config("random/groups", width=4, groups=8, rank=2, active=9)
