"""Correlations of a group's rank with its feature's dimension, as the authors report them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from ..contract import Metric, Reading
from .published import Published
from .ranks import activation_ranks, compared, decoder_ranks, used_ranks

if TYPE_CHECKING:
    from ..observation import Observation

_DEFECT = "over the features that are recovered anyway; a constant rank has none and is left out"


def _correlation(
    observation: Observation, ranks: Callable[[Observation], Tensor], how: Callable[..., Any], among: Tensor
) -> Reading:
    dims: NDArray[np.float64] = observation.dims.to(among.device)[among].double().cpu().numpy()
    found: NDArray[np.float64] = ranks(observation)[among].cpu().numpy()
    if len(found) < 2 or np.ptp(found) == 0 or np.ptp(dims) == 0:
        return Reading(float("nan"))
    return Reading(float(how(dims, found)[0]))


def _pearson(observation: Observation) -> Reading:
    """Pearson's correlation of ``rank90(D_g)`` and d_i over the features of ``published_rank_mae``.

    NaN if one of them is constant. Defects: those of ``published_rank_mae``.
    """
    return _correlation(observation, decoder_ranks, stats.pearsonr, compared(observation))


def _spearman(observation: Observation) -> Reading:
    """Spearman's correlation of the same, with the same defects."""
    return _correlation(observation, decoder_ranks, stats.spearmanr, compared(observation))


def _activation(observation: Observation) -> Reading:
    """Pearson's correlation of ``published_activation_rank`` and d_i over the same features."""
    return _correlation(observation, activation_ranks, stats.pearsonr, compared(observation))


def _used(observation: Observation) -> Reading:
    """Pearson's correlation of d_i and rank90 of ``D' E[z z'] D``, over every feature that has a group.

    What ``published_rank_pearson`` would be with the map that is used in the place of the decoder, and no feature left
    out. NaN if a rank is constant.
    """
    ranks = used_ranks(observation)
    return _correlation(observation, used_ranks, stats.pearsonr, ~ranks.isnan())


METRICS = (
    Published(
        name="published_rank_pearson",
        title="Pearson of rank and dimension",
        unit="correlation",
        direction="higher",
        version=1,
        measure=_pearson,
        defect=_DEFECT,
        corrected_by="used_rank_pearson",
    ),
    Published(
        name="published_rank_spearman",
        title="Spearman of rank and dimension",
        unit="correlation",
        direction="higher",
        version=1,
        measure=_spearman,
        defect=_DEFECT,
    ),
    Published(
        name="published_activation_pearson",
        title="Pearson of code rank and dimension",
        unit="correlation",
        direction="higher",
        version=1,
        measure=_activation,
        defect=_DEFECT,
        corrected_by="used_rank_pearson",
    ),
)

USED = Metric(
    name="used_rank_pearson",
    title="Pearson of used rank and dimension",
    unit="correlation",
    direction="higher",
    version=1,
    measure=_used,
)
"""Ours, but of no use except beside those that it corrects."""
