"""How many dimensions a unit uses, beside how many its feature has.

A spectrum is a list of eigenvalues; ranks of it are counted in several ways, and it can be taken from several matrices:

- the decoder rows ``D_k`` (:func:`decoder_spectrum`): changes under ``D -> Q D`` unless Q is orthogonal, so that it
  says how a unit is written down rather than what it does;
- the usage-weighted map ``D_k' E[z_k z_k'] D_k`` (:func:`used_spectrum`), the second moment of what the unit adds: the
  same in every gauge ``E -> Q E, D -> Q^-T D``, Q any invertible matrix;
- the map on a feature's own subspace, ``maps`` of :class:`.alone.Alone`, which no gauge changes either: how much of the
  feature comes back is read from it in :mod:`.shrinkage`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sasa_theory.tolerances import ROUNDING

from .contract import Metric, Reading

if TYPE_CHECKING:
    from .observation import Observation


def rank90(spectrum: Tensor) -> Tensor:
    """Least number of eigenvalues that make up 90 % of their sum; 0 if all are 0.

    Of d equal eigenvalues it counts d up to d = 9, and about 0.9 d beyond: compare with the truth's own value there.

    Parameters
    ----------
    spectrum : Tensor, shape (..., n)
        Eigenvalues in any order; below 0, where rounding may put them, they count as 0.

    Returns
    -------
    Tensor of float64, shape (...)
        NaN where an eigenvalue is.
    """
    s = _shares(spectrum).sort(dim=-1, descending=True).values
    total = s.sum(dim=-1)
    short = s.cumsum(dim=-1) < 0.9 * (1 - ROUNDING) * total.unsqueeze(-1)
    return torch.where(total > 0, short.sum(dim=-1) + 1, total)


def stable_rank(spectrum: Tensor) -> Tensor:
    """``sum s / max s``; 0 if all eigenvalues are 0. Shapes as in :func:`rank90`."""
    return _shares(spectrum).sum(dim=-1)


def participation(spectrum: Tensor) -> Tensor:
    """``(sum s)^2 / sum s^2``; 0 if all eigenvalues are 0. Shapes as in :func:`rank90`."""
    s = _shares(spectrum)
    squares = s.square().sum(dim=-1)
    return s.sum(dim=-1).square() / torch.where(squares == 0, 1.0, squares)


def entropy_rank(spectrum: Tensor) -> Tensor:
    """``exp(-sum p log p)``, p the singular values ``sqrt(s)`` divided by their sum; 0 if all eigenvalues are 0.

    Shapes as in :func:`rank90`. Source: Roy & Vetterli (2007), "The effective rank".
    """
    singular = _shares(spectrum).sqrt()
    total = singular.sum(dim=-1, keepdim=True)
    p = singular / torch.where(total == 0, 1.0, total)
    return torch.where(total.squeeze(-1) == 0, 0.0, torch.special.entr(p).sum(dim=-1).exp())


def decoder_spectrum(decoder: Tensor) -> Tensor:
    """Eigenvalues of ``D D'``, shape (..., rank, width) to (..., rank), descending, float64."""
    return _eigenvalues(decoder.double() @ decoder.double().mT)


def used_spectrum(decoder: Tensor, second: Tensor) -> Tensor:
    """Eigenvalues of ``D' S D`` other than those that must be 0, descending, float64.

    Parameters
    ----------
    decoder : Tensor, shape (..., rank, width)
        Rows D of some units.
    second : Tensor, shape (..., rank, rank)
        Second moment ``S = E[z z']`` of their codes, or a covariance.

    Returns
    -------
    Tensor, shape (..., min(rank, width))
        ``D' = Q R`` has the eigenvalues of ``D' S D`` in the small matrix ``R S R'``.
    """
    r = torch.linalg.qr(decoder.double().mT, mode="r").R
    return _eigenvalues(r @ second.double() @ r.mT)


def used_dimension(observation: Observation, rank: Callable[[Tensor], Tensor]) -> Tensor:
    """Rank of the usage-weighted map of each feature's main unit, shape (features,).

    The main unit is the one of most energy on isolated slices. 0 where no unit adds anything within the feature's
    subspace, NaN where the feature never occurred.
    """
    main = observation.alone.candidates[:, 0]
    return _of_served(observation, rank(used_spectrum(observation.units.decoder[main], observation.crowd.second[main])))


def _of_served(observation: Observation, ranks: Tensor) -> Tensor:
    """The same, 0 where no unit serves the feature and NaN where it never occurred."""
    alone = observation.alone
    return torch.where(alone.served, ranks, 0 * alone.power)


def _shares(spectrum: Tensor) -> Tensor:
    """Eigenvalues relative to the largest, so that no square of them underflows."""
    s = spectrum.double().clamp_min(0)
    largest = s.amax(dim=-1, keepdim=True)
    return s / torch.where(largest == 0, 1.0, largest)


def _eigenvalues(matrix: Tensor) -> Tensor:
    return torch.linalg.eigvalsh(matrix).clamp_min(0).flip(-1)


def _deviation(observation: Observation, rank: Callable[[Tensor], Tensor]) -> Tensor:
    found = used_dimension(observation, rank)
    return found - observation.dims.to(found)


def _error(observation: Observation) -> Reading:
    """Mean over features of ``|rank90(D_k' E[z_k z_k'] D_k) - d_i|``, k the unit of most energy on isolated slices.

    rank90: least number of eigenvalues that make up 90 % of their sum; 0 if no unit adds anything within the feature.
    """
    each = _deviation(observation, rank90).abs()
    return Reading(float(each.nanmean()), each)


def _bias(observation: Observation) -> Reading:
    """Mean over features of ``rank90(D_k' E[z_k z_k'] D_k) - d_i``, signed: below 0 too few dimensions are used."""
    each = _deviation(observation, rank90)
    return Reading(float(each.nanmean()), each)


def _exact(observation: Observation) -> Reading:
    """Share of the features with ``rank90(D_k' E[z_k z_k'] D_k) = d_i``, k the unit of most energy on their slices."""
    off = _deviation(observation, rank90)
    each = torch.where(off.isnan(), off, (off == 0).to(off))
    return Reading(float(each.nanmean()), each)


def _stable(observation: Observation) -> Reading:
    """Mean over features of ``|sum s / max s - d_i|``, s the eigenvalues of ``D_k' E[z_k z_k'] D_k``."""
    each = _deviation(observation, stable_rank).abs()
    return Reading(float(each.nanmean()), each)


def _participation(observation: Observation) -> Reading:
    """Mean over features of ``|(sum s)^2 / sum s^2 - d_i|``, s the eigenvalues of ``D_k' E[z_k z_k'] D_k``."""
    each = _deviation(observation, participation).abs()
    return Reading(float(each.nanmean()), each)


def _entropy(observation: Observation) -> Reading:
    """Mean over features of ``|exp(H(p)) - d_i|``, ``p = sqrt(s) / sum sqrt(s)``, s as in ``stable_error``."""
    each = _deviation(observation, entropy_rank).abs()
    return Reading(float(each.nanmean()), each)


def _decoder(observation: Observation) -> Reading:
    """Mean over features of rank90 of ``D_k D_k'``, k the unit of most energy on isolated slices.

    For comparison with the literature only: it weighs every row of a unit alike, used or not, and changes when a unit
    is written in another gauge ``D -> Q D`` that is not orthogonal.
    """
    main = observation.alone.candidates[:, 0]
    each = _of_served(observation, rank90(decoder_spectrum(observation.units.decoder[main])))
    return Reading(float(each.nanmean()), each)


METRICS = (
    Metric(
        name="dimension_error", title="dimension error", unit="dimensions", direction="lower", version=1, measure=_error
    ),
    Metric(
        name="dimension_bias", title="dimension bias", unit="dimensions", direction="nearest", version=1, measure=_bias
    ),
    Metric(
        name="exact_dimension", title="exact dimension", unit="share", direction="higher", version=1, measure=_exact
    ),
    Metric(
        name="stable_error", title="stable rank error", unit="dimensions", direction="lower", version=1, measure=_stable
    ),
    Metric(
        name="participation_error",
        title="participation error",
        unit="dimensions",
        direction="lower",
        version=1,
        measure=_participation,
    ),
    Metric(
        name="entropy_error",
        title="entropy rank error",
        unit="dimensions",
        direction="lower",
        version=1,
        measure=_entropy,
    ),
    Metric(
        name="decoder_rank", title="decoder rank", unit="dimensions", direction="nearest", version=1, measure=_decoder
    ),
)
