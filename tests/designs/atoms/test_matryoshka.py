from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory.designs import config, get
from sasa_theory.testing.strategies import SEEDS

SIZES = {"width": 6, "atoms": 64, "k": 5}


def data(seed: int = 0, rows: int = 20) -> torch.Tensor:
    return torch.randn(rows, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.3


@given(seed=SEEDS, reduction=st.sampled_from(["mean", "sum"]))
def test_loss_against_the_formula(seed, reduction):
    design, x = get("matryoshka", seed=seed, **SIZES, reduction=reduction).double(), data(seed)
    with torch.no_grad():
        design.decoder_bias += 0.2
    codes = design.encode(x)
    errors = [
        (codes[:, :m] @ design.decoder[:m] + design.decoder_bias - x).square().sum(dim=1).mean()
        for m in (2, 6, 14, 30, 64)
    ]
    share = 1 / 5 if reduction == "mean" else 1.0
    loss = design.loss(x)
    torch.testing.assert_close(loss.total, share * sum(errors))
    torch.testing.assert_close(loss.terms["reconstruction"], share * errors[-1].detach())
    torch.testing.assert_close(loss.error, errors[-1].detach())


def test_auxk_is_of_the_whole_residual():
    design, plain, x = get("matryoshka", **SIZES, dead_after=10), get("batch-topk", **SIZES, dead_after=10), data()
    for each in (design.double(), plain.double()):
        each.idle[::2] = 10
        each.begin_step(0, 1)
    torch.testing.assert_close(design.loss(x).terms["auxiliary"], plain.loss(x).terms["auxiliary"])


def test_one_prefix_is_batch_topk():
    design, plain, x = get("matryoshka", **SIZES, prefixes=(1.0,)), get("batch-topk", **SIZES), data()
    torch.testing.assert_close(design.double().loss(x).total, plain.double().loss(x).total)


def test_sizes_of_prefixes():
    assert get("matryoshka", width=6, atoms=12288, k=5).config.sizes == (384, 1152, 2688, 5760, 12288)
    assert get("matryoshka/quarters", width=6, atoms=12288, k=5).config.sizes == (3072, 6144, 9216, 12288)
    assert get("matryoshka", width=6, atoms=4, k=1).config.sizes == (1, 2, 4)


def test_later_latents_learn_nothing_from_shorter_prefixes():
    design, x = get("matryoshka/quarters", **SIZES).double(), data()
    design.loss(x).total.backward()
    gradient = design.decoder.grad[48:].clone()
    design.decoder.grad = None
    (design(x) - x).square().sum(dim=1).mean().div(4).backward()
    torch.testing.assert_close(gradient, design.decoder.grad[48:])


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"prefixes": (0.5, 0.25, 1.0)}, r"nearest possible are \(0.25, 0.5, 1.0\)"),
        ({"prefixes": (0.5, 0.75)}, r"nearest possible are \(0.5, 0.75, 1.0\)"),
        ({"prefixes": (0.5, 0.5, 1.0)}, "must rise"),
        ({"prefixes": ()}, "must rise"),
        ({"prefixes": (0.0, 1.0)}, "prefixes"),
        ({"prefixes": (3072, 12288)}, "prefixes"),
        ({"reduction": "means"}, "did you mean 'mean'"),
        ({"k": 65}, "the nearest possible is 64"),
    ],
)
def test_impossible_settings_are_refused_by_name(wrong, named):
    with pytest.raises(ValueError, match=named):
        config("matryoshka", **{**SIZES, **wrong})
