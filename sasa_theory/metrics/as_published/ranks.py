"""Ranks of groups beside the dimensions of the features they are matched to, as the authors compare them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..contract import Reading
from ..dimension import decoder_spectrum, participation, rank90, stable_rank, used_spectrum
from ..matching import taken
from .groups import captures, matched_rank
from .in_crowd import in_crowd
from .published import Published

if TYPE_CHECKING:
    from ..observation import Observation

HITS = 2
"""Rows in which a group must fire to count as alive."""

CAPTURED = 0.5
"""Capture of the matched group that lets a feature take part."""


def compared(observation: Observation) -> Tensor:
    """Which features the authors' averages are over, shape (features,): matched group alive, capture >= 1/2."""
    found = observation.kept(captures)
    alive = taken(observation.crowd.fired.counts().expand(found.capture.shape), found.group) >= HITS
    return (found.group >= 0) & alive & (taken(found.capture, found.group) >= CAPTURED)


def decoder_ranks(observation: Observation) -> Tensor:
    """rank90 of the squared singular values of D_g of each feature's group, shape (features,)."""
    return matched_rank(observation, rank90(decoder_spectrum(observation.units.decoder)))


def activation_ranks(observation: Observation) -> Tensor:
    """rank90 of the centred covariance of the group's codes over the rows in which it fires, shape (features,)."""
    crowd = observation.crowd
    fired = crowd.fired.counts().clamp_min(1).view(-1, 1, 1)
    mean = observation.kept(in_crowd).sums.unsqueeze(2) / fired
    covariance = crowd.second * crowd.rows / fired - mean @ mean.mT
    return matched_rank(observation, rank90(torch.linalg.eigvalsh(covariance).clamp_min(0)))


def _among(observation: Observation, each: Tensor) -> Reading:
    each = each.double().masked_fill(~compared(observation), torch.nan)
    return Reading(float(each.nanmean()), each)


def _off(observation: Observation) -> Tensor:
    return decoder_ranks(observation) - observation.dims.to(observation.units.decoder.device)


def _share(observation: Observation) -> Reading:
    """Share of the features whose matched group has capture of at least one half.

    Defects: those of capture.
    """
    found = observation.kept(captures)
    each = (taken(found.capture, found.group) >= CAPTURED).double().masked_fill(found.group < 0, torch.nan)
    return Reading(float(each.nanmean()), each)


def _mae(observation: Observation) -> Reading:
    """Mean of ``|rank90(D_g) - d_i|`` over features whose group fires twice or more and has capture >= 1/2.

    Defects: features that are not recovered, the largest errors, are left out; the decoder alone, not what is used.
    """
    return _among(observation, _off(observation).abs())


def _bias(observation: Observation) -> Reading:
    """Mean of ``rank90(D_g) - d_i`` over the same features as in ``published_rank_mae``, with the same defects."""
    return _among(observation, _off(observation))


def _exact(observation: Observation) -> Reading:
    """Share with ``rank90(D_g) = d_i`` of the features of ``published_rank_mae``, with the same defects."""
    off = _off(observation)
    return _among(observation, torch.where(off.isnan(), off, (off == 0).double()))


def _full(observation: Observation) -> Reading:
    """Share with ``rank90(D_g) >= r - 1/2`` of the features of ``published_rank_mae``, with the same defects.

    90 % of 10 equal values are 9: groups of ten and more columns never have full rank in this sense.
    """
    ranks = decoder_ranks(observation)
    return _among(observation, torch.where(ranks.isnan(), ranks, (ranks >= observation.units.rank - 0.5).double()))


def _distinct(observation: Observation) -> Reading:
    """Number of different values of rank90(D_g) among the features of ``published_rank_mae``."""
    ranks = decoder_ranks(observation)[compared(observation)]
    return Reading(float(len(ranks.unique())) if len(ranks) else float("nan"))


def _stable(observation: Observation) -> Reading:
    """``sum sigma^2 / max sigma^2`` of D_g, mean over the features of ``published_rank_mae``."""
    spectrum = decoder_spectrum(observation.units.decoder)
    return _among(observation, matched_rank(observation, stable_rank(spectrum)))


def _participation(observation: Observation) -> Reading:
    """``(sum sigma^2)^2 / sum sigma^4`` of D_g, mean over the features of ``published_rank_mae``."""
    spectrum = decoder_spectrum(observation.units.decoder)
    return _among(observation, matched_rank(observation, participation(spectrum)))


def _activation(observation: Observation) -> Reading:
    """rank90 of the centred covariance of the group's codes where it fires; features of ``published_rank_mae``.

    Defect: of the codes alone: it changes under ``E -> Q E, D -> Q^-T D`` unless Q is orthogonal.
    """
    return _among(observation, activation_ranks(observation))


def used_ranks(observation: Observation) -> Tensor:
    """rank90 of the usage-weighted map ``D' E[z z'] D`` of the same groups, which no gauge changes: for comparison."""
    return matched_rank(observation, rank90(used_spectrum(observation.units.decoder, observation.crowd.second)))


_DECODER = "of the decoder alone, over the features that are recovered anyway"

METRICS = (
    Published(
        name="published_captured",
        title="features with capture of one half",
        unit="share",
        direction="higher",
        version=1,
        measure=_share,
        defect="ignores excess rank, and which rows are used",
        corrected_by="recovered",
    ),
    Published(
        name="published_rank_mae",
        title="error of the rank",
        unit="dimensions",
        direction="lower",
        version=1,
        measure=_mae,
        defect=_DECODER,
        corrected_by="dimension_error",
    ),
    Published(
        name="published_rank_bias",
        title="bias of the rank",
        unit="dimensions",
        direction="nearest",
        version=1,
        measure=_bias,
        defect=_DECODER,
        corrected_by="dimension_bias",
    ),
    Published(
        name="published_rank_exact",
        title="exact ranks",
        unit="share",
        direction="higher",
        version=1,
        measure=_exact,
        defect=_DECODER,
        corrected_by="exact_dimension",
    ),
    Published(
        name="published_full_rank",
        title="groups at full rank",
        unit="share",
        direction="nearest",
        version=1,
        measure=_full,
        defect=_DECODER,
        corrected_by="full_rank",
    ),
    Published(
        name="published_distinct_ranks",
        title="distinct ranks",
        unit="values",
        direction="nearest",
        version=1,
        measure=_distinct,
        defect=_DECODER,
    ),
    Published(
        name="published_stable_rank",
        title="stable rank",
        unit="dimensions",
        direction="nearest",
        version=1,
        measure=_stable,
        defect=_DECODER,
    ),
    Published(
        name="published_participation",
        title="participation ratio",
        unit="dimensions",
        direction="nearest",
        version=1,
        measure=_participation,
        defect=_DECODER,
    ),
    Published(
        name="published_activation_rank",
        title="rank90 of the codes",
        unit="dimensions",
        direction="nearest",
        version=1,
        measure=_activation,
        defect="of the codes alone, over the features that are recovered anyway",
    ),
)
