"""Decoding of what fires."""

from __future__ import annotations

from torch import Tensor

from .active import Active
from .sparse import weighted_rows


def decode_active(active: Active, decoder: Tensor) -> Tensor:
    """Sum over a row's active units of ``values @ decoder block``, shape (rows, width).

    Parameters
    ----------
    active : Active
        A sparse code.
    decoder : Tensor, shape (units * rank, width)
        The ``rank`` rows of a unit are neighbours.

    Returns
    -------
    Tensor, shape (rows, width)
        Differentiable with respect to the values and the decoder; the gradients are sums over active entries.
    """
    return weighted_rows(active.values, active.units, active.starts, decoder)
