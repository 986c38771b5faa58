from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory.designs import config, get
from sasa_theory.testing.strategies import SEEDS

SIZES = {"width": 5, "atoms": 9, "sparsity": 0.2}


def data(seed: int = 0, rows: int = 7) -> torch.Tensor:
    return torch.randn(rows, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("name", ["relu", "relu/saelens"])
def test_loss_against_the_formula(name, power):
    design, x = get(name, **SIZES, power=power).double(), data()
    with torch.no_grad():
        design.encoder_bias += 0.1
        design.decoder_bias += 0.3
    E, D, X = (t.detach().numpy() for t in (design.encoder, design.decoder, x))
    f = np.maximum((X - 0.3) @ E.T + 0.1, 0)
    weighted = f * np.linalg.norm(D, axis=1)
    error = np.sum((f @ D + 0.3 - X) ** 2, axis=1).mean()
    penalty = 0.2 * ((weighted**power).sum(axis=1) ** (1 / power)).mean()
    loss = design.loss(x)
    np.testing.assert_allclose(design.encode(x).detach().numpy(), f, rtol=1e-12)
    np.testing.assert_allclose(loss.terms["reconstruction"], error, rtol=1e-6)
    np.testing.assert_allclose(loss.terms["sparsity"], penalty, rtol=1e-6)


@given(seed=SEEDS, scale=st.floats(0.1, 10))
def test_free_rows_gain_nothing_from_shrinking_codes(seed, scale):
    design, x = get("relu/april", seed=seed, **SIZES).double(), data(seed)
    before = design.loss(x).total
    with torch.no_grad():
        design.encoder.div_(scale)
        design.encoder_bias.div_(scale)
        design.decoder.mul_(scale)
    torch.testing.assert_close(design.loss(x).total, before)


def test_an_l1_of_bare_codes_on_free_rows_cannot_be_asked_for():
    with pytest.raises(ValueError, match="field of ReLUConfig must be one of 'width', 'constraint'"):
        config("relu/april", **SIZES, weigh_by_norms=False)
    with pytest.raises(ValueError, match=r"initial_norm must be 1 where constraint is 'unit', got 0\.1; the nearest"):
        config("relu", **SIZES, initial_norm=0.1)


@pytest.mark.parametrize(
    "wrong",
    [{"sparsity": -1.0}, {"warmup": 1.5}, {"power": 0.0}, {"initial_norm": 0.0, "constraint": "free"}, {"atoms": 0}],
)
def test_impossible_settings_are_refused_by_name(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        config("relu", **{**SIZES, **wrong})


def test_misspelt_constraint_and_missing_coefficient():
    with pytest.raises(ValueError, match="did you mean 'unit'"):
        config("relu", **SIZES, constraint="units")
    with pytest.raises(ValueError, match="sparsity of ReLUConfig is missing"):
        config("relu", width=5, atoms=9)


def test_initial_norms_and_tied_start():
    april, unit = get("relu/april", **SIZES), get("relu", **SIZES)
    torch.testing.assert_close(april.decoder.norm(dim=1), torch.full((9,), 0.1))
    torch.testing.assert_close(unit.decoder.norm(dim=1), torch.ones(9))
    assert torch.equal(april.encoder, april.decoder)


def test_the_penalty_warms_up():
    design, x = get("relu", **SIZES, warmup=0.5).double(), data()
    full = design.loss(x).terms["sparsity"]
    shares = []
    for step in (0, 1, 2, 4, 9):
        design.begin_step(step, 10)
        shares.append(float(design.loss(x).terms["sparsity"] / full))
    assert shares == pytest.approx([0, 0.25, 0.5, 1, 1])


@pytest.mark.parametrize("power", [0.5, 1.0, 1.5, 2.0])
def test_rows_without_active_latents_have_finite_gradients(power):
    design = get("relu", **SIZES, power=power).double()
    with torch.no_grad():
        design.encoder_bias.fill_(-100.0)
    design.loss(data()).total.backward()
    assert design.encoder.grad.isfinite().all()
