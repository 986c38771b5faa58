"""How many dimensions a unit uses, beside how many its feature has.

A spectrum is a list of eigenvalues; ranks of it are counted in several ways, and it can be taken from several matrices:

- the decoder rows ``D_k`` (:func:`decoder_spectrum`): changes under ``D -> Q D`` unless Q is orthogonal, so that it
  says how a unit is written down rather than what it does;
- the usage-weighted map ``D_k' E[z_k z_k'] D_k`` (:func:`used_spectrum`), the second moment of what the unit adds: the
  same in every gauge ``E -> Q E, D -> Q^-T D``, Q any invertible matrix;
- the map on a feature's own subspace, ``maps`` of :class:`.alone.Alone`, which no gauge changes either: how much of the
  feature comes back is read from it in :mod:`.shrinkage`.

A feature's unit is the one assigned to it by subspace (:mod:`.matching`), provided that more than :data:`SHARED` of the
smaller of the two subspaces lies within the other; else the feature has none, and dimension 0. What the unit uses is
compared with the same count of the feature's own second moment: it may well be below d, as :func:`rank90` is for ten
and more dimensions of equal strength.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sasa_theory.tolerances import ROUNDING

from .contract import Metric, Reading
from .matching import taken

if TYPE_CHECKING:
    from .observation import Observation

SHARED = 0.6
"""Share of the smaller subspace that lies within the other: two units that swap half of their features have 1/2."""

_BLOCK = 1 << 22
"""Numbers of the decoder looked at at a time: 32 MB in float64."""


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
    total = singular.sum(dim=-1)
    p = singular / total.unsqueeze(-1)
    return torch.where(total == 0, 0.0, torch.special.entr(p).sum(dim=-1).exp())


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
    """Rank of the usage-weighted map of each feature's unit, shape (features,).

    0 where no unit is assigned to the feature, or one that shares too little with it (:data:`SHARED`), NaN where the
    feature never occurred.
    """
    unit = observation.matching.subspace.clamp_min(0)
    return _of_shared(observation, rank(used_spectrum(observation.units.decoder[unit], observation.crowd.second[unit])))


def own_dimension(observation: Observation, rank: Callable[[Tensor], Tensor]) -> Tensor:
    """Rank of the second moment of each feature's slices, shape (features,); NaN where it never occurred."""
    occurs, moments = observation.matching.occurs.tolist(), observation.alone.moments
    found = [
        rank(_eigenvalues(m)) if seen else m.new_tensor(torch.nan) for m, seen in zip(moments, occurs, strict=True)
    ]
    return torch.stack(found)


def _of_shared(observation: Observation, ranks: Tensor) -> Tensor:
    """The same, 0 where a feature has no unit to share a subspace with and NaN where it never occurred."""
    matching, subspaces = observation.matching, observation.subspaces
    smaller = torch.minimum(subspaces.ranks[matching.subspace.clamp_min(0)], observation.dims.to(ranks.device))
    shared = taken(subspaces.overlap, matching.subspace) > SHARED * smaller
    return (ranks * shared).masked_fill(~matching.occurs, torch.nan)


def _shares(spectrum: Tensor) -> Tensor:
    """Eigenvalues relative to the largest, so that no square of them underflows."""
    s = spectrum.double().clamp_min(0)
    largest = s.amax(dim=-1, keepdim=True)
    return s / torch.where(largest == 0, 1.0, largest)


def _eigenvalues(matrix: Tensor) -> Tensor:
    return torch.linalg.eigvalsh(matrix).clamp_min(0).flip(-1)


def _deviation(observation: Observation, rank: Callable[[Tensor], Tensor]) -> Tensor:
    return used_dimension(observation, rank) - own_dimension(observation, rank)


def _error(observation: Observation) -> Reading:
    """Mean over features of ``|rank90(D_k' E[z_k z_k'] D_k) - rank90(E[v v'])|``, k the assigned unit, v the slice.

    rank90: least number of eigenvalues that make up 90 % of their sum; 0 if no unit shares its subspace with the
    feature: ``||B_k V_i'||_F^2 > 0.6 min(d_i, rank_k)`` for the unit assigned by subspace.
    """
    each = _deviation(observation, rank90).abs()
    return Reading(float(each.nanmean()), each)


def _bias(observation: Observation) -> Reading:
    """Mean over features of ``rank90(D_k' E[z_k z_k'] D_k) - rank90(E[v v'])``: below 0 too few dimensions are used.

    As in ``dimension_error``, but signed.
    """
    each = _deviation(observation, rank90)
    return Reading(float(each.nanmean()), each)


def _exact(observation: Observation) -> Reading:
    """Share of the features with ``rank90(D_k' E[z_k z_k'] D_k) = rank90(E[v v'])``.

    Terms as in ``dimension_error``.
    """
    off = _deviation(observation, rank90)
    each = torch.where(off.isnan(), off, (off == 0).to(off))
    return Reading(float(each.nanmean()), each)


def _stable(observation: Observation) -> Reading:
    """Mean over features of ``|r(s) - r(t)|``, ``r(s) = sum s / max s``.

    s are the eigenvalues of ``D_k' E[z_k z_k'] D_k``, t those of ``E[v v']``; terms as in ``dimension_error``.
    """
    each = _deviation(observation, stable_rank).abs()
    return Reading(float(each.nanmean()), each)


def _participation(observation: Observation) -> Reading:
    """Mean over features of ``|r(s) - r(t)|``, ``r(s) = (sum s)^2 / sum s^2``, s and t as in ``stable_error``."""
    each = _deviation(observation, participation).abs()
    return Reading(float(each.nanmean()), each)


def _entropy(observation: Observation) -> Reading:
    """Mean over features of ``|r(s) - r(t)|``, ``r(s) = exp(H(p))`` with ``p = sqrt(s) / sum sqrt(s)``.

    H is the entropy, s and t as in ``stable_error``.
    """
    each = _deviation(observation, entropy_rank).abs()
    return Reading(float(each.nanmean()), each)


def _decoder(observation: Observation) -> Reading:
    """Mean over features of rank90 of ``D_k D_k'``, k the assigned unit; 0 without one.

    As in ``dimension_error`` the unit has to share its subspace with the feature. For comparison with the literature
    only: it weighs every row of a unit alike, used or not, and changes when a unit is written in another gauge
    ``D -> Q D`` that is not orthogonal.
    """
    unit = observation.matching.subspace.clamp_min(0)
    each = _of_shared(observation, rank90(decoder_spectrum(observation.units.decoder[unit])))
    return Reading(float(each.nanmean()), each)


def _utilisation(observation: Observation) -> Reading:
    """``exp(H(p)) / columns`` of each unit, ``p = sqrt(s) / sum sqrt(s)``, mean over the units that fire.

    s are the eigenvalues of ``D_k' E[z_k z_k'] D_k``, H the entropy. A unit that adds nothing has NaN. Always 1 for
    units of one column; else as much as features of fewer dimensions than columns allow.
    """
    ranks = _of_units(observation, entropy_rank)
    each = (ranks / observation.units.sizes).masked_fill(ranks == 0, torch.nan)
    return Reading(float(each.nanmean()), each)


def _full_rank(observation: Observation) -> Reading:
    """Share of the units that fire of which rank90 of ``D_k' E[z_k z_k'] D_k`` is that of as many equal eigenvalues.

    As many as the unit has columns. For each unit 1 or 0, NaN if it adds nothing.
    """
    ranks = _of_units(observation, rank90)
    columns = torch.arange(observation.units.rank, device=ranks.device) < observation.units.sizes.unsqueeze(1)
    each = (ranks >= rank90(columns)).to(ranks).masked_fill(ranks == 0, torch.nan)
    return Reading(float(each.nanmean()), each)


def _of_units(observation: Observation, rank: Callable[[Tensor], Tensor]) -> Tensor:
    """Rank of the usage-weighted map of every unit, shape (units,), block by block."""
    decoder, second = observation.units.decoder, observation.crowd.second
    size = max(1, _BLOCK // decoder[0].numel())
    parts = zip(decoder.split(size), second.split(size), strict=True)
    return torch.cat([rank(used_spectrum(rows, moments)) for rows, moments in parts])


METRICS = (
    Metric(
        name="dimension_error", title="dimension error", unit="dimensions", direction="lower", version=2, measure=_error
    ),
    Metric(
        name="dimension_bias", title="dimension bias", unit="dimensions", direction="nearest", version=2, measure=_bias
    ),
    Metric(
        name="exact_dimension", title="exact dimension", unit="share", direction="higher", version=2, measure=_exact
    ),
    Metric(
        name="stable_error", title="stable rank error", unit="dimensions", direction="lower", version=2, measure=_stable
    ),
    Metric(
        name="participation_error",
        title="participation error",
        unit="dimensions",
        direction="lower",
        version=2,
        measure=_participation,
    ),
    Metric(
        name="entropy_error",
        title="entropy rank error",
        unit="dimensions",
        direction="lower",
        version=2,
        measure=_entropy,
    ),
    Metric(
        name="decoder_rank", title="decoder rank", unit="dimensions", direction="nearest", version=2, measure=_decoder
    ),
    Metric(
        name="utilisation",
        title="columns in use",
        unit="share",
        direction="nearest",
        version=1,
        measure=_utilisation,
    ),
    Metric(
        name="full_rank", title="units of full rank", unit="share", direction="nearest", version=1, measure=_full_rank
    ),
)
