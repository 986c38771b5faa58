"""Adam as the recipe asks: what decays, what clipping does to gradients, members apart."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import Parameter

from sasa_theory.training import Recipe
from sasa_theory.training.optimisers import build_optimiser, clip_gradients


def parameters(leading: tuple[int, ...] = ()) -> dict[str, Parameter]:
    return {"weight": Parameter(torch.ones(*leading, 3, 2)), "bias": Parameter(torch.ones(*leading, 3))}


@pytest.mark.parametrize("leading", [(), (4,)])
def test_weight_decay_shrinks_matrices_by_lr_times_decay_and_leaves_vectors(leading: tuple[int, ...]) -> None:
    own = parameters(leading)
    optimiser = build_optimiser(own, Recipe(optimiser="adamw", weight_decay=0.1), leading=len(leading))
    for parameter in own.values():
        parameter.grad = torch.zeros_like(parameter)
    for group in optimiser.param_groups:
        group["lr"] = 0.5
    optimiser.step()
    torch.testing.assert_close(own["weight"].detach(), torch.full_like(own["weight"], 1 - 0.05))
    assert torch.equal(own["bias"], torch.ones_like(own["bias"]))


def test_moments_and_epsilon_are_the_recipes() -> None:
    """First step of Adam from gradient g: ``lr g / (|g| + eps)``; second, with gradient 0, shows the betas."""
    own = {"weight": Parameter(torch.zeros(1, 1, dtype=torch.float64))}
    optimiser = build_optimiser(own, Recipe(betas=(0.5, 0.75), eps=1.0))
    optimiser.param_groups[0]["lr"] = 0.1
    own["weight"].grad = torch.full((1, 1), 3.0, dtype=torch.float64)
    optimiser.step()
    assert own["weight"].item() == pytest.approx(-0.1 * 3 / 4)
    own["weight"].grad = torch.zeros(1, 1, dtype=torch.float64)
    optimiser.step()
    first = 0.5 * 1.5 / (1 - 0.25)
    second = (0.75 * 0.25 * 9 / (1 - 0.75**2)) ** 0.5
    assert own["weight"].item() == pytest.approx(-0.1 * 3 / 4 - 0.1 * first / (second + 1))


@given(st.integers(0, 99), st.floats(1e-3, 1e3), st.integers(0, 3))
def test_clipping_caps_the_norm_of_each_member_and_keeps_the_direction(seed: int, limit: float, members: int) -> None:
    leading = (members,) if members else ()
    generator = torch.Generator().manual_seed(seed)
    own = [Parameter(torch.zeros(*leading, 5, 2)), Parameter(torch.zeros(*leading, 5)), Parameter(torch.zeros(leading))]
    for parameter in own:
        parameter.grad = 10 ** float(torch.randn((), generator=generator)) * torch.randn(
            parameter.shape, generator=generator
        )

    def together() -> Tensor:
        gradients = [p.grad for p in own if p.grad is not None]
        return torch.cat([g.reshape(*leading, -1) for g in gradients], dim=-1)

    before = together().clone()
    norms = clip_gradients(own, limit, leading=len(leading))
    torch.testing.assert_close(norms, before.norm(dim=-1))
    expected = before * (limit / before.norm(dim=-1, keepdim=True)).clamp(max=1)
    torch.testing.assert_close(together(), expected)


def test_a_gradient_of_zero_survives_clipping() -> None:
    own = [Parameter(torch.zeros(3))]
    own[0].grad = torch.zeros(3)
    clip_gradients(own, 1.0)
    assert torch.equal(own[0].grad, torch.zeros(3))
