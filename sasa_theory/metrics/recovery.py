"""Whether a feature's subspace has become a unit's, and whether that unit maps the feature to itself.

Subspaces are those that units use (:mod:`.subspaces`); capture ignores what a unit spans beyond the feature, purity
what it misses, so the headline is their harmonic mean. All values are for the unit assigned to the feature by subspace
(:mod:`.matching`) unless the formula says otherwise. A feature that never occurs in the rows is left out, one for which
no unit is left has capture and purity 0.

Of a random unit of rank q in n dimensions, capture is q / n and purity d / n in the mean; that of the assigned one is
larger, since it is the best of many. The random dictionaries of :func:`.judge.judge` show by how much.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .contract import Metric, Reading
from .matching import taken

if TYPE_CHECKING:
    from .observation import Observation


def _capture(observation: Observation) -> Reading:
    """``||B_k V_i'||_F^2 / d_i``, mean over features; B_k spans 99 % of the energy of the assigned unit."""
    return observation.matching.reading(_overlap(observation) / _dims(observation))


def _purity(observation: Observation) -> Reading:
    """``||B_k V_i'||_F^2 / rank_k``, mean over features; 0 for a unit that never fires."""
    matching = observation.matching
    ranks = observation.subspaces.ranks.expand_as(matching.recovery)
    return matching.reading(_overlap(observation) / taken(ranks, matching.subspace).clamp_min(1))


def _recovery(observation: Observation) -> Reading:
    """``2 ||B_k V_i'||_F^2 / (d_i + rank_k)``, the harmonic mean of capture and purity, mean over features."""
    matching = observation.matching
    return matching.reading(taken(matching.recovery, matching.subspace))


def _map_error(observation: Observation) -> Reading:
    """``||W V_i' - P||_F^2 / rank P``, mean over features; W (d_i, width) is what the assigned unit makes of V_i.

    W is the linear map, in row vectors, from the coordinates of isolated slices to the unit's contribution, P the
    projector on the span of those coordinates: the identity, and ``rank P = d_i``, unless slices are fewer than d_i or
    degenerate. A feature without a unit has W = 0 and error 1.
    """
    alone = observation.alone
    off = [
        (w @ basis.to(w).mT - span).square().sum() / span.trace()
        for w, basis, span in zip(alone.matched_maps, observation.bases, alone.spans, strict=True)
    ]
    return observation.matching.reading(torch.stack(off))


def _leakage(observation: Observation) -> Reading:
    """``||W (I - V_i' V_i)||_F^2 / rank P``, mean over features: what the assigned unit makes of V_i outside of V_i.

    W and P as in ``map_error``.
    """
    alone, outside = observation.alone, []
    for w, basis, span in zip(alone.matched_maps, observation.bases, alone.spans, strict=True):
        v = basis.to(w)
        outside.append((w - w @ v.mT @ v).square().sum() / span.trace())
    return observation.matching.reading(torch.stack(outside))


def _isolated_r2(observation: Observation) -> Reading:
    """``max_k 1 - E||h - E h - (c_k - E c_k)||^2 / E||h - E h||^2`` on isolated slices h, mean over features.

    The best single unit, whichever it is. NaN for a feature whose slices do not vary.
    """
    return observation.matching.reading(observation.alone.explained.max(dim=1).values)


def _capture_limit(observation: Observation) -> float:
    """``min(1, r / d_i)``, mean over features: a unit of at most r columns spans no more of a feature."""
    dims = _dims(observation)
    return observation.matching.reading(dims.clamp_max(observation.units.rank) / dims).value


def _recovery_limit(observation: Observation) -> float:
    """``2 q / (d_i + q)`` with ``q = min(r, d_i)``, mean over features: the best for a unit of at most r columns."""
    dims = _dims(observation)
    rank = dims.clamp_max(observation.units.rank)
    return observation.matching.reading(2 * rank / (dims + rank)).value


def _overlap(observation: Observation) -> Tensor:
    return taken(observation.subspaces.overlap, observation.matching.subspace)


def _dims(observation: Observation) -> Tensor:
    return observation.dims.to(observation.subspaces.overlap)


METRICS = (
    Metric(
        name="capture",
        title="capture",
        unit="share",
        direction="higher",
        version=2,
        measure=_capture,
        best=1.0,
        floor=_capture_limit,
    ),
    Metric(name="purity", title="purity", unit="share", direction="higher", version=2, measure=_purity, best=1.0),
    Metric(
        name="recovery",
        title="recovery",
        unit="share",
        direction="higher",
        version=2,
        measure=_recovery,
        best=1.0,
        floor=_recovery_limit,
    ),
    Metric(
        name="map_error",
        title="map error",
        unit="squared error",
        direction="lower",
        version=2,
        measure=_map_error,
        best=0.0,
    ),
    Metric(
        name="leakage",
        title="leakage",
        unit="squared error",
        direction="lower",
        version=2,
        measure=_leakage,
        best=0.0,
    ),
    Metric(
        name="isolated_r2",
        title="isolated R²",
        unit="share",
        direction="higher",
        version=1,
        measure=_isolated_r2,
        best=1.0,
        source="arXiv 2606.25234",
    ),
)
