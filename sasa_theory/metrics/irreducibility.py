"""Whether what a design makes of a feature is of several dimensions at heart: neither a mixture nor separable."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from sasa_theory.tolerances import FLAT

from .alone import slices_of
from .contract import Metric, Reading
from .evaluating import encoded, evaluating
from .mixture import mixture_index
from .separability import separability_index

if TYPE_CHECKING:
    from .observation import Observation

DIMENSIONS = 5
"""Principal components of slices that planes are taken from, at most."""

FEWEST = 64
"""Points below which neither index means anything: histograms have a hundred cells."""


class Irreducibility(NamedTuple):
    """Both indices of some points, averaged over planes.

    Attributes
    ----------
    mixture : float
        Share near one line, on held-out points (:func:`.mixture.mixture_index`).
    separability : float
        Mutual information of the parts in bits, bias corrected (:func:`.separability.separability_index`).
    """

    mixture: float
    separability: float

    @property
    def score(self) -> float:
        """``(1 - M) S``, in bits: high only for what is neither a mixture nor separable."""
        return (1 - self.mixture) * self.separability


def irreducibility(points: Tensor) -> Irreducibility:
    """Mixture and separability index in the planes of coordinates 1 and 2, 2 and 3, ..., each averaged.

    Points belong on axes that mean something, such as their :func:`principal_axes`, at most :data:`DIMENSIONS` of them.
    As in the source, planes are of consecutive axes only: a dependence between axes further apart is not seen. The
    index of a plane in which the points hardly vary, beside all they are, is that of points that coincide.

    Parameters
    ----------
    points : Tensor, shape (n, d)
        The feature where it is active, in d >= 2 coordinates.

    Raises
    ------
    ValueError
        If the shape is another, there are fewer than two points, or one is not finite.

    References
    ----------
    arXiv 2405.14860.
    """
    if points.ndim != 2 or points.shape[1] < 2:
        raise ValueError(f"points must have shape (n, d) with d >= 2, got {tuple(points.shape)}")
    x = points.double() - points.double().mean(dim=0)
    pairs = [x[:, i : i + 2] for i in range(x.shape[1] - 1)]
    planes = [pair if pair.norm() > FLAT * points.double().norm() else torch.zeros_like(pair) for pair in pairs]
    mixtures = [mixture_index(plane).held_out for plane in planes]
    separabilities = [separability_index(plane).corrected for plane in planes]
    return Irreducibility(sum(mixtures) / len(planes), sum(separabilities) / len(planes))


def principal_axes(points: Tensor, number: int) -> Tensor:
    """Directions of largest variance, the largest first, shape (at most ``number``, d), float64."""
    x = points.double()
    return torch.linalg.svd(x - x.mean(dim=0), full_matrices=False).Vh[:number]


@torch.no_grad()
def irreducibilities(observation: Observation) -> tuple[Irreducibility | None, ...]:
    """Both indices for what each feature's main unit adds on isolated slices in which it fires.

    Returns
    -------
    tuple
        One entry a feature: None for a feature of one dimension or of fewer than :data:`FEWEST` slices; a mixture index
        of 1 and a separability of 0 if its main unit, the one of most energy, fires in fewer of them.
    """
    rows, units, bases = observation.rows, observation.units, observation.bases
    slices = slices_of(rows, len(bases))
    mains = observation.alone.candidates[:, 0].tolist()
    with evaluating(observation.design):
        return tuple(
            _of_feature(observation, h.to(units.decoder), main, len(basis))
            for h, main, basis in zip(slices, mains, bases, strict=True)
        )


def _of_feature(observation: Observation, h: Tensor, main: int, dim: int) -> Irreducibility | None:
    if dim < 2 or len(h) < FEWEST:
        return None
    design, units = observation.design, observation.units
    codes = encoded(design, observation.rows.world.bias.to(h) + h)
    fired = design.presence(codes)[:, main] > 0
    if int(fired.sum()) < FEWEST:
        return Irreducibility(1.0, 0.0)
    # axes of the slices, not of what the unit makes of them: the same for every design
    axes = principal_axes(h, min(dim, DIMENSIONS))
    added = units.blocks(codes[fired])[:, main].double() @ (units.decoder[main].double() @ axes.mT)
    return irreducibility(added.cpu())


def _irreducibility(observation: Observation) -> Reading:
    """Mean over features of two and more dimensions of ``(1 - M) S``, in bits, of what their main units add.

    M is the mixture index (eps = 0.1, on held-out points), S the separability index (10 x 10 bins, Miller-Madow
    corrected), each a mean over planes of consecutive principal components of the slices, at most five, of ``z_k D_k``
    for the unit k of most energy on isolated slices, where it fires; 0 if it fires in fewer than 64. A world's features
    are as irreducible as its true subspaces show: the best value is theirs, not the highest.
    """
    each = torch.tensor([math.nan if one is None else one.score for one in irreducibilities(observation)])
    return Reading(float(each.nanmean()), each.double())


METRICS = (
    Metric(
        name="irreducibility",
        title="irreducibility",
        unit="bits",
        direction="nearest",
        version=1,
        measure=_irreducibility,
        source="arXiv 2405.14860",
    ),
)
