"""Atoms that belong to a feature, and how many of them would be among the largest of a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ..contract import Reading
from .in_crowd import in_crowd, owners
from .published import Published

if TYPE_CHECKING:
    from ..observation import Observation


def _own(observation: Observation) -> Reading:
    """Atoms j with ``||V_i w_j||^2 / ||w_j||^2 >= 1/2``, i the feature where it is largest; mean over features.

    Defect: decoder rows of atoms that never fire count, and whether a column of a group belongs to a feature changes
    when the group is rotated.
    """
    of = owners(observation)
    each = torch.bincount(of[of >= 0], minlength=len(observation.bases)).double()
    return Reading(float(each.mean()), each)


def _won(observation: Observation) -> Reading:
    """Owned atoms with ``|pre_j|`` at least the k-th largest of the row, given that i is active; mean over features.

    k is the mean number of active columns, rounded. Defect: preactivations, not what fires: of a group's columns, or
    latents behind a threshold, others may be largest than those that fire.
    """
    each = observation.kept(in_crowd).won
    return Reading(float(each.nanmean()), each)


def _level(observation: Observation) -> Reading:
    """Mean of ``|pre_j|`` over the owned atoms, given that i is active; mean over features that own an atom."""
    each = observation.kept(in_crowd).level
    return Reading(float(each.nanmean()), each)


def _cut(observation: Observation) -> Reading:
    """Mean of the k-th largest ``|pre_j|`` of a row, given that i is active; mean over features. k as in slots won."""
    each = observation.kept(in_crowd).cut
    return Reading(float(each.nanmean()), each)


METRICS = (
    Published(
        name="published_own_atoms",
        title="atoms that a feature owns",
        unit="columns",
        direction="nearest",
        version=1,
        measure=_own,
        defect="atoms that never fire count; columns of a group are not rotation invariant",
        corrected_by="units_entropy",
    ),
    Published(
        name="published_slots_won",
        title="slots that a feature wins",
        unit="columns",
        direction="nearest",
        version=1,
        measure=_won,
        defect="of preactivations, not of what fires",
        corrected_by="co_firing",
    ),
    Published(
        name="published_own_pre_level",
        title="level of owned atoms",
        unit="activation",
        direction="nearest",
        version=1,
        measure=_level,
        defect="of preactivations, not of what fires",
    ),
    Published(
        name="published_topk_cut_level",
        title="level of the last slot",
        unit="activation",
        direction="nearest",
        version=1,
        measure=_cut,
        defect="of preactivations, not of what fires",
    ),
)
