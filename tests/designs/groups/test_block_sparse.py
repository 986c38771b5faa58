from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.func import functional_call, stack_module_state, vmap

from sasa_theory import designs
from sasa_theory.designs.contract import Loss
from sasa_theory.designs.groups.block_lasso import BlockLasso, BlockLassoConfig
from sasa_theory.designs.groups.block_sparse import BlockSparse, BlockSparseConfig, Grassmannian

NAMES = ("bsf/vanilla", "bsf/group_lasso", "bsf/grassmannian")
SIZES = {"width": 9, "groups": 7, "rank": 2, "active": 3}
every_variant = pytest.mark.parametrize("name", NAMES)
seeds = st.integers(0, 2**31)


def built(name: str, seed: int = 0, **settings: Any) -> BlockSparse:
    """A design in double precision with biases other than 0."""
    design = designs.get(name, seed=seed, **{**SIZES, **settings}).double()
    assert isinstance(design, BlockSparse)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for bias in (design.encoder_bias, design.decoder_bias):
            if bias is not None:
                bias.copy_(0.1 * torch.randn(bias.shape, generator=generator, dtype=torch.float64))
    return design


def rows(seed: int, n: int = 10, width: int = 9) -> torch.Tensor:
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def blocks(x: torch.Tensor, rank: int = 2) -> torch.Tensor:
    return x.unflatten(-1, (-1, rank))


def preactivations(design: BlockSparse, x: torch.Tensor) -> torch.Tensor:
    """``u``, from the equations."""
    centred = x - design.decoder_bias
    if isinstance(design, Grassmannian):
        return design.log_gain.exp() * centred @ design.decoder.T
    return centred @ design.encoder.T + design.encoder_bias


def oracle(design: BlockSparse, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Codes and the runners-up's codes, one row and one block at a time."""
    u = blocks(preactivations(design, x)).detach()
    z, spare = torch.zeros_like(u), torch.zeros_like(u)
    for row in range(len(x)):
        norms = u[row].norm(dim=-1).tolist()
        ranked = sorted(range(u.shape[1]), key=lambda g: -norms[g])
        if isinstance(design, BlockLasso):
            theta = design.log_threshold.detach().exp()
            on = [g for g in ranked if norms[g] > theta[g]]
            for g in on:
                z[row, g] = (1 - theta[g] / norms[g]) * u[row, g]
        else:
            on = ranked[: design.config.active]
            z[row, on] = u[row, on]
        off = [g for g in ranked if g not in on][: design.config.active]
        spare[row, off] = u[row, off]
    return z.flatten(1), spare.flatten(1)


@every_variant
@given(seed=seeds)
def test_codes_and_reconstructions_are_those_of_the_equations(name: str, seed: int) -> None:
    design, x = built(name, seed), rows(seed)
    codes, _ = oracle(design, x)
    torch.testing.assert_close(design.encode(x), codes)
    torch.testing.assert_close(design.activate(x).dense(design.n_units), codes)
    torch.testing.assert_close(design.decode(codes), codes @ design.decoder + design.decoder_bias)
    torch.testing.assert_close(design(x), design.decode(codes))


@every_variant
@given(seed=seeds, weighted=st.booleans())
def test_the_loss_is_that_of_the_equations(name: str, seed: int, weighted: bool) -> None:
    design, x = built(name, seed), rows(seed)
    codes, spare = oracle(design, x)
    weight = torch.rand(10, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) + 0.5
    residual = x - design.decode(codes)
    factor = weight if weighted else torch.ones_like(weight)
    expected = {
        "reconstruction": (factor * residual.square().sum(1)).mean(),
        "auxiliary": (factor * (residual - spare @ design.decoder).square().sum(1)).mean() / 3,
    }
    if isinstance(design, BlockLasso):
        expected["sparsity"] = blocks(codes).norm(dim=-1).sum(dim=1).mean()
    loss = design.loss(x, row_weight=weight if weighted else None)
    assert loss.terms.keys() == expected.keys()
    for term, value in expected.items():
        torch.testing.assert_close(loss.terms[term], value.detach())
    torch.testing.assert_close(loss.total, torch.stack(list(expected.values())).sum())
    assert loss.fired.tolist() == (blocks(codes) != 0).any(dim=-1).sum(dim=0).tolist()
    torch.testing.assert_close(loss.row_errors, residual.square().sum(dim=1).detach())


@every_variant
def test_gradients_agree_with_finite_differences(name: str) -> None:
    design, x = built(name), rows(1, 4)
    names = [entry for entry, _ in design.named_parameters()]

    def reconstruction(*tensors: torch.Tensor) -> torch.Tensor:
        return functional_call(design, dict(zip(names, tensors, strict=True)), (x,))

    parameters = tuple(parameter.detach().clone().requires_grad_() for parameter in design.parameters())
    assert torch.autograd.gradcheck(reconstruction, parameters)


@every_variant
def test_the_auxiliary_loss_leaves_the_other_blocks_alone(name: str) -> None:
    design, x = built(name), rows(2, 1)
    codes, spare = oracle(design, x)
    (gradient,) = torch.autograd.grad(_auxiliary(design, x), design.decoder)
    touched = gradient.unflatten(0, (-1, 2)).abs().sum(dim=(1, 2)) > 1e-9
    assert touched.tolist() == (blocks(spare)[0] != 0).any(dim=-1).tolist()
    assert not (touched & (blocks(codes)[0] != 0).any(dim=-1)).any()


def _auxiliary(design: BlockSparse, x: torch.Tensor) -> torch.Tensor:
    loss = design.loss(x)
    off = loss.terms.keys() - {"auxiliary"}
    plain = (design(x) - x).square().sum(dim=1).mean()
    assert off <= {"reconstruction", "sparsity"}
    if isinstance(design, BlockLasso):
        plain = plain + design.coefficient * blocks(design.encode(x)).norm(dim=-1).sum(dim=1).mean()
    return loss.total - plain


def step(design: BlockSparse, x: torch.Tensor, optimiser: torch.optim.Optimizer, at: int, steps: int) -> Loss:
    design.begin_step(at, steps)
    loss = design.loss(x)
    optimiser.zero_grad()
    loss.total.backward()
    design.project_gradients()
    optimiser.step()
    design.end_step(loss, len(x))
    return loss


@pytest.mark.parametrize("name", ["bsf/vanilla", "bsf/group_lasso"])
def test_blocks_stay_in_the_frobenius_ball(name: str) -> None:
    design, x = built(name), 10 * rows(3, 64)
    norms = design.decoder.detach().unflatten(0, (-1, 2)).norm(dim=(1, 2))
    torch.testing.assert_close(norms, torch.ones(7, dtype=torch.float64))
    with torch.no_grad():
        design.decoder[:2] *= 0.5  # inside: stays there
        design.decoder[2:4] *= 3.0
    inside, outside = design.decoder[:2].clone(), design.decoder[2:4].clone()
    design.end_step(design.loss(x), 64)
    torch.testing.assert_close(design.decoder[:2], inside)
    torch.testing.assert_close(design.decoder[2:4], outside / 3)
    optimiser = torch.optim.Adam(design.parameters(), lr=0.1)
    for at in range(20):
        step(design, x, optimiser, at, 20)
        assert design.decoder.unflatten(0, (-1, 2)).norm(dim=(1, 2)).max() < 1 + 1e-12


@pytest.mark.parametrize("name", ["bsf/vanilla", "bsf/grassmannian"])
def test_an_orthogonal_block_starts_as_the_projection_on_its_span(name: str) -> None:
    design = designs.get(name, width=6, groups=1, rank=3, active=1).double()
    with torch.no_grad():
        frame = torch.linalg.qr(rows(4, 6, 6)).Q[:3]
        design.decoder.copy_(frame * design.decoder.norm(dim=1, keepdim=True))
        design.encoder.copy_(frame * design.encoder.norm(dim=1, keepdim=True))
    x = rows(5, width=6)
    torch.testing.assert_close(design(x), x @ frame.T @ frame, rtol=1e-6, atol=1e-6)


@every_variant
@given(seed=seeds, scale=st.floats(1e-3, 1e3))
def test_absorbed_scale(name: str, seed: int, scale: float) -> None:
    trained, absorbed, x = built(name, seed), built(name, seed), rows(seed)
    absorbed.absorb_scale(scale)
    torch.testing.assert_close(trained.encode(scale * x), scale * absorbed.encode(x), rtol=1e-6, atol=1e-8 * scale)
    torch.testing.assert_close(trained(scale * x), scale * absorbed(x), rtol=1e-6, atol=1e-8 * scale)


@every_variant
def test_members_of_an_ensemble_are_alone(name: str) -> None:
    members, x = [built(name, seed) for seed in range(3)], rows(8)
    parameters, buffers = stack_module_state(members)

    def total(parameters: dict[str, torch.Tensor], buffers: dict[str, torch.Tensor]) -> torch.Tensor:
        return functional_call(_Losses(members[0]), _prefixed(parameters) | _prefixed(buffers), (x,))

    found = vmap(total)(parameters, buffers)
    torch.testing.assert_close(found, torch.stack([member.loss(x).total for member in members]))


class _Losses(torch.nn.Module):
    def __init__(self, design: BlockSparse) -> None:
        super().__init__()
        self.design = design

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.design.loss(x).total


def _prefixed(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"design.{name}": tensor for name, tensor in tensors.items()}


def test_tied_blocks_are_orthonormal_when_it_is_time_and_at_the_end() -> None:
    design, x = built("bsf/grassmannian", retract_every=4), rows(3, 64)
    assert [name for name, _ in design.named_parameters()] == ["decoder", "decoder_bias", "log_gain"]
    optimiser = torch.optim.Adam(design.parameters(), lr=0.1)
    for at in range(11):
        step(design, x, optimiser, at, 11)
        frames = design.decoder.detach().unflatten(0, (-1, 2))
        away = (frames @ frames.mT - torch.eye(2)).abs().max()
        assert bool(away < 1e-12) == (at in (3, 7, 10))
        assert design.encoder is design.decoder
    assert design.log_gain.item() != 0
    for _ in range(2):
        before = design.decoder.detach().neg_().clone()
        design.end_step(design.loss(x), 64)
        torch.testing.assert_close(design.decoder.detach(), before)  # what is orthonormal stays as it is, sign included


def test_gradients_stay_on_the_grassmann_manifold() -> None:
    design, x = built("bsf/grassmannian"), rows(3, 64)
    loss = design.loss(x).total
    loss.backward()
    design.project_gradients()
    assert design.decoder.grad is not None
    frames, gradient = (t.detach().unflatten(0, (-1, 2)) for t in (design.decoder, design.decoder.grad))
    assert gradient.norm() > 1e-3
    assert (gradient @ frames.mT).abs().max() < 1e-6  # frames were made in single precision
    turn = torch.linalg.qr(rows(4, 2, 2)).Q  # a turn of a block's frame changes nothing
    with torch.no_grad():
        design.decoder.copy_((turn @ frames).flatten(0, 1))
    torch.testing.assert_close(design.loss(x).total, loss)


def test_no_runner_up_where_every_block_fires() -> None:
    x = rows(9)
    assert "auxiliary" not in built("bsf/vanilla", active=7).loss(x).terms
    assert "auxiliary" not in built("bsf/vanilla", aux_weight=0.0).loss(x).terms
    assert built("bsf/vanilla", active=5).loss(x).terms["auxiliary"] > 0  # two are left


def test_the_lasso_penalty_stops_at_its_target() -> None:
    design, x = built("bsf/group_lasso"), rows(10, 64)
    assert isinstance(design, BlockLasso)
    assert design.loss(x).terms["sparsity"] > 0
    design.end_step(design.loss(x), 64)
    loss = design.loss(x)
    assert float(design.measured) == float(loss.fired.sum() / 64) > 3
    with torch.no_grad():
        design.log_threshold += 0.7
    assert 0 < design.loss(x).fired.sum() < 3 * 64
    assert design.loss(x).terms["sparsity"] > 0  # measured before
    design.end_step(design.loss(x), 64)
    assert float(design.loss(x).terms["sparsity"]) == 0.0


def test_the_lasso_steers_to_its_target() -> None:
    generator = torch.Generator().manual_seed(0)
    bases = torch.linalg.qr(torch.randn(8, 16, 2, generator=generator)).Q.mT
    on = torch.rand(2000, 8, generator=generator).argsort(dim=1) < 2
    x = torch.einsum("ng,ngr,grd->nd", on.float(), torch.randn(2000, 8, 2, generator=generator), bases)
    x *= 16**0.5 / x.square().sum(dim=1).mean().sqrt()
    design = BlockLassoConfig(width=16, groups=12, rank=2, active=2, coefficient=2.0, threshold=2.0).build(generator)
    optimiser = torch.optim.Adam(design.parameters(), lr=0.02)
    for at in range(150):
        loss = step(design, x[torch.randint(2000, (128,), generator=generator)], optimiser, at, 150)
    assert 1.5 < float(design.measured) < 3.2
    assert float(loss.error) < 0.45 * 16


def test_silent_blocks_have_finite_gradients() -> None:
    design = built("bsf/group_lasso")
    x = design.decoder_bias.detach().expand(3, 9).clone()
    with torch.no_grad():
        assert design.encoder_bias is not None
        design.encoder_bias.zero_()
    design.loss(x).total.backward()
    for parameter in design.parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all()


def test_impossible_configs_are_refused() -> None:
    with pytest.raises(ValueError, match="active must be at most groups = 7, got 8; the nearest possible is 7"):
        BlockSparseConfig(width=9, groups=7, rank=2, active=8)
    with pytest.raises(ValueError, match="rank must be at most width"):
        BlockSparseConfig(width=9, groups=7, rank=10, active=2)
    with pytest.raises(ValueError, match="threshold"):
        BlockLassoConfig(width=9, groups=7, rank=2, active=3, threshold=0.0)
    with pytest.raises(ValueError, match="aux_weight"):
        BlockSparseConfig(width=9, groups=7, rank=2, active=3, aux_weight=math.nan)
    with pytest.raises(ValueError, match="did you mean 'coefficient'"):
        designs.get("bsf/group_lasso", **SIZES, coeficient=1.0)
