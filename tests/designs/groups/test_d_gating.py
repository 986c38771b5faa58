from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.func import functional_call, stack_module_state, vmap

from sasa_theory import designs
from sasa_theory.designs.groups.d_gating import DGated, GatedGroups, GatedGroupsConfig, GatedSpectra

NAMES = ("d-gating/2", "d-gating/3", "d-gating/spectra/2", "d-gating/spectra/3")
every_variant = pytest.mark.parametrize("name", NAMES)
seeds = st.integers(0, 2**31)


def built(name: str, seed: int = 0, **settings: Any) -> DGated:
    """A design in double precision with factors that are not balanced."""
    design = designs.get(name, seed=seed, **{"width": 7, "groups": 5, "rank": 2, "active": 2, **settings}).double()
    assert isinstance(design, DGated)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in design.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return design


def rows(seed: int, n: int = 10, width: int = 7) -> torch.Tensor:
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def products(design: DGated) -> tuple[torch.Tensor, torch.Tensor]:
    """Encoder and decoder blocks by the equations, shape (groups, rank, width)."""
    encoder, decoder = (t.unflatten(0, (-1, 2)) for t in (design.encoder, design.decoder))
    if isinstance(design, GatedGroups):
        gate = design.gates.prod(dim=1)[:, None, None]
        return gate * encoder, gate * decoder
    assert isinstance(design, GatedSpectra)
    for factor in list(design.middle)[::-1]:
        decoder = factor @ decoder
    return encoder, decoder


def energy(x: torch.Tensor) -> torch.Tensor:
    return (x - x.mean(dim=0)).square().sum(dim=1).mean()


@pytest.mark.parametrize(("name", "depth"), [("d-gating/2", 2), ("d-gating/3", 3), ("d-gating/spectra/2", 4)])
@given(seed=seeds)
def test_the_loss_is_that_of_the_equations(name: str, depth: int, seed: int) -> None:
    design, x = built(name, seed, depth=depth), rows(seed)
    encoder, decoder = products(design)
    u = torch.einsum("nd,grd->ngr", x - design.decoder_bias, encoder)
    kept = torch.zeros(10, 5, dtype=torch.float64).scatter(1, u.norm(dim=-1).topk(2, dim=1).indices, 1.0)
    z = u * kept.unsqueeze(-1)
    x_hat = torch.einsum("ngr,grd->nd", z, decoder) + design.decoder_bias
    torch.testing.assert_close(design.encode(x), z.flatten(1))
    torch.testing.assert_close(design(x), x_hat)
    torch.testing.assert_close(design.decode(z.flatten(1)), x_hat)
    torch.testing.assert_close(design.preactivations(x), u.flatten(1))

    loss = design.loss(x)
    squares = sum(p.square().sum() for entry, p in design.named_parameters() if entry != "decoder_bias")
    share = energy(x) / (5 if isinstance(design, GatedGroups) else 5 * 2 / 2)
    torch.testing.assert_close(loss.terms["reconstruction"], (x - x_hat).square().sum(dim=1).mean().detach())
    torch.testing.assert_close(loss.terms["decay"], (0.1 * share * squares / design.config.depth).detach())
    torch.testing.assert_close(loss.total.detach(), loss.terms["reconstruction"] + loss.terms["decay"])


@pytest.mark.parametrize("depth", [2, 3, 5])
@given(seed=seeds)
def test_decay_is_at_least_its_quasi_norm_with_equality_at_balance(depth: int, seed: int) -> None:
    design = built("d-gating/2", seed, depth=depth)
    quasi = depth * design.sizes() ** (2 / depth)
    assert (design.squares() >= quasi - 1e-9).all()
    assert isinstance(design, GatedGroups)
    with torch.no_grad():  # spread each product evenly over its factors
        design.gates.abs_()
        sizes = design.sizes()
        even = sizes ** (1 / depth)
        old = (design.gates.prod(dim=1) / even ** (depth - 1)).repeat_interleave(2)[:, None]
        before = design.weights()
        design.encoder *= old
        design.decoder *= old
        design.gates.copy_(even[:, None].expand(-1, depth - 1))
    torch.testing.assert_close(design.weights(), before)
    torch.testing.assert_close(design.squares(), depth * sizes ** (2 / depth))


@pytest.mark.parametrize("depth", [2, 3, 4])
@given(seed=seeds)
def test_decay_of_matrix_factors_is_at_least_the_schatten_quasi_norm(depth: int, seed: int) -> None:
    design = built("d-gating/spectra/2", seed, depth=depth)
    assert isinstance(design, GatedSpectra)
    encoder, decoder = design.weights()
    maps = encoder.unflatten(0, (-1, 2)).mT @ decoder.unflatten(0, (-1, 2))
    left, spectrum, right = torch.linalg.svd(maps)
    schatten = depth * (spectrum[:, :2] ** (2 / depth)).sum(dim=1)
    assert (design.squares() >= schatten - 1e-9).all()
    root = spectrum[:, :2, None] ** (1 / depth)  # equality: each factor holds the D-th root of the spectrum
    with torch.no_grad():
        design.encoder.copy_((root * left[:, :, :2].mT).flatten(0, 1))
        design.decoder.copy_((root * right[:, :2]).flatten(0, 1))
        for factor in design.middle:
            factor.copy_(torch.diag_embed(root.squeeze(-1)))
    torch.testing.assert_close(design.squares(), schatten)
    encoder, decoder = design.weights()
    torch.testing.assert_close(encoder.unflatten(0, (-1, 2)).mT @ decoder.unflatten(0, (-1, 2)), maps)


@every_variant
def test_it_starts_balanced_as_a_tied_design_with_unit_rows(name: str) -> None:
    design = designs.get(name, width=7, groups=5, rank=2, active=2)
    assert isinstance(design, DGated)
    encoder, decoder = design.weights()
    torch.testing.assert_close(encoder, decoder)
    torch.testing.assert_close(decoder.norm(dim=1), torch.ones(10))
    if isinstance(design, GatedGroups):
        depth = design.config.depth
        torch.testing.assert_close(design.squares(), depth * design.sizes() ** (2 / depth))
        omega = torch.cat((design.encoder, design.decoder), dim=1).unflatten(0, (-1, 2)).norm(dim=(1, 2))
        torch.testing.assert_close(omega[:, None].expand(-1, depth - 1), design.gates.detach())
    assert (design.sizes() > 1).all()


@pytest.mark.parametrize("depth", [2, 3])
def test_gradient_descent_forgets_imbalance_at_the_rate_of_the_theory(depth: int) -> None:
    design, x = built("d-gating/2", depth=depth, coefficient=2.0), rows(1, 50)
    assert isinstance(design, GatedGroups)

    def imbalance() -> torch.Tensor:
        omega = torch.cat((design.encoder, design.decoder), dim=1).unflatten(0, (-1, 2)).square().sum(dim=(1, 2))
        return (omega[:, None] - design.gates.square()).detach()

    before, rate, steps = imbalance(), 5e-4, 200
    optimiser = torch.optim.SGD(design.parameters(), lr=rate)
    for _ in range(steps):
        optimiser.zero_grad()
        design.loss(x).total.backward()
        optimiser.step()
    weight = 2.0 * energy(x) / 5
    expected = before * torch.exp(-4 * weight / depth * rate * steps)
    assert expected.norm() < 0.7 * before.norm()
    torch.testing.assert_close(imbalance(), expected, rtol=0.05, atol=0.02)


@pytest.mark.parametrize("name", ["d-gating/2", "d-gating/3"])
def test_as_many_groups_survive_as_there_are_features(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    bases = torch.linalg.qr(torch.randn(16, 16, generator=generator)).Q.unflatten(0, (8, 2))[:4]
    on = torch.nn.functional.one_hot(torch.randint(4, (4000,), generator=generator), 4).float()
    z = torch.randn(4000, 4, 2, generator=generator)
    x = torch.einsum("ng,ngr,grd->nd", on, z / z.norm(dim=-1, keepdim=True), bases)
    design = designs.get(name, width=16, groups=10, rank=2, active=1, coefficient=0.2)
    assert isinstance(design, DGated)
    optimiser = torch.optim.Adam(design.parameters(), lr=0.02)
    for at in range(250):
        batch = x[torch.randint(4000, (64,), generator=generator)]
        design.begin_step(at, 250)
        loss = design.loss(batch)
        optimiser.zero_grad()
        loss.total.backward()
        design.project_gradients()
        optimiser.step()
        design.end_step(loss, 64)
    sizes = design.sizes().sort().values
    assert sizes[:6].max() < 1e-3 * sizes[-1]
    assert sizes[6:].min() > 0.5 * sizes[-1]
    exported = design.export()
    assert exported.n_units == 4
    torch.testing.assert_close(exported(x), design(x), rtol=1e-3, atol=1e-3)
    assert (exported(x) - x).square().sum(dim=1).mean() < 0.15


@every_variant
@given(seed=seeds, threshold=st.floats(0.01, 0.9))
def test_export_drops_what_is_small_and_keeps_the_function_of_the_rest(name: str, seed: int, threshold: float) -> None:
    design, x = built(name, seed), rows(seed)
    sizes = design.sizes()
    exported = design.export(threshold)
    kept = sizes > threshold * sizes.max()
    assert exported.n_units == int(kept.sum())
    with torch.no_grad():
        for weights in (design.encoder, design.decoder):
            weights *= kept.repeat_interleave(2)[:, None]
    torch.testing.assert_close(exported(x), design(x))


def test_groups_that_are_exactly_zero_stay_so_and_are_not_exported() -> None:
    design, x = built("d-gating/3"), rows(2)
    assert isinstance(design, GatedGroups)
    with torch.no_grad():
        design.gates[:4] = 0.0
        design.encoder.unflatten(0, (-1, 2))[:4] = 0.0
        design.decoder.unflatten(0, (-1, 2))[:4] = 0.0
    assert (design.loss(x).fired[:4] == 0).all()
    design.loss(x).total.backward()
    assert design.gates.grad is not None
    assert design.gates.grad.isfinite().all()
    assert (design.gates.grad[:4] == 0).all()
    exported = design.export(0.0)
    assert (exported.n_units, exported.config.active) == (1, 1)
    torch.testing.assert_close(exported(x), design(x))


@every_variant
@given(seed=seeds, scale=st.floats(1e-3, 1e3))
def test_scale_of_the_activations(name: str, seed: int, scale: float) -> None:
    trained, absorbed, x = built(name, seed), built(name, seed), rows(seed)
    absorbed.absorb_scale(scale)
    torch.testing.assert_close(trained.encode(scale * x), scale * absorbed.encode(x), rtol=1e-6, atol=1e-8 * scale)
    torch.testing.assert_close(trained(scale * x), scale * absorbed(x), rtol=1e-6, atol=1e-8 * scale)
    big, small = trained.loss(scale * x), absorbed.loss(x)  # the penalty knows the scale too
    torch.testing.assert_close(big.total, scale**2 * small.total)


@every_variant
@given(seed=seeds)
def test_row_weights(name: str, seed: int) -> None:
    design, x = built(name, seed), rows(seed)
    weight = torch.rand(10, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    loss, plain = design.loss(x, row_weight=weight), design.loss(x)
    errors = (design(x) - x).square().sum(dim=1)
    torch.testing.assert_close(loss.terms["reconstruction"], (weight * errors).mean().detach())
    torch.testing.assert_close(loss.error, plain.error)
    weighted = (weight * (x - x.mean(dim=0)).square().sum(dim=1)).mean()
    torch.testing.assert_close(loss.terms["decay"] / plain.terms["decay"], weighted / energy(x))


@every_variant
def test_gradients_agree_with_finite_differences(name: str) -> None:
    design, x = built(name), rows(1, 4)
    names = [entry for entry, _ in design.named_parameters()]
    losses = _Losses(design)

    def total(*tensors: torch.Tensor) -> torch.Tensor:
        return functional_call(losses, _prefixed(dict(zip(names, tensors, strict=True))), (x,))

    parameters = tuple(parameter.detach().clone().requires_grad_() for parameter in design.parameters())
    assert torch.autograd.gradcheck(total, parameters)


@every_variant
def test_members_of_an_ensemble_are_alone(name: str) -> None:
    members, x = [built(name, seed) for seed in range(3)], rows(8)
    members[1].coefficient.fill_(0.7)
    parameters, buffers = stack_module_state(members)

    def total(parameters: dict[str, torch.Tensor], buffers: dict[str, torch.Tensor]) -> torch.Tensor:
        return functional_call(_Losses(members[0]), _prefixed(parameters) | _prefixed(buffers), (x,))

    found = vmap(total)(parameters, buffers)
    torch.testing.assert_close(found, torch.stack([member.loss(x).total for member in members]))


class _Losses(torch.nn.Module):
    def __init__(self, design: DGated) -> None:
        super().__init__()
        self.design = design

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.design.loss(x).total


def _prefixed(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"design.{name}": tensor for name, tensor in tensors.items()}


def test_impossible_settings_are_refused() -> None:
    sizes = {"width": 7, "groups": 5, "rank": 2}
    with pytest.raises(ValueError, match=r"depth must be in \[2"):
        GatedGroupsConfig(**sizes, active=2, depth=1)
    with pytest.raises(ValueError, match="active must be at most groups = 5"):
        GatedGroupsConfig(**sizes, active=6)
    with pytest.raises(ValueError, match="coefficient"):
        GatedGroupsConfig(**sizes, active=2, coefficient=-1.0)
    design = built("d-gating/2")
    with pytest.raises(ValueError, match="threshold"):
        design.export(1.0)
    with torch.no_grad():
        for parameter in design.parameters():
            parameter.zero_()
    with pytest.raises(ValueError, match=r"nothing is left to export; train with a coefficient below 0\.1"):
        design.export()
