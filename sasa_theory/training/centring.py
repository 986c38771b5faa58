"""Start the decoder's bias in the middle of the activations, so that no unit has to stand for their mean."""

from __future__ import annotations

import torch
from torch import Tensor

from sasa_theory.designs.contract import Design
from sasa_theory.designs.layer_norm import LayerNormed

from .ensemble import Ensemble

ROWS = 2**12
"""Samples from which the middle is computed."""

_ROUNDS = 100
_CLOSE = 1e-6


@torch.no_grad()
def centre_bias(design: Design, rows: Tensor, middle: str) -> None:
    """Set every ``decoder_bias`` of the design, in place.

    Parameters
    ----------
    design : Design
        Behind layer norm, the middle is that of the normalised rows.
    rows : Tensor, shape (n, width)
        Activations as training will see them.
    middle : str
        ``mean``, or ``median`` for the geometric median.

    Raises
    ------
    ValueError
        If the design has no ``decoder_bias``.
    """
    biases = [p for name, p in design.named_parameters() if name.rpartition(".")[2] == "decoder_bias"]
    if not biases:
        raise ValueError(f"centre must be 'none' for {type(design).__name__}, which has no decoder_bias")
    one = design.members[0] if isinstance(design, Ensemble) else design
    inputs = one.normalise(rows).u if isinstance(one, LayerNormed) else rows
    value = inputs.mean(dim=0) if middle == "mean" else geometric_median(inputs)
    for bias in biases:
        bias.copy_(value)


def geometric_median(rows: Tensor) -> Tensor:
    """The point with the least sum of distances to the rows, shape (n, width) to (width,).

    Weiszfeld's iteration from the mean: ``y <- sum_i w_i x_i / sum_i w_i`` with ``w_i = 1 / ||x_i - y||``, until a
    round moves y by less than 1e-6 of the mean distance, 100 rounds at most.
    """
    point = rows.mean(dim=0)
    for _ in range(_ROUNDS):
        distances = (rows - point).norm(dim=1)
        if not distances.any():
            break
        weights = 1 / distances.clamp_min(torch.finfo(rows.dtype).eps * distances.mean())
        moved = weights @ rows / weights.sum()
        step, point = (moved - point).norm(), moved
        if step <= _CLOSE * distances.mean():
            break
    return point
