"""Stop early when a loss is no longer finite or explodes, and say what is likely to blame."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite

import torch
from torch import Tensor

from sasa_theory.designs.contract import Loss

from .meter import Reading
from .recipe import Recipe

EXPLOSION = 1e3
"""A loss this many times both the first one and the variance of the activations counts as an explosion."""


class Diverged(RuntimeError):  # noqa: N818  (it reads as what happened: "except Diverged")
    """Training no longer leads anywhere. The message names the step, the evidence and the likely cause."""


def check_finite(loss: Loss, batch: Tensor, step: int, rate: float, recipe: Recipe) -> None:
    """Do nothing if the loss is finite.

    Raises
    ------
    Diverged
        Otherwise.
    """
    total = loss.total.detach()
    if not isfinite(total.item() if total.ndim == 0 else total.sum().item()):
        raise Diverged(f"the loss is not finite at step {step}: {likely_cause(loss, batch, rate, recipe)}")


def check_weights(parameters: Iterable[Tensor], step: int, rate: float, recipe: Recipe) -> None:
    """Do nothing if all parameters are finite; looked at before they are saved, since it reads every one.

    Raises
    ------
    Diverged
        Otherwise.
    """
    if not all(bool(torch.isfinite(p).all()) for p in parameters):
        raise Diverged(f"weights are not finite after {step} steps, nothing was saved: {_learning_rate(rate, recipe)}")


def check_explosion(reading: Reading, step: int, rate: float, recipe: Recipe) -> None:
    """Do nothing unless a loss exceeds :data:`EXPLOSION` times both the first one and the variance of the activations.

    Raises
    ------
    Diverged
        If it does; the largest term is blamed.
    """
    reference = reading.first.to(reading.loss).clamp_min(reading.variance)
    if bool((reading.loss <= EXPLOSION * reference).all()):
        return
    sizes = {name: float(value.max()) for name, value in reading.terms.items() if value.isfinite().all()}
    largest = max(sizes, key=lambda name: sizes[name], default="reconstruction")
    cause = (
        _learning_rate(rate, recipe)
        if largest == "reconstruction"
        else f"the penalty {largest!r} makes up {sizes[largest]:.3g} of it; lower its coefficient"
    )
    raise Diverged(
        f"the loss exploded to {float(reading.loss.max()):.3g} by step {step}, "
        f"from {float(reading.first.max()):.3g} at first: {cause}"
    )


def likely_cause(loss: Loss, batch: Tensor, rate: float, recipe: Recipe) -> str:
    """Why the loss of this batch is not finite, with a remedy."""
    rows = torch.isfinite(batch).all(dim=-1).logical_not().nonzero()
    if len(rows):
        return (
            f"the data hold NaN or infinite values in {len(rows)} of the batch's {len(batch)} rows, "
            f"row {int(rows[0])} first; clean the source"
        )
    terms = {name: float(value.sum()) for name, value in loss.terms.items()}
    broken = [name for name, value in terms.items() if not isfinite(value)]
    if broken and "reconstruction" not in broken:
        return f"the penalty {broken[0]!r} is {terms[broken[0]]} while the error is finite; lower its coefficient"
    if broken and bool(loss.row_errors.mean(dim=-1).isfinite().all()):
        return "rows of another process are to blame, whose own message says how"
    if recipe.autocast:
        return "bfloat16 is the likely cause; set autocast=False, or lower the learning rate"
    return _learning_rate(rate, recipe)


def _learning_rate(rate: float, recipe: Recipe) -> str:
    remedies = [f"a tenth of the learning rate {rate:.3g}"]
    if recipe.clip is None:
        remedies.append("clip=1.0")
    if recipe.normalise == "none":
        remedies.append("normalise='unit_mean_square'")
    return f"the learning rate is the likely cause; try {', '.join(remedies)} or a longer warm-up"
