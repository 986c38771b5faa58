"""Whether units fire when their features do; and, for comparison with the literature, where decoder rows point.

Support scores are for the unit assigned to the feature by support F1 (:mod:`.matching`), whatever it points at. A
feature that never occurs in the rows is left out, one for which no unit is left scores 0.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from .contract import Metric, Reading
from .evaluating import encoded, evaluating
from .matching import assign, taken
from .units import like_parameters

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


@torch.no_grad()
def _exact_support(observation: Observation) -> Reading:
    """Share of rows in which the units assigned to the row's features fire, and no other unit does.

    A unit assigned to no feature must not fire either: junk beside the truth is a mistake, and so are further units
    that share a feature with the assigned one. A row with a feature for which no unit is left is not exact.
    """
    design, support = observation.design, observation.matching.support
    like, exact = like_parameters(design), 0
    with evaluating(design):
        for block in observation.rows:  # a second pass: who is assigned is known only after the first
            on = design.presence(encoded(design, block.x.to(like))) > 0
            samples = block.truth.samples.to(on.device)
            due = support.to(on.device)[block.truth.features.to(on.device)]
            right = torch.zeros_like(on)
            right[samples[due >= 0], due[due >= 0]] = True
            wrong = (on != right).any(dim=1)
            wrong[samples[due < 0]] = True
            exact += int((~wrong).sum())
    return Reading(exact / observation.crowd.rows)


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


def _mcc_uniqueness(observation: Observation) -> Reading:
    """Different features that units point at, divided by the number of units: each that fires points at one feature.

    That is the feature of largest ``|cos|`` to the unit's direction, as in MCC. 1 where no two units share a feature;
    with more units than features it stays below 1. NaN if no unit fires.
    """
    nearest = observation.subspaces.cosine[:, observation.crowd.fired.counts() > 0].argmax(dim=0)
    return Reading(len(nearest.unique()) / len(nearest) if len(nearest) else math.nan)


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
        version=2,
        measure=_exact_support,
        best=1.0,
    ),
    Metric(
        name="mcc",
        title="MCC",
        unit="cosine",
        direction="higher",
        version=2,
        measure=_mcc,
        best=1.0,
        source="arXiv 2602.14687",
    ),
    Metric(
        name="mcc_uniqueness",
        title="uniqueness of nearest features",
        unit="share",
        direction="higher",
        version=1,
        measure=_mcc_uniqueness,
        best=1.0,
        source="arXiv 2602.14687",
    ),
)
