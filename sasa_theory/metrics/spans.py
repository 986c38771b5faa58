"""The subspaces that units use, as orthonormal rows: what covering and consistency compare."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .subspaces import principal

if TYPE_CHECKING:
    from .observation import Observation


def spans(observation: Observation) -> Tensor:
    """Orthonormal bases B_k of the subspaces that the units use, float64; those that never fired are left out.

    The strongest direction comes first; rows beyond a unit's rank are 0. A unit of one column keeps its sign.

    Returns
    -------
    Tensor, shape (units that fired, largest rank, width)
        Spans of :class:`.subspaces.Subspaces`.
    """
    units = observation.units
    decoder = units.decoder.double()
    ranks = observation.subspaces.ranks
    if units.rank == 1:  # an eigenvector's sign would be arbitrary
        directions = torch.nn.functional.normalize(decoder, dim=2)
    else:
        directions, _ = principal(decoder, observation.crowd.second)
    directions, ranks = directions[ranks > 0, : int(ranks.max())], ranks[ranks > 0]
    kept = torch.arange(directions.shape[1], device=decoder.device) < ranks.unsqueeze(1)
    return directions * kept.unsqueeze(2)
