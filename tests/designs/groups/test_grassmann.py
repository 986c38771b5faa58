from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sasa_theory import designs
from sasa_theory.designs.groups.grassmann import Projectors

seeds = st.integers(0, 2**31)


def built(seed: int = 0, **settings: float) -> Projectors:
    sizes = {"width": 8, "groups": 5, "rank": 2, "active": 2}
    design = designs.get("sasa/ideal", seed=seed, **{**sizes, **settings}).double()
    assert isinstance(design, Projectors)
    return design


def rows(seed: int, n: int = 40) -> Tensor:
    return torch.randn(n, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def defect(design: Projectors) -> float:
    """How far rows are from orthonormal."""
    blocks = design.decoder.detach().unflatten(0, (-1, design.rank))
    return float((blocks @ blocks.mT - torch.eye(design.rank, dtype=torch.float64)).abs().max())


@given(seed=seeds)
def test_each_group_projects_orthogonally_on_its_subspace(seed: int) -> None:
    design, x = built(seed), rows(seed)
    expected = torch.zeros_like(x)
    blocks = design.decoder.detach().unflatten(0, (5, 2))
    assert defect(design) < 1e-6  # drawn in single precision
    for i, row in enumerate(x):
        parts = [row @ block.T @ block for block in blocks]
        for k in sorted(range(5), key=lambda k: -float(parts[k].norm()))[:2]:
            expected[i] += parts[k]
    torch.testing.assert_close(design(x), expected, rtol=1e-6, atol=1e-6)


@given(seed=seeds)
def test_gradients_do_not_turn_a_group_within_its_subspace(seed: int) -> None:
    design = built(seed)
    design.loss(rows(seed)).total.backward()
    design.project_gradients()
    assert design.decoder.grad is not None
    blocks, slopes = (t.unflatten(0, (5, 2)) for t in (design.decoder.detach(), design.decoder.grad))
    assert float((slopes @ blocks.mT).abs().max()) < 1e-6
    assert float(slopes.abs().max()) > 1e-3


def test_rows_are_orthonormal_when_due_and_at_the_end_and_stay_tied() -> None:
    design, x = built(retract_every=3), rows(0)
    optimiser = torch.optim.Adam(design.parameters(), lr=0.02)
    defects = []
    for step in range(8):
        design.begin_step(step, 8)
        optimiser.zero_grad()
        loss = design.loss(x)
        loss.total.backward()
        design.project_gradients()
        optimiser.step()
        design.end_step(loss, len(x))
        defects.append(defect(design))
    assert [found < 1e-9 for found in defects] == [False, False, True, False, False, True, False, True]
    assert (design.encoder == design.decoder).all()
    assert len(list(design.parameters())) == 2  # decoder and its bias


def test_features_of_the_rank_of_the_groups_are_recovered() -> None:
    basis = torch.linalg.qr(rows(1, 8)).Q.T.unflatten(0, (4, 2))  # four orthogonal planes
    generator = torch.Generator().manual_seed(2)
    design = built(0, groups=10, active=1, dead_after=64)
    optimiser = torch.optim.Adam(design.parameters(), lr=0.03)
    for step in range(200):
        which = torch.randint(4, (64,), generator=generator)
        x = (torch.randn(64, 1, 2, generator=generator, dtype=torch.float64) @ basis[which]).squeeze(1)
        design.begin_step(step, 200)
        optimiser.zero_grad()
        loss = design.loss(x)
        loss.total.backward()
        design.project_gradients()
        optimiser.step()
        design.end_step(loss, 64)
    blocks = design.decoder.detach().unflatten(0, (10, 2))
    capture = (blocks.unsqueeze(1) @ basis.mT).square().sum((-2, -1)) / 2
    assert (capture.max(dim=0).values > 0.99).all()
