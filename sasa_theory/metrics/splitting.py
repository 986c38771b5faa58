"""Over how many units a feature is split, and whether a unit is shared, from slices of each feature alone.

All counts are of units, not of columns, and of contributions within the feature's subspace, ``V_i c_k``. A feature that
never occurs, or to which units add less than a fifth of its power, has no count (NaN): ``served`` says how many have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sasa_theory.tolerances import ROUNDING

from .contract import Metric, Reading

if TYPE_CHECKING:
    from .observation import Observation

EXPLAINED = 0.9
"""Share of what all units together add that ``units_90`` asks of the fewest."""


def units_needed(joint: Tensor, with_all: Tensor, total: Tensor, share: float = EXPLAINED) -> Tensor:
    r"""Fewest units, found greedily, whose contributions explain this share of what all units together add.

    .. math:: \min |S| : \min_{a} E\Big\|c - \sum_{k \in S} a_k V c_k\Big\|^2 \le (1 - \mathrm{share})\, E\|c\|^2,
        \qquad c = \sum_l V c_l, \quad S \subset \{\text{candidates}\}

    One gain ``a_k`` is refitted a unit: energies that cancel between units, or an amplitude that two copies share,
    then add no unit. Each step takes the unit that explains most of what is left (orthogonal least squares), which is
    an upper bound of the true minimum, reached when contributions are orthogonal.

    Parameters
    ----------
    joint : Tensor, shape (features, candidates, candidates)
        ``E<V c_k, V c_l>`` of the units that may be chosen, float64.
    with_all : Tensor, shape (features, candidates)
        ``E<V c_k, c>``.
    total : Tensor, shape (features,)
        ``E||c||^2``, c the sum over all units, candidates or not.
    share : float
        In (0, 1).

    Returns
    -------
    Tensor of float64, shape (features,)
        NaN if the units add nothing together; the number of candidates, and thus too few, if they do not suffice.
    """
    own = joint.diagonal(dim1=1, dim2=2)
    floor = ROUNDING * own.amax(dim=1, keepdim=True)  # deflated energies below it are rounding
    defined = total > ROUNDING * own.sum(dim=1)
    left, dots, joint = total.clone(), with_all, joint.clone()
    needed = torch.zeros_like(total)
    for _ in range(joint.shape[1]):
        open_ = defined & (left > (1 - share + ROUNDING) * total)
        if not open_.any():
            break
        needed += open_
        energy = joint.diagonal(dim1=1, dim2=2)
        gain = torch.where(energy > floor, dots.square() / energy, 0)
        best = gain.argmax(dim=1)
        i = torch.arange(len(joint), device=joint.device)
        column, scale = joint[i, :, best], energy[i, best].clamp_min(floor.squeeze(1)).unsqueeze(1)
        left -= gain[i, best]
        dots = dots - dots[i, best].unsqueeze(1) * column / scale
        joint -= column.unsqueeze(2) * column.unsqueeze(1) / scale.unsqueeze(2)
    return needed.masked_fill(~defined, torch.nan)


def _entropy(observation: Observation) -> Reading:
    """``exp(H(p))``, ``p_k = e_k / sum_l e_l``, ``e_k = E||V_i c_k||^2`` over isolated slices; mean over features.

    Cross-terms are left out: energies that cancel count here, not in ``units_90``.
    """
    energy = observation.alone.energy
    p = energy / energy.sum(dim=1, keepdim=True)
    return _mean(observation, torch.special.entr(p).sum(dim=1).exp())


def _needed(observation: Observation) -> Reading:
    """Fewest units, found greedily, that explain 90 % of ``c = sum_l V_i c_l`` over isolated slices.

    Explained: ``1 - min_a E||c - sum_{k in S} a_k V_i c_k||^2 / E||c||^2``, so that cross-terms count and a gain a unit
    is refitted; S among the 64 units of most energy, c the sum over all. An upper bound of the true minimum, but for
    64, which stands for 64 and more; mean over features.
    """
    alone = observation.alone
    with_all = alone.with_all.gather(1, alone.candidates)
    return _mean(observation, units_needed(alone.joint, with_all, alone.with_all.sum(dim=1)))


def _at_once(observation: Observation) -> Reading:
    """``2^(E H(p(h)))``, H in bits, p_k(h) the share of unit k in ``sum_l ||V_i c_l||^2`` of the isolated slice h.

    The effective number of units at work in one slice, mean over features.
    """
    return _mean(observation, observation.alone.turns.at_once.exp2())


def _co_firing(observation: Observation) -> Reading:
    """Number of units that fire in an isolated slice, mean over slices, then over features.

    Whatever they add: a design with a fixed number of active units fires that many. ``units_at_once`` weighs them.
    """
    each = observation.alone.fired.sum(dim=1)
    return Reading(float(each.nanmean()), each)


def _merged(observation: Observation) -> Reading:
    """Share of the features that units serve whose main unit is the main unit of another one, too.

    Main: the unit of largest ``E||V_i c_k||^2`` over isolated slices. For each feature 1 or 0; served as in ``served``.
    """
    alone = observation.alone
    main = alone.candidates[:, 0]
    uses = torch.bincount(main[alone.served], minlength=alone.energy.shape[1])
    return _mean(observation, (uses[main] > 1).double())


def _served(observation: Observation) -> Reading:
    """Share of features to which units add at least a fifth of their power, over isolated slices h.

    ``max(sum_k E||V_i c_k||^2, E||sum_k V_i c_k||^2) >= E||h||^2 / 5``. For each feature 1 or 0; those that never
    occur are left out.
    """
    alone = observation.alone
    each = alone.served.double().masked_fill(alone.slices == 0, torch.nan)
    return Reading(float(each.nanmean()), each)


def _mean(observation: Observation, each: Tensor) -> Reading:
    """The mean over the features that units serve."""
    each = each.masked_fill(~observation.alone.served, torch.nan)
    return Reading(float(each.nanmean()), each)


METRICS = (
    Metric(
        name="units_entropy",
        title="effective units by energy",
        unit="units",
        direction="lower",
        version=2,
        measure=_entropy,
        best=1.0,
    ),
    Metric(
        name="units_90",
        title="units that explain 90 %",
        unit="units",
        direction="lower",
        version=2,
        measure=_needed,
        best=1.0,
    ),
    Metric(
        name="units_at_once",
        title="effective units in one slice",
        unit="units",
        direction="lower",
        version=2,
        measure=_at_once,
        best=1.0,
    ),
    Metric(
        name="co_firing",
        title="units firing in one slice",
        unit="units",
        direction="nearest",
        version=1,
        measure=_co_firing,
    ),
    Metric(
        name="merge_rate",
        title="features that share their main unit",
        unit="share",
        direction="lower",
        version=2,
        measure=_merged,
        best=0.0,
    ),
    Metric(
        name="served",
        title="features that units serve",
        unit="share",
        direction="higher",
        version=1,
        measure=_served,
        best=1.0,
    ),
)
