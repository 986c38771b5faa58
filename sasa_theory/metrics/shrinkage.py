"""How much of a feature its unit gives back, beside what the nuclear norm takes in theory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from sasa_theory.bounds.nuclear import single_group_optimum
from sasa_theory.bounds.validate import Floats, real

from .alone import slices_of
from .contract import Metric, Reading

if TYPE_CHECKING:
    from .observation import Observation


def predicted_shrinkage(lam: float, usage: float, variance: ArrayLike) -> Floats:
    """Singular values ``(1 - lam / (2 usage s_j))_+`` that a nuclear norm leaves of a feature's map.

    They minimise ``usage E||h - h W||^2 + lam ||W||_*``: one unit, one feature, no interference (the objective of
    arXiv 2606.06333 on one slice). A penalty that is a mean over K units has ``lam / K`` in the place of ``lam``.

    Parameters
    ----------
    lam : float
        Weight of the nuclear norm of the map, >= 0.
    usage : float
        Probability that the feature is active, in (0, 1].
    variance : array_like, shape (d,)
        Eigenvalues ``s_j`` of ``E[h h']`` given that it is active, >= 0.

    Returns
    -------
    ndarray, shape (d,)
        In the order of the eigenvalues.

    Raises
    ------
    ValueError
        If an argument is outside its range or ``variance`` is not one-dimensional.
    """
    share = float(real("usage", usage, 0.0, 1.0, open_low=True))
    return single_group_optimum(share * real("variance", variance, 0.0), lam).shrinkage


def kept(observation: Observation) -> Tensor:
    """Mean singular value of the map that each feature's main unit applies to it, shape (features,).

    Singular values of ``V_i W_k`` as measured on isolated slices, summed and divided by d_i, or by the dimension of
    what the slices span if it is less; k is the unit of most energy there. NaN where the feature never occurred.
    """
    alone = observation.alone
    means = [
        torch.linalg.svdvals(applied).sum() / span.trace() if number else span.new_tensor(torch.nan)
        for applied, span, number in zip(alone.maps, alone.spans, alone.slices.tolist(), strict=True)
    ]
    return torch.stack(means)


def shrinkage_gap(observation: Observation, lam: float) -> Tensor:
    """Mean singular value measured, less the one that theory predicts for a nuclear norm of weight ``lam``.

    Usage and second moments of each feature are those of the observation's rows. Below 0 a design gives back less than
    its penalty explains, above 0 more.

    Parameters
    ----------
    observation : Observation
        Of a design trained with the penalty.
    lam : float
        Weight of the nuclear norm of one unit's map, >= 0.

    Returns
    -------
    Tensor of float64, shape (features,)
        NaN where a feature never occurred.

    Raises
    ------
    ValueError
        If ``lam`` is negative.
    """
    present = observation.crowd.present
    usage = (present.counts() / present.size[0]).tolist()
    slices = slices_of(observation.rows, len(observation.bases))
    predicted = []
    for h, basis, share in zip(slices, observation.bases, usage, strict=True):
        coordinates = h.double() @ basis.double().cpu().mT
        moments = torch.linalg.svdvals(coordinates).square() / max(len(h), 1)
        predicted.append(float(predicted_shrinkage(lam, share, moments.numpy()).mean()) if len(h) else torch.nan)
    found = kept(observation)
    return found - found.new_tensor(predicted)


def _shrinkage(observation: Observation) -> Reading:
    """Mean over features of the mean singular value of ``V_i W_k``, the map of the unit of most energy on its slices.

    1 when the feature comes back at its full size; it says nothing of the direction in which it comes back. Slices
    that span less than the feature count for as many dimensions as they span.
    """
    each = kept(observation)
    return Reading(float(each.nanmean()), each)


METRICS = (
    Metric(
        name="shrinkage",
        title="shrinkage",
        unit="share",
        direction="nearest",
        version=2,
        measure=_shrinkage,
        best=1.0,
        source="arXiv 2606.06333",
    ),
)
