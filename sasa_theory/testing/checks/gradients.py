"""Gradients exist, are finite, and are those of what is computed."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd.gradcheck import GradcheckError, gradcheck

from sasa_theory.designs import Design

from ..check import Check, Complaint, Skipped, first_of, not_finite
from ..subject import Subject

_AWAY = 1e-4  # a row is away from ties if moving it by this much in every coordinate changes nothing in what fires
_PROBES = 8  # directions in which it is moved


def loss_gradients(design: Design, x: Tensor) -> dict[str, Tensor | None]:
    """Gradient of the loss in each trainable parameter; None where there is none."""
    total = design.loss(x).total
    learning = {name: p for name, p in design.named_parameters() if p.requires_grad}
    if not learning or not total.requires_grad:
        return dict.fromkeys(learning)
    found = torch.autograd.grad(total, list(learning.values()), allow_unused=True)
    return dict(zip(learning, found, strict=True))


def _finite(subject: Subject, x: Tensor) -> Complaint:
    gradients = loss_gradients(subject.training(), x)
    return first_of(*(not_finite(f"the gradient of {name}", g) for name, g in gradients.items() if g is not None))


def _reach(subject: Subject, x: Tensor) -> Complaint:
    gradients = loss_gradients(subject.training(), x)
    if not gradients:
        raise Skipped("the design has no parameters that learn")
    without = [name for name, gradient in gradients.items() if gradient is None]
    return f"the loss of the first step gives no gradient to {', '.join(without)}" if without else None


def _gradcheck(subject: Subject, x: Tensor) -> Complaint:
    design = subject.design()
    x = _away_from_ties(design, x)
    if not len(x):
        raise Skipped("every row lies near a tie")
    codes = design.encode(x).detach()
    return first_of(
        _mismatch("encode", design.encode, x),
        _mismatch("decode", design.decode, codes),
        _mismatch("forward", design.forward, x),
    )


def _mismatch(name: str, function: Callable[[Tensor], Tensor], at: Tensor) -> Complaint:
    at = at.clone().requires_grad_()
    try:
        gradcheck(function, (at,), eps=1e-6, atol=1e-6, rtol=1e-4, fast_mode=True)
    except GradcheckError as error:
        numbers = [line for line in str(error).splitlines() if line.startswith(("numerical", "analytical"))]
        return f"{name} has another derivative than its differences: {'; '.join(numbers) or str(error).splitlines()[0]}"
    return None


@torch.no_grad()
def _away_from_ties(design: Design, x: Tensor) -> Tensor:
    on = design.encode(x) != 0
    stays = torch.ones(len(x), dtype=torch.bool)
    generator = torch.Generator().manual_seed(0)
    for _ in range(_PROBES):
        step = _AWAY * torch.randn(x.shape, generator=generator, dtype=x.dtype).sign()
        stays &= ((design.encode(x + step) != 0) == on).all(dim=1)
    return x[stays]


CHECKS = (
    Check(
        name="gradients_finite",
        demand="The loss of a first step has finite gradients.",
        mend="a root or a norm at 0, a logarithm or a quotient: torch.where a safe value in before it",
        run=_finite,
    ),
    Check(
        name="gradients_reach_parameters",
        demand="The loss of a first step gives every trainable parameter a gradient.",
        mend="look for detach, no_grad, .data or a comparison between the parameter and the loss; what is not trained "
        "must be a buffer or have requires_grad=False",
        run=_reach,
    ),
    Check(
        name="gradcheck",
        demand="Away from ties the derivatives of encode, decode and forward in their input are right, in float64.",
        mend="look for detach or no_grad on codes, and compare an own backward with autograd's",
        run=_gradcheck,
    ),
)
