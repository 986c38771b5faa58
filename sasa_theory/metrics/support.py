"""Whether units fire when their features do; and, for comparison with the literature, where decoder rows point.

Support scores are for the unit assigned to the feature by support F1 (:mod:`.matching`), whatever it points at. A
feature that never occurs in the rows is left out, one for which no unit is left scores 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from .contract import Metric, Reading
from .matching import assign, taken

if TYPE_CHECKING:
    from .observation import Observation


def _precision(observation: Observation) -> Reading:
    """``n_ik / n_k``: of the rows in which the assigned unit fires, the share in which the feature is present.

    Mean over features; 0 for a unit that never fires.
    """
    crowd, matching = observation.crowd, observation.matching
    shares = crowd.together / crowd.fired.counts().clamp_min(1)
    return matching.reading(taken(shares, matching.support))


def _recall(observation: Observation) -> Reading:
    """``n_ik / n_i``: of the rows in which the feature is present, the share in which its unit fires.

    Mean over features.
    """
    crowd, matching = observation.crowd, observation.matching
    shares = crowd.together / crowd.present.counts().clamp_min(1).unsqueeze(1)
    return matching.reading(taken(shares, matching.support))


def _f1(observation: Observation) -> Reading:
    """``2 n_ik / (n_i + n_k)``, harmonic mean of precision and recall for each feature; mean over features."""
    matching = observation.matching
    return matching.reading(taken(matching.f1, matching.support))


def _exact_support(observation: Observation) -> Reading:
    """Share of rows in which exactly the units assigned to the row's features fire, of all that are assigned to any.

    Units assigned to no feature may fire or not. A row with a feature for which no unit is left is not exact.
    """
    crowd, matching = observation.crowd, observation.matching
    features = len(matching.support)
    served = torch.full((crowd.fired.size[1],), -1, dtype=torch.int64, device=matching.support.device)
    matched = (matching.support >= 0).nonzero().squeeze(1)
    served[matching.support[matched]] = matched
    claimed = served[crowd.fired.members]
    claims = (crowd.fired.rows * features + claimed)[claimed >= 0]
    truths = crowd.present.rows * features + crowd.present.members
    pairs, times = torch.cat((claims, truths)).unique(return_counts=True)
    wrong = pairs[times == 1] // features  # claimed but absent, or present but not claimed
    return Reading(1 - len(wrong.unique()) / crowd.rows)


def _mcc(observation: Observation) -> Reading:
    """Mean over matched pairs of ``|cos|`` of a unit's direction to the feature's subspace, matched to be largest.

    The literature's mean correlation coefficient where features and units have one dimension: decoder rows against true
    directions, fired or not, all features taking part, the smaller of the two numbers of pairs. A unit of several
    columns counts by the direction of most energy in its contributions, which no gauge ``E -> QE, D -> Q^-T D``
    changes (decoder rows would follow Q), but which is one direction only: MCC neither sees what else the unit spans
    nor, for a feature of several dimensions, what the unit misses. NaN for features left without a unit.
    """
    cosine = observation.subspaces.cosine
    chosen = assign(cosine)
    each = taken(cosine, chosen).masked_fill(chosen < 0, torch.nan)
    return Reading(float(each.nanmean()), each)


METRICS = (
    Metric(
        name="support_precision",
        title="support precision",
        unit="share",
        direction="higher",
        version=1,
        measure=_precision,
        best=1.0,
    ),
    Metric(
        name="support_recall",
        title="support recall",
        unit="share",
        direction="higher",
        version=1,
        measure=_recall,
        best=1.0,
    ),
    Metric(name="support_f1", title="support F1", unit="share", direction="higher", version=1, measure=_f1, best=1.0),
    Metric(
        name="exact_support",
        title="rows of exact support",
        unit="share",
        direction="higher",
        version=1,
        measure=_exact_support,
        best=1.0,
    ),
    Metric(
        name="mcc",
        title="MCC",
        unit="cosine",
        direction="higher",
        version=1,
        measure=_mcc,
        best=1.0,
        source="arXiv 2602.14687",
    ),
)
