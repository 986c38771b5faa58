"""Adam with what a design needs of it: fused where possible, no decay of vectors, clipping member by member."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Adam, AdamW

from .recipe import Recipe


def build_optimiser(parameters: Mapping[str, Parameter], recipe: Recipe, *, leading: int = 0) -> Adam:
    """The recipe's optimiser. Its learning rate is set before each step, see :class:`.step.Step`.

    Parameters
    ----------
    parameters : Mapping of str to Parameter
        What to train.
    recipe : Recipe
        Optimiser, moments and weight decay.
    leading : int
        Leading dimensions that only count members of an ensemble: a bias has one dimension beside these, and weight
        decay leaves it alone.
    """
    matrices = [p for p in parameters.values() if p.ndim - leading >= 2]
    vectors = [p for p in parameters.values() if p.ndim - leading < 2]
    groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    groups = [group for group in groups if group["params"]]
    kind = AdamW if recipe.optimiser == "adamw" else Adam
    try:
        return kind(groups, lr=0.0, betas=recipe.betas, eps=recipe.eps, fused=True)
    except RuntimeError:  # no fused kernel for this device or dtype
        return kind(groups, lr=0.0, betas=recipe.betas, eps=recipe.eps)


@torch.no_grad()
def clip_gradients(parameters: list[Parameter], limit: float, *, leading: int = 0) -> Tensor:
    """Shrink the gradient of all parameters together to norm ``limit`` if it is longer, in place.

    Returns
    -------
    Tensor
        The norm before, one entry for each member of an ensemble; shape () without leading dimensions.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    norms = [torch.linalg.vector_norm(g, dim=tuple(range(leading, g.ndim))) for g in gradients if g.ndim > leading]
    norms += [g.abs() for g in gradients if g.ndim == leading]
    norm = torch.linalg.vector_norm(torch.stack(norms), dim=0)
    shrink = (limit / norm.clamp_min(torch.finfo(norm.dtype).tiny)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(shrink.reshape(shrink.shape + (1,) * (gradient.ndim - leading)))
    return norm
