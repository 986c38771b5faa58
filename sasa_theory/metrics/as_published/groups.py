"""Groups that span a feature, as the authors count them: of the decoder's row spaces, whatever of them is used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..contract import Reading
from ..dimension import decoder_spectrum, rank90
from ..matching import assign, taken
from .published import Published

if TYPE_CHECKING:
    from ..observation import Observation

FLAT = 1e-6
"""Singular values below this share of the largest do not count to a row space."""

MOST = 24
"""Groups that are tried to span a feature."""

SPANNED = 0.9
"""Capture at which groups together span a feature."""

DOMINANT = 0.5
"""Capture of a group that counts as dominant."""


@dataclass(frozen=True)
class Captures:
    """How far row spaces of groups hold the features' subspaces. NaN, and no group, for designs of single columns.

    Attributes
    ----------
    spans : Tensor, shape (units, rank, width)
        Orthonormal rows B_g, 0 beyond the rank.
    capture : Tensor, shape (features, units)
        ``||B_g V_i'||_F^2 / d_i``.
    group : Tensor of int64, shape (features,)
        Group of each feature in the assignment of largest total capture; -1 if none is left.
    """

    spans: Tensor
    capture: Tensor
    group: Tensor


def captures(observation: Observation) -> Captures:
    """Row spaces and their assignment."""
    decoder = observation.units.decoder.double()
    _, sizes, rows = torch.linalg.svd(decoder, full_matrices=False)
    spans = rows * (sizes > FLAT * sizes[:, :1]).unsqueeze(2)
    if observation.units.rank == 1:
        nothing = decoder.new_full((len(observation.bases), len(decoder)), torch.nan)
        return Captures(spans, nothing, torch.full((len(nothing),), -1, device=decoder.device))
    found = [(spans @ v.to(spans).mT).square().sum(dim=(1, 2)) / len(v) for v in observation.bases]
    capture = torch.stack(found)
    return Captures(spans, capture, assign(capture))


def matched_rank(observation: Observation, rank: Tensor) -> Tensor:
    """A number of each unit, for the group of each feature, shape (units,) to (features,); NaN without one."""
    group = observation.kept(captures).group
    return taken(rank.expand(len(group), -1), group).masked_fill(group < 0, torch.nan)


def _capture(observation: Observation) -> Reading:
    """``||B_g V_i'||_F^2 / d_i`` of the assigned group, mean over features; B_g spans the rows of D_g.

    Assigned: one group a feature, largest total capture. NaN for designs of single columns. Defects: a group that spans
    everything captures everything; rows that hardly any code reaches count in full.
    """
    found = observation.kept(captures)
    each = taken(found.capture, found.group).masked_fill(found.group < 0, torch.nan)
    return Reading(float(each.nanmean()), each)


def _rank(observation: Observation) -> Reading:
    """Least q with ``sum_{l <= q} sigma_l^2 >= 0.9 sum sigma_l^2`` of the assigned group's D_g, mean over features.

    Defects: with rows of norm 1 it says how the rows lie to one another, not which of them are used; it changes under
    ``E -> Q E, D -> Q^-T D``.
    """
    each = matched_rank(observation, rank90(decoder_spectrum(observation.units.decoder)))
    return Reading(float(each.nanmean()), each)


def _groups(observation: Observation) -> Reading:
    """Fewest groups, in order of capture and at most 24, whose rows together span 90 % of V_i; mean over features.

    NaN for features that 24 do not span, and for designs of single columns. Defects: what 24 do not span is left out of
    the mean; groups count whether they fire for the feature or not.
    """
    found = observation.kept(captures)
    each = torch.stack(
        [_needed(found.spans, row, basis) for row, basis in zip(found.capture, observation.bases, strict=True)]
    )
    return Reading(float(each.nanmean()), each)


def _needed(spans: Tensor, capture: Tensor, basis: Tensor) -> Tensor:
    if capture.isnan().any():
        return capture.new_tensor(torch.nan)
    best = capture.argsort(descending=True, stable=True)[:MOST]
    for number in range(1, len(best) + 1):
        rows = spans[best[:number]].flatten(0, 1)
        _, sizes, union = torch.linalg.svd(rows, full_matrices=False)
        union = union[sizes > FLAT * sizes[0]]
        if (union @ basis.to(union).mT).square().sum() / len(basis) >= SPANNED:
            return capture.new_tensor(float(number))
    return capture.new_tensor(torch.nan)


def _dominant(observation: Observation) -> Reading:
    """Number of groups with capture of at least one half, mean over features; NaN for designs of single columns.

    Defect: those of capture.
    """
    capture = observation.kept(captures).capture
    each = (capture >= DOMINANT).sum(dim=1).double().masked_fill(capture.isnan().all(dim=1), torch.nan)
    return Reading(float(each.nanmean()), each)


METRICS = (
    Published(
        name="published_capture",
        title="capture of the matched group",
        unit="share",
        direction="higher",
        version=1,
        measure=_capture,
        defect="ignores excess rank, and which rows are used",
        corrected_by="recovery",
    ),
    Published(
        name="published_matched_rank",
        title="rank90 of the matched decoder",
        unit="dimensions",
        direction="nearest",
        version=1,
        measure=_rank,
        defect="of the decoder alone: depends on the gauge, not on what is used",
    ),
    Published(
        name="published_groups_per_feature",
        title="groups a feature",
        unit="groups",
        direction="lower",
        version=1,
        measure=_groups,
        defect="features that 24 groups do not span are left out",
        corrected_by="units_90",
    ),
    Published(
        name="published_groups_dominant",
        title="dominant groups",
        unit="groups",
        direction="nearest",
        version=1,
        measure=_dominant,
        defect="ignores excess rank, and which rows are used",
    ),
)
