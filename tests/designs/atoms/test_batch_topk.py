from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory.designs import config, get
from sasa_theory.designs.atoms.batch_topk import BatchTopK, BatchTopKConfig
from sasa_theory.testing.strategies import SEEDS

SIZES = {"width": 6, "atoms": 20, "k": 3}


def data(seed: int = 0, rows: int = 50) -> torch.Tensor:
    return torch.randn(rows, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(seed=SEEDS, k=st.integers(1, 20), rows=st.integers(1, 9), free=st.booleans())
def test_the_batchs_largest_are_kept(seed, k, rows, free):
    design = get("batch-topk/saelens" if free else "batch-topk", seed=seed, width=6, atoms=20, k=k).double()
    if free:
        with torch.no_grad():
            design.decoder *= torch.linspace(0.5, 3, 20).unsqueeze(1).double()
    x = data(seed, rows)
    u = np.maximum(design.preactivations(x).detach().numpy(), 0)
    scores = u * design.decoder.detach().norm(dim=1).numpy()
    kept = np.sort(scores, axis=None)[::-1][: k * rows]
    least = kept[kept > 0].min()
    expected = np.where(scores >= least * (1 - 1e-12), u, 0)
    np.testing.assert_allclose(design.encode(x).detach().numpy(), expected, rtol=1e-9)
    loss = design.loss(x)
    assert float(loss.noted["threshold"]) == pytest.approx(least, rel=1e-6)
    assert int(loss.fired.sum()) == min(k * rows, (u > 0).sum())


def test_hard_rows_use_more_latents():
    design, x = get("batch-topk", **SIZES).double(), data()
    x[:25] *= 5
    active = (design.encode(x) != 0).sum(dim=1).double()
    assert active[:25].mean() > active[25:].mean() + 1
    assert active.mean() == 3


def test_the_running_threshold_follows_the_batches():
    design = get("batch-topk", **SIZES, threshold_rate=0.25).double()
    expected = None
    for seed in range(5):
        x = data(seed)
        loss = design.loss(x)
        codes = design.encode(x).detach()
        smallest = float(codes[codes > 0].min())
        design.end_step(loss, len(x))
        expected = smallest if expected is None else 0.75 * expected + 0.25 * smallest
        assert float(design.threshold) == pytest.approx(expected, rel=1e-6)
    with torch.no_grad():
        design.encoder_bias.fill_(-100.0)
    nothing = design.loss(data())
    assert nothing.active == 0
    design.end_step(nothing, 50)
    assert float(design.threshold) == pytest.approx(expected, rel=1e-6)


def test_in_evaluation_rows_stand_alone_above_the_threshold():
    design, x = get("batch-topk", **SIZES).double(), data()
    for seed in range(1, 30):
        design.end_step(design.loss(data(seed, rows=500)), 500)
    design.eval()
    codes, u = design.encode(x), design.preactivations(x)
    assert torch.equal(codes, torch.where(u > design.threshold, u, 0))
    torch.testing.assert_close(design.encode(x[:1]), codes[:1])
    many = design.encode(data(99, rows=4000))
    assert float((many != 0).sum(dim=1).double().mean()) == pytest.approx(3, rel=0.05)
    assert float(design.loss(x).active) == pytest.approx(float((codes != 0).sum(dim=1).double().mean()))


def test_before_any_batch_evaluation_is_a_relu():
    design, x = get("batch-topk", **SIZES).double().eval(), data()
    torch.testing.assert_close(design.encode(x), design.preactivations(x).relu())


def test_free_rows_meet_the_threshold_with_their_norms():
    design, x = get("batch-topk/saelens", **SIZES).double().eval(), data()
    with torch.no_grad():
        design.decoder *= torch.linspace(1, 20, 20).unsqueeze(1).double()
    design.threshold.fill_(0.5)
    u = design.preactivations(x)
    fires = u * design.decoder.norm(dim=1) > 0.5
    assert torch.equal(design.encode(x) != 0, fires)


@given(seed=SEEDS, count=st.integers(1, 5))
def test_groups_are_ranked_by_norm_and_signed(seed, count):
    settings = BatchTopKConfig(width=6, atoms=15, k=3)
    design = BatchTopK(settings, torch.Generator().manual_seed(seed), count, rank=3).double()
    x = data(seed, rows=7)
    groups = design.preactivations(x).detach().unflatten(1, (5, 3))
    norms = groups.norm(dim=2)
    least = norms.flatten().sort(descending=True).values[count * 7 - 1]
    expected = groups * (norms >= least * (1 - 1e-12)).unsqueeze(2)
    torch.testing.assert_close(design.encode(x).detach(), expected.flatten(1))
    loss = design.loss(x)
    assert int(loss.fired.sum()) == 7 * count
    torch.testing.assert_close(loss.noted["threshold"], least)
    design.end_step(loss, 7)
    design.threshold.mul_(1 - 1e-6)
    torch.testing.assert_close(design.eval().encode(x).detach(), expected.flatten(1))


@pytest.mark.parametrize(
    ("wrong", "named"),
    [({"k": 21}, "the nearest possible is 20"), ({"threshold_rate": 0.0}, "threshold_rate"), ({"k": -1}, "k")],
)
def test_impossible_settings_are_refused_by_name(wrong, named):
    with pytest.raises(ValueError, match=named):
        config("batch-topk", **{**SIZES, **wrong})
