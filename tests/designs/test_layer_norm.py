from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.func import functional_call, stack_module_state, vmap

from sasa_theory.designs.atoms.batch_topk import BatchTopKConfig
from sasa_theory.designs.atoms.topk import TopKConfig
from sasa_theory.designs.config import DesignConfig
from sasa_theory.designs.groups.block_lasso import BlockLassoConfig
from sasa_theory.designs.groups.block_sparse import BlockSparseConfig, GrassmannianConfig
from sasa_theory.designs.groups.d_gating import GatedSpectraConfig
from sasa_theory.designs.groups.sasa import SasaConfig
from sasa_theory.designs.layer_norm import LayerNormed, LayerNormedConfig
from sasa_theory.designs.linear import LinearDesign
from sasa_theory.designs.references.random_dictionary import RandomAtomsConfig

INNER: list[DesignConfig] = [
    TopKConfig(width=8, atoms=20, k=3),
    BatchTopKConfig(width=8, atoms=20, k=3),
    SasaConfig(width=8, groups=6, rank=3, active=2),
    BlockSparseConfig(width=8, groups=6, rank=3, active=2),
    GrassmannianConfig(width=8, groups=6, rank=3, active=2),
    BlockLassoConfig(width=8, groups=6, rank=3, active=2),
    GatedSpectraConfig(width=8, groups=6, rank=3, active=2, depth=3),
]
inner_configs = pytest.mark.parametrize("inner", INNER, ids=lambda config: f"{config.kind}{config.columns}")
seeds = st.integers(0, 2**31)


def built(inner: DesignConfig, seed: int = 0, space: str = "normalised") -> LayerNormed:
    """A design in double precision with biases other than 0, as after some training."""
    generator = torch.Generator().manual_seed(seed)
    design = LayerNormedConfig(inner=inner, space=space).build(generator).double()
    with torch.no_grad():
        for bias in (design.inner.encoder_bias, design.inner.decoder_bias):
            if bias is not None:
                bias.copy_(0.1 * torch.randn(bias.shape, generator=generator, dtype=torch.float64))
    return design


def rows(seed: int, n: int = 12) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.rand(n, 1, generator=generator, dtype=torch.float64) * 5 + 0.1
    return sizes * (torch.randn(n, 8, generator=generator, dtype=torch.float64) + 2)


@inner_configs
@given(seed=seeds)
def test_decoding_needs_only_the_code(inner: DesignConfig, seed: int) -> None:
    design, x = built(inner, seed), rows(seed)
    codes = design.encode(x)
    assert codes.shape == (12, inner.columns + 2)
    torch.testing.assert_close(design.decode(codes), design(x))


@inner_configs
@given(seed=seeds)
def test_forward_is_the_inner_design_between_two_layer_norms(inner: DesignConfig, seed: int) -> None:
    design, x = built(inner, seed), rows(seed)
    mean, deviation = x.mean(dim=1, keepdim=True), x.std(dim=1, keepdim=True) + 1e-5
    expected = design.inner((x - mean) / deviation) * deviation + mean
    torch.testing.assert_close(design(x), expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(design.encode(x)[:, -2:], torch.cat((deviation, mean), dim=1))


@inner_configs
def test_the_decoder_is_linear(inner: DesignConfig) -> None:
    design = built(inner)
    one, two = design.encode(rows(1)), design.encode(rows(2))
    mixed = design.decode(2 * one - 3 * two)
    torch.testing.assert_close(mixed, 2 * design.decode(one) - 3 * design.decode(two))
    assert design.decode(torch.zeros_like(one)).abs().max() < 1e-15


@given(seed=seeds, scale=st.floats(0.01, 100), shift=st.floats(-50, 50))
def test_rows_may_be_scaled_and_shifted(seed: int, scale: float, shift: float) -> None:
    design, x = built(INNER[0], seed), rows(seed)
    design.epsilon.zero_()
    torch.testing.assert_close(design(scale * x + shift), scale * design(x) + shift, rtol=1e-6, atol=1e-6)


@inner_configs
@given(seed=seeds, scale=st.floats(1e-3, 1e3))
def test_absorbed_scale(inner: DesignConfig, seed: int, scale: float) -> None:
    trained, absorbed, x = built(inner, seed), built(inner, seed), rows(seed)
    absorbed.absorb_scale(scale)
    torch.testing.assert_close(trained.encode(scale * x), scale * absorbed.encode(x), rtol=1e-5, atol=1e-9)
    torch.testing.assert_close(trained(scale * x), scale * absorbed(x), rtol=1e-5, atol=1e-9)


@inner_configs
def test_units_of_the_side_channel_are_counted(inner: DesignConfig) -> None:
    design, x = built(inner), rows(3)
    codes = design.encode(x)
    assert design.n_units == design.inner.n_units + 2 == int(design.units().max()) + 1
    assert len(design.units()) == design.columns
    presence = design.presence(codes)
    torch.testing.assert_close(presence[:, -2:], codes[:, -2:].abs())
    squares = torch.zeros(12, design.n_units, dtype=torch.float64).index_add(1, design.units(), codes.square())
    torch.testing.assert_close(presence, squares.sqrt())
    loss = design.loss(x)
    assert loss.fired.shape == (design.n_units,)
    assert loss.fired[-2:].tolist() == [12, 12]
    assert float(loss.active) == float((codes != 0).sum() / 12)
    assert design.idle.shape == (design.n_units,)


def test_a_constant_row_is_finite() -> None:
    design = built(INNER[0])
    x = torch.full((2, 8), 3.0, dtype=torch.float64, requires_grad=True)
    design.loss(x).total.backward()
    assert design(x).isfinite().all()
    assert design.inner.decoder.grad is not None
    assert design.inner.decoder.grad.isfinite().all()
    x = torch.zeros(2, 8, dtype=torch.float64)
    assert design.loss(x).fired[-2:].tolist() == [2, 0]


@inner_configs
@given(seed=seeds)
def test_both_spaces(inner: DesignConfig, seed: int) -> None:
    x = rows(seed)
    for space in ("normalised", "raw"):
        design = built(inner, seed, space)
        loss = design.loss(x)
        errors = (design(x) - x).square().sum(dim=1).detach()
        torch.testing.assert_close(loss.row_errors, errors)
        torch.testing.assert_close(loss.error, errors.mean())
        weights = (x.std(dim=1) + 1e-5) ** (0 if space == "raw" else -2)
        expected = (weights * errors).mean()
        torch.testing.assert_close(loss.terms["reconstruction"], expected, rtol=1e-5, atol=1e-8)


def test_the_gradient_of_the_raw_loss_is_that_of_the_raw_error() -> None:
    design, x = built(INNER[0], space="raw"), rows(4)
    design.loss(x).total.backward()
    found = [parameter.grad.clone() for parameter in design.parameters() if parameter.grad is not None]
    design.zero_grad()
    (design(x) - x).square().sum(dim=1).mean().backward()
    for gradient, parameter in zip(found, design.parameters(), strict=True):
        torch.testing.assert_close(gradient, parameter.grad)


@pytest.mark.parametrize("space", ["normalised", "raw"])
def test_auxiliary_loss_in_both_spaces(space: str) -> None:
    design, x = built(TopKConfig(width=8, atoms=20, k=3, dead_after=1, aux_count=4), space=space), rows(5)
    design.inner.idle[:10] = 5
    design.begin_step(0, 10)
    auxiliary = design.loss(x).terms["auxiliary"]

    u, scale, _ = design.normalise(x)
    best = design.inner.preactivations(u).masked_fill(design.inner.idle < 1, -torch.inf).topk(4, dim=1)
    codes = torch.zeros(12, 20, dtype=torch.float64).scatter(1, best.indices, best.values.relu())
    residual = (u - design.inner(u)) * (scale if space == "raw" else 1)
    left = residual - codes @ design.inner.decoder * (scale if space == "raw" else 1)
    expected = left.square().sum() / (residual - residual.mean(dim=0)).square().sum() / 32
    torch.testing.assert_close(auxiliary, expected.detach())


def test_hooks_reach_the_inner_design() -> None:
    design, x = built(TopKConfig(width=8, atoms=40, k=2, anneal=0.5)), rows(6)
    design.begin_step(0, 10)
    assert design.encode(x).count_nonzero(dim=1).max() > 4
    design.begin_step(9, 10)
    assert design.encode(x).count_nonzero(dim=1).max() <= 4  # 2, the scale and the mean
    optimiser = torch.optim.Adam(design.parameters(), lr=0.05)
    loss = design.loss(x)
    loss.total.backward()
    design.project_gradients()
    decoder = design.inner.decoder
    assert decoder.grad is not None
    assert (decoder.grad * decoder).sum(dim=1).abs().max() < 1e-6  # rows were normalised in single precision
    optimiser.step()
    design.end_step(loss, len(x))
    torch.testing.assert_close(decoder.norm(dim=1), torch.ones(40, dtype=torch.float64))
    assert design.inner.idle.tolist() == torch.where(loss.fired[:-2] > 0, 0, 12).tolist()
    assert design.log_extra() == design.inner.log_extra()


def test_training_explains_rows_of_very_different_size() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.linalg.qr(torch.randn(8, 8, generator=generator)).Q[:6]
    on = torch.nn.functional.one_hot(torch.randint(6, (500,), generator=generator), 6).float()
    x = torch.exp(2 * torch.randn(500, 1, generator=generator)) * (on @ features) + 3
    design = LayerNormedConfig(inner=TopKConfig(width=8, atoms=12, k=1)).build(generator)
    optimiser = torch.optim.Adam(design.parameters(), lr=0.02)
    before = float(design.loss(x).error)
    for step in range(100):
        design.begin_step(step, 100)
        loss = design.loss(x)
        optimiser.zero_grad()
        loss.total.backward()
        design.project_gradients()
        optimiser.step()
        design.end_step(loss, len(x))
    assert float(loss.error) < 0.1 * before


@inner_configs
def test_ensembles_of_it(inner: DesignConfig) -> None:
    members, x = [built(inner, seed) for seed in range(3)], rows(7)
    parameters, buffers = stack_module_state(members)
    for member in members:
        member.begin_step(0, 10)

    def total(parameters: dict[str, torch.Tensor], buffers: dict[str, torch.Tensor]) -> torch.Tensor:
        return functional_call(_Losses(members[0]), _prefixed(parameters) | _prefixed(buffers), (x,))

    found = vmap(total)(parameters, buffers)
    torch.testing.assert_close(found, torch.stack([member.loss(x).total for member in members]))


class _Losses(torch.nn.Module):
    def __init__(self, design: LayerNormed) -> None:
        super().__init__()
        self.design = design

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.design.loss(x).total


def _prefixed(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"design.{name}": tensor for name, tensor in tensors.items()}


@inner_configs
def test_config_goes_through_json(inner: DesignConfig) -> None:
    config = LayerNormedConfig(inner=inner, space="raw")
    assert (config.width, config.columns) == (8, inner.columns + 2)
    assert LayerNormedConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_a_design_may_be_wrapped_after_it_was_built() -> None:
    inner = INNER[0].build(torch.Generator().manual_seed(0))
    assert isinstance(inner, LinearDesign)
    design = LayerNormed(inner, "raw")
    assert design.inner is inner
    assert design.config == LayerNormedConfig(inner=INNER[0], space="raw")


def test_impossible_configs_are_refused() -> None:
    inner = INNER[0]
    with pytest.raises(ValueError, match="did you mean 'raw'"):
        LayerNormedConfig(inner=inner, space="row")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not layer-normed yet"):
        LayerNormedConfig(inner=LayerNormedConfig(inner=inner))
    with pytest.raises(ValueError, match="inner must be the config"):
        LayerNormedConfig(inner="topk")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="did you mean 'topk'"):
        LayerNormedConfig.from_dict({"inner": {"kind": "topkk", "width": 8, "atoms": 20, "k": 3}})
    with pytest.raises(ValueError, match="inner of LayerNormedConfig is missing"):
        LayerNormedConfig.from_dict({"space": "raw"})
    with pytest.raises(ValueError, match="linear design"):
        LayerNormedConfig(inner=RandomAtomsConfig(width=8, atoms=20, k=3)).build(torch.Generator())
