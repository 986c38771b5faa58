"""What each unit adds to a feature once cross-terms between units are divided fairly: Shapley values of energy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sasa_theory.tolerances import ROUNDING

from .contract import Metric, Reading

if TYPE_CHECKING:
    from .observation import Observation

_SOURCE = "Deng & Papadimitriou, Mathematics of Operations Research 19 (1994) 257"


def shapley_values(contributions: Tensor) -> Tensor:
    r"""Shapley values ``E<c_k, sum_l c_l>`` of the game :math:`v(S) = E\|\sum_{k \in S} c_k\|^2`.

    A game on a weighted graph, in which a coalition earns the weights inside it: each unit keeps its own energy
    ``E||c_k||^2`` and half of each edge ``2 E<c_k, c_l>`` (Deng & Papadimitriou, 1994). They add up to the energy of
    all units together. A unit whose contribution works against the others' sum has a negative value.

    Parameters
    ----------
    contributions : Tensor, shape (n, units, d)
        Of each unit to each of n >= 1 slices.

    Returns
    -------
    Tensor, shape (units,)
    """
    return torch.einsum("nkd,nd->k", contributions, contributions.sum(dim=1)) / len(contributions)


def _effective(observation: Observation) -> Reading:
    """``exp(H(q))``, ``q_k = max(phi_k, 0) / sum_l max(phi_l, 0)``, phi_k the Shapley value of unit k.

    ``phi_k = E<V_i c_k, V_i sum_l c_l>`` over isolated slices; mean over the features that units serve. Units with
    negative values, which work against the rest, are not counted: ``opposed`` says how much they do. If all cancel, no
    unit helps, and the feature is left out.
    """
    alone = observation.alone
    helping = alone.with_all.clamp_min(0)
    q = helping / helping.sum(dim=1, keepdim=True)
    counted = alone.served & ~_cancelled(observation)
    each = torch.special.entr(q).sum(dim=1).exp().masked_fill(~counted, torch.nan)
    return Reading(float(each.nanmean()), each)


def _opposed(observation: Observation) -> Reading:
    """``sum_k max(-phi_k, 0) / sum_k |phi_k|``, phi_k the Shapley value of unit k, mean over features that are served.

    ``phi_k = E<V_i c_k, V_i sum_l c_l>`` over isolated slices. At most 1/2: the energy of all together is not negative.
    1/2 if all units cancel, the limit as they nearly do.
    """
    alone, phi = observation.alone, observation.alone.with_all
    share = phi.clamp_max(0).abs().sum(dim=1) / phi.abs().sum(dim=1)
    each = share.masked_fill(_cancelled(observation), 0.5).masked_fill(~alone.served, torch.nan)
    return Reading(float(each.nanmean()), each)


def _cancelled(observation: Observation) -> Tensor:
    """Whether all Shapley values of a feature are rounding beside the energies of its units, shape (features,)."""
    alone = observation.alone
    return alone.with_all.abs().sum(dim=1) <= ROUNDING * alone.energy.sum(dim=1)


METRICS = (
    Metric(
        name="units_shapley",
        title="effective units by Shapley value",
        unit="units",
        direction="lower",
        version=2,
        measure=_effective,
        best=1.0,
        source=_SOURCE,
    ),
    Metric(
        name="opposed",
        title="energy of units that work against the rest",
        unit="share",
        direction="lower",
        version=2,
        measure=_opposed,
        best=0.0,
        source=_SOURCE,
    ),
)
