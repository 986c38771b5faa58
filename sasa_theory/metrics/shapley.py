"""What each unit adds to a feature once cross-terms between units are divided fairly: Shapley values of energy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .contract import Metric, Reading

if TYPE_CHECKING:
    from .observation import Observation

_SOURCE = "Deng & Papadimitriou, Mathematics of Operations Research 19 (1994) 257"


def shapley_values(joint: Tensor) -> Tensor:
    r"""Shapley values of the game :math:`v(S) = E\|\sum_{k \in S} V c_k\|^2 = 1_S' J 1_S`: the row sums of J.

    A game on a weighted graph, in which a coalition earns the weights inside it: each unit keeps its own energy
    ``J_kk`` and half of each edge ``2 J_kl`` (Deng & Papadimitriou, 1994). They add up to the energy of all units
    together. A unit whose contribution works against the others' sum has a negative value.

    Parameters
    ----------
    joint : Tensor, shape (..., units, units)
        ``J_kl = E<V c_k, V c_l>``, symmetric.

    Returns
    -------
    Tensor, shape (..., units)
    """
    return joint.sum(dim=-1)


def _effective(observation: Observation) -> Reading:
    """``exp(H(q))``, ``q_k = max(phi_k, 0) / sum_l max(phi_l, 0)``, phi_k the Shapley value of unit k.

    ``phi_k = E<V_i c_k, V_i sum_l c_l>`` over isolated slices, for the 64 units of most energy; mean over features.
    Units with negative values, which work against the rest, are not counted: ``opposed`` says how much they do.
    """
    alone = observation.alone
    helping = shapley_values(alone.joint).clamp_min(0)
    q = helping / helping.sum(dim=1, keepdim=True)
    each = torch.special.entr(q).sum(dim=1).exp().masked_fill(~alone.served, torch.nan)
    return Reading(float(each.nanmean()), each)


def _opposed(observation: Observation) -> Reading:
    """``sum_k max(-phi_k, 0) / sum_k |phi_k|``, phi_k the Shapley value of unit k, mean over features.

    ``phi_k = E<V_i c_k, V_i sum_l c_l>`` over isolated slices, for the 64 units of most energy. At most 1/2: the energy
    of all together is not negative.
    """
    alone = observation.alone
    phi = shapley_values(alone.joint)
    each = (phi.clamp_max(0).abs().sum(dim=1) / phi.abs().sum(dim=1)).masked_fill(~alone.served, torch.nan)
    return Reading(float(each.nanmean()), each)


METRICS = (
    Metric(
        name="units_shapley",
        title="effective units by Shapley value",
        unit="units",
        direction="lower",
        version=1,
        measure=_effective,
        best=1.0,
        source=_SOURCE,
    ),
    Metric(
        name="opposed",
        title="energy of units that work against the rest",
        unit="share",
        direction="lower",
        version=1,
        measure=_opposed,
        best=0.0,
        source=_SOURCE,
    ),
)
