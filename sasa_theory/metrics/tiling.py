"""Tiling versus dilution: whether a feature's units take turns, each in its place, or all work at once.

Units share each isolated slice h of a feature in proportion to the energies they add within its subspace, ``p_k(h)``.
The entropy of the mean share splits into two parts,

    H(E p) = E H(p(h)) + I(unit; slice),

how many units work at once and how far the slice tells which: the mutual information of the slice and of a unit drawn
with probability ``p_k(h)``. Since the shares are read off the design, neither bins nor neighbours have to be chosen for
it, a dictionary whose units differ only by rounding is not mistaken for a tiled one, and all bias is that of the
entropy of a mean over :data:`.alone.SLICES` slices, at most about ``(units - 1) / (2 slices ln 2)`` bits downwards.
Where shares depend on direction only (homogeneous encoders, or slices of one length) it is the information about
angular position; :func:`_order` says in any case whether the turns follow the direction or merely alternate.

Features of one dimension have no angular position and are left out, as are those that no unit serves.
"""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sasa_theory.tolerances import ROUNDING

from .contract import Metric, Reading

if TYPE_CHECKING:
    from .observation import Observation


def _bits(observation: Observation) -> Reading:
    """``I = H(E p) - E H(p)`` in bits, p the shares of units in an isolated slice; mean over features of d_i >= 2."""
    information, _ = _information(observation)
    return Reading(float(information.nanmean()), information)


def _index(observation: Observation) -> Reading:
    """``sum_i I_i / sum_i H_i``: part of the units' entropy ``H(E p)`` that is information about the slice.

    ``I = H(E p) - E H(p)``, p the shares of units in an isolated slice, over features of d_i >= 2; for each feature
    ``I_i / H_i``. 1: one unit at a time (tiling). 0: the same shares in every slice (dilution), or one unit for all.
    The sums give features little weight that are hardly split.
    """
    information, entropy = _information(observation)
    value = torch.nan if entropy.isnan().all() else float(_part(information.nansum(), entropy.nansum()))
    return Reading(value, _part(information, entropy))


def _order(observation: Observation) -> Reading:
    """``(A - C) / (1 - C)``: agreement of slices nearest in direction beyond chance; mean over features of d_i >= 2.

    ``A = E <p(h), p(h')>`` for the slice h' nearest in direction to h, C the same over all pairs of slices. 1: regions
    with sharp borders, far apart compared to the distance of slices. 0: which unit works has nothing to do with
    direction, or it is one unit for all. Least, below 0, where neighbours avoid each other's units.
    """
    turns = observation.alone.turns
    beyond = _part(turns.neighbours - turns.strangers, 1 - turns.strangers)
    each = beyond.masked_fill(~_wide(observation), torch.nan)
    return Reading(float(each.nanmean()), each)


def _information(observation: Observation) -> tuple[Tensor, Tensor]:
    """``I`` and ``H(E p)`` of each feature, in bits; NaN where they are not defined."""
    turns = observation.alone.turns
    entropy = torch.special.entr(turns.shares).sum(dim=1) / log(2)
    entropy = entropy.masked_fill(~_wide(observation), torch.nan)
    return (entropy - turns.at_once).clamp_min(0), entropy  # below 0 by rounding only


def _part(part: Tensor, whole: Tensor) -> Tensor:
    """``part / whole``; 0 where the whole is rounding."""
    return torch.where(whole > ROUNDING, part / whole, 0 * part)


def _wide(observation: Observation) -> Tensor:
    return observation.dims.to(observation.alone.power.device) > 1


METRICS = (
    Metric(
        name="tiling_bits",
        title="information of units about the slice",
        unit="bits",
        direction="lower",
        version=1,
        measure=_bits,
        best=0.0,
    ),
    Metric(
        name="tiling_index", title="tiling index", unit="share", direction="lower", version=1, measure=_index, best=0.0
    ),
    Metric(
        name="tiling_order",
        title="agreement of neighbouring slices",
        unit="share",
        direction="nearest",
        version=1,
        measure=_order,
    ),
)
