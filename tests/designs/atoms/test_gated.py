from __future__ import annotations

import numpy as np
import pytest
import torch

from sasa_theory.designs import config, get

SIZES = {"width": 5, "atoms": 9, "sparsity": 0.2}


def prepared(name: str, **settings) -> tuple:
    generator = torch.Generator().manual_seed(1)
    design = get(name, **{**SIZES, **settings}).double()
    with torch.no_grad():
        for parameter in (design.encoder_bias, design.log_gain, design.magnitude_bias, design.decoder_bias):
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return design, torch.randn(7, 5, generator=generator, dtype=torch.float64)


def formula(design, x, lam):
    E, D, b_d, b_gate, r, b_mag, X = (
        t.detach().numpy()
        for t in (
            design.encoder,
            design.decoder,
            design.decoder_bias,
            design.encoder_bias,
            design.log_gain,
            design.magnitude_bias,
            x,
        )
    )
    u = (X - b_d) @ E.T
    gate = u + b_gate
    f = np.where(gate > 0, np.maximum(np.exp(r) * u + b_mag, 0), 0)
    opened = np.maximum(gate, 0)
    error = np.sum((f @ D + b_d - X) ** 2, axis=1).mean()
    auxiliary = np.sum((opened @ D + b_d - X) ** 2, axis=1).mean()
    return f, {
        "reconstruction": error,
        "sparsity": lam * (opened * np.linalg.norm(D, axis=1)).sum(axis=1).mean(),
        "auxiliary": auxiliary,
    }


@pytest.mark.parametrize("name", ["gated", "gated/saelens"])
def test_codes_and_loss_against_the_formula(name):
    design, x = prepared(name)
    codes, terms = formula(design, x, 0.2)
    np.testing.assert_allclose(design.encode(x).detach().numpy(), codes, rtol=1e-10, atol=1e-12)
    loss = design.loss(x)
    assert {name: float(value) for name, value in loss.terms.items()} == pytest.approx(terms, rel=1e-6)


def test_the_gates_error_trains_the_gate_and_not_the_decoder():
    design, x = prepared("gated", sparsity=0.0)
    design.loss(x).total.backward()
    gradient, gate_gradient = design.decoder.grad.clone(), design.encoder_bias.grad
    bias_gradient = design.decoder_bias.grad.clone()
    design.decoder.grad = design.decoder_bias.grad = None
    (design(x) - x).square().sum(dim=1).mean().backward()
    torch.testing.assert_close(gradient, design.decoder.grad)
    # The decoder's bias is the encoder's centre too, and only so does the gate's error reach it.
    through_centre = bias_gradient - design.decoder_bias.grad
    torch.testing.assert_close(through_centre, -gate_gradient @ design.encoder.detach())
    opened = (gate := design.preactivations(x)).relu().detach()
    wanted = 2 * (opened @ design.decoder + design.decoder_bias - x) @ design.decoder.T * (gate > 0)
    torch.testing.assert_close(gate_gradient, wanted.mean(dim=0).detach())


def test_the_saelens_variant_trains_the_decoder_through_the_gate():
    design, x = prepared("gated/saelens", sparsity=0.0)
    design.loss(x).total.backward()
    gradient = design.decoder.grad.clone()
    design.decoder.grad = None
    (design(x) - x).square().sum(dim=1).mean().backward()
    assert not torch.allclose(gradient, design.decoder.grad)


def test_a_closed_gate_silences_whatever_the_magnitude():
    design, x = prepared("gated")
    with torch.no_grad():
        design.encoder_bias[0] = -100.0
        design.magnitude_bias[0] = 100.0
    assert (design.encode(x)[:, 0] == 0).all()
    with torch.no_grad():
        design.encoder_bias[0] = 100.0
    assert (design.encode(x)[:, 0] > 90).all()


def test_unknown_fields_name_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'fixed_auxiliary'"):
        config("gated", **SIZES, fix_auxiliary=True)
