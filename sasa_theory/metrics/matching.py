"""Which unit stands for which feature: one for one, by subspace and, separately, by support.

A unit that spans a feature but fires for another, or fires with it but points elsewhere, has not recovered it. So the
two assignments are made independently, and a feature counts as recovered only if the same unit wins both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from .contract import Metric, Reading
from .crowd import Crowd
from .subspaces import Subspaces

if TYPE_CHECKING:
    from .observation import Observation

RECOVERED = 0.9
"""Recovery from which a subspace counts as the feature's: a unit with one dimension more or less than a feature of up
to four stays below (8/9 and 6/7 at four), as does one turned by 19 degrees in every direction."""

SERVED = 0.8
"""Support F1 from which a unit counts as the feature's: one that serves only half of the feature's rows has 2/3."""

TIES = 1e-4
"""Weight of the other score in each assignment: of two copies of a subspace, the one that fires with the feature is
its unit. Too small to change who wins otherwise."""


@dataclass(frozen=True)
class Matching:
    """Hungarian assignments of units to features. Features that never occur in the rows take no part.

    Attributes
    ----------
    recovery : Tensor, shape (features, units)
        ``2 ||B_k V_i'||_F^2 / (d_i + rank_k)``, the harmonic mean of capture and purity.
    f1 : Tensor, shape (features, units)
        ``2 n_ik / (n_i + n_k)``: n_ik rows in which both fired, n_i and n_k those in which feature and unit did.
    subspace, support : Tensor of int64, shape (features,)
        Unit of each feature in the assignment of largest total ``recovery``, and of largest total ``f1``; -1 if it has
        none, because it never occurred or there are fewer units than features.
    occurs : Tensor of bool, shape (features,)
        Whether the feature was present in any row.
    """

    recovery: Tensor
    f1: Tensor
    subspace: Tensor
    support: Tensor
    occurs: Tensor

    def reading(self, each: Tensor) -> Reading:
        """The mean over features that occur of one value a feature; NaN for the others, and if none occurs."""
        each = each.double().masked_fill(~self.occurs, torch.nan)
        return Reading(float(each.nanmean()), each)


def match(subspaces: Subspaces, crowd: Crowd, dims: Tensor) -> Matching:
    """Assign units to features of these dimensions, shape (features,)."""
    dims = dims.to(subspaces.ranks.device)
    recovery = 2 * subspaces.overlap / (dims.unsqueeze(1) + subspaces.ranks)
    fired, present = crowd.fired.counts(), crowd.present.counts()
    f1 = 2 * crowd.together / (present.unsqueeze(1) + fired).clamp_min(1)
    occurs = present > 0
    shown = occurs.unsqueeze(1)
    subspace = assign((recovery + TIES * f1) * shown).masked_fill(~occurs, -1)
    support = assign((f1 + TIES * recovery) * shown).masked_fill(~occurs, -1)
    return Matching(recovery, f1, subspace, support, occurs)


def assign(scores: Tensor) -> Tensor:
    """Unit of each feature, one for one, with the largest total score; -1 for features beyond the number of units.

    Shape (features, units) to (features,). Cost of the order of ``features * units * min(features, units)``.
    """
    features, units = linear_sum_assignment(scores.cpu().numpy(), maximize=True)
    found = torch.full((len(scores),), -1, dtype=torch.int64)
    found[torch.from_numpy(features)] = torch.from_numpy(units)
    return found.to(scores.device)


def taken(scores: Tensor, chosen: Tensor) -> Tensor:
    """Score of the chosen unit of each feature, shapes (features, units), (features,) to (features,); 0 for -1."""
    found = scores.gather(1, chosen.clamp_min(0).unsqueeze(1)).squeeze(1)
    return found.masked_fill(chosen < 0, 0)


def _recovered(observation: Observation) -> Reading:
    """Share of features whose unit is the same in both assignments, has recovery >= 0.9, and support F1 >= 0.8.

    Assignments are Hungarian, one of largest total recovery (harmonic mean of capture and purity), one of largest total
    support F1; ties in one are settled by the other. For each feature 1 or 0.
    """
    matching = observation.matching
    near = taken(matching.recovery, matching.subspace) >= RECOVERED
    serves = taken(matching.f1, matching.support) >= SERVED
    return matching.reading(near & serves & (matching.subspace == matching.support))


METRICS = (
    Metric(
        name="recovered",
        title="features recovered",
        unit="share",
        direction="higher",
        version=2,
        measure=_recovered,
        best=1.0,
    ),
)
