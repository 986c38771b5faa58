from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory import designs
from sasa_theory.designs.atoms.batch_topk import BatchTopK
from sasa_theory.designs.groups.group_batch_topk import GroupBatchTopKConfig

seeds = st.integers(0, 2**31)


def built(seed: int = 0, **settings: Any) -> BatchTopK:
    sizes = {"width": 9, "groups": 8, "rank": 3, "active": 2, **settings}
    design = designs.get("group-batch-topk", seed=seed, **sizes).double()
    assert isinstance(design, BatchTopK)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        assert design.encoder_bias is not None
        for bias in (design.encoder_bias, design.decoder_bias):
            bias.copy_(0.1 * torch.randn(bias.shape, generator=generator, dtype=torch.float64))
    return design


def rows(seed: int, n: int = 12) -> torch.Tensor:
    return torch.randn(n, 9, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def blocks(design: BatchTopK, x: torch.Tensor) -> torch.Tensor:
    assert design.encoder_bias is not None
    return ((x - design.decoder_bias) @ design.encoder.T + design.encoder_bias).unflatten(1, (8, 3))


@given(seed=seeds)
def test_the_largest_groups_of_the_batch_fire(seed: int) -> None:
    design, x = built(seed), rows(seed)
    u = blocks(design, x)
    norms = u.norm(dim=-1)
    least = norms.flatten().sort(descending=True).values[2 * 12 - 1]
    codes = (u * (norms >= least).unsqueeze(-1)).flatten(1)
    torch.testing.assert_close(design.encode(x), codes)
    torch.testing.assert_close(design(x), codes @ design.decoder + design.decoder_bias)
    loss = design.loss(x)
    assert int(loss.fired.sum()) == 2 * 12
    assert float(loss.active) == 6.0
    torch.testing.assert_close(loss.noted["threshold"], least.detach())
    assert (codes < 0).any()  # signed


@given(seed=seeds)
def test_the_threshold_on_the_norm_gives_the_same_codes_on_the_same_batch(seed: int) -> None:
    design, x = built(seed), rows(seed)
    codes = design.encode(x)
    design.end_step(design.loss(x), len(x))
    with torch.no_grad():
        design.threshold *= 1 - 1e-6  # stored in single precision
    design.eval()
    torch.testing.assert_close(design.encode(x), codes)
    torch.testing.assert_close(design.encode(x[:1]), codes[:1])  # row by row: no other row matters


@given(seed=seeds, scale=st.floats(1e-2, 1e2))
def test_absorbed_scale(seed: int, scale: float) -> None:
    trained, x = built(seed), rows(seed)
    trained.end_step(trained.loss(scale * x), len(x))
    absorbed = built(seed)
    absorbed.load_state_dict(trained.state_dict())
    absorbed.absorb_scale(scale)
    for design in (trained, absorbed):
        with torch.no_grad():
            design.threshold *= 1 - 1e-6
    for mode in (True, False):
        trained.train(mode)
        absorbed.train(mode)
        torch.testing.assert_close(trained.encode(scale * x), scale * absorbed.encode(x), rtol=1e-6, atol=1e-9 * scale)


def test_turning_a_group_changes_nothing() -> None:
    design, x = built(constraint="free"), rows(1)
    before = design.loss(x).total
    turn = torch.linalg.qr(rows(2, 9)[:3, :3]).Q
    assert design.encoder_bias is not None
    with torch.no_grad():
        for weights in (design.encoder, design.decoder):
            weights[3:6] = turn @ weights[3:6]
        design.encoder_bias[3:6] = turn @ design.encoder_bias[3:6]
    torch.testing.assert_close(design.loss(x).total, before)


def test_impossible_configs_are_refused() -> None:
    with pytest.raises(ValueError, match="active must be at most groups = 8, got 9"):
        GroupBatchTopKConfig(width=9, groups=8, rank=3, active=9)
    with pytest.raises(ValueError, match="rank must be at least 2, got 1; the nearest possible is 2"):
        GroupBatchTopKConfig(width=9, groups=8, rank=1, active=2)
