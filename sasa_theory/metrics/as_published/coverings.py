"""Covering numbers as the authors realise them: greedy choice among 192 atoms, 96 points, and never more than 32."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sasa_theory.tolerances import ROUNDING

from ..contract import Reading
from .in_crowd import in_crowd, rows_of
from .published import Published

if TYPE_CHECKING:
    from ..observation import Observation

POINTS, CANDIDATES, CAP, PER_DIMENSION = 96, 192, 32, 3
"""Random points, atoms to choose from, atoms chosen at most, features of each dimension that are looked at."""

BUDGETS = (1, 2, 4, 8)
"""Atoms k that may serve one point together."""

DISTANCES = (0.5, 0.3)
"""Distances eps at which a point is covered."""


def published_covering(points: Tensor, atoms: Tensor, k: int, eps: float, cap: int = CAP) -> int:
    """Atoms chosen until every point is within eps of the span of at most k of them; ``cap`` where they do not suffice.

    Each step takes the atom with the largest sum of squared correlations with what is left of the open points; the
    distance of a point is that of orthogonal matching pursuit among the chosen.

    Parameters
    ----------
    points : Tensor, shape (points, width)
        Of norm 1.
    atoms : Tensor, shape (atoms, width)
        Of norm 1.
    k : int
        Atoms for one point.
    eps : float
        Chordal distance.
    cap : int
        Atoms at most.
    """
    left, chosen = points, atoms[:0]
    free = torch.ones(len(atoms), dtype=torch.bool, device=atoms.device)
    for number in range(1, min(cap, len(atoms)) + 1):
        scores = (left @ atoms.mT).square().sum(dim=0).masked_fill(~free, -1)
        best = int(scores.argmax())
        free[best] = False
        chosen = torch.cat((chosen, atoms[best : best + 1]))
        left = _pursued(points, chosen, k)
        open_ = left.square().sum(dim=1) > eps**2 + ROUNDING
        if not open_.any():
            return number
        points, left = points[open_], left[open_]  # more atoms cover no less, but for what pursuit misses
    return cap


def _pursued(points: Tensor, chosen: Tensor, k: int) -> Tensor:
    """Residuals of the points after at most k steps of orthogonal matching pursuit."""
    left, basis = points, points.new_empty(len(points), 0, points.shape[1])
    for step in range(min(k, len(chosen))):
        best = (left @ chosen.mT).abs().argmax(dim=1)
        new = chosen[best]
        for _ in range(2 if step else 0):  # once more, for what rounding leaves
            new = new - torch.einsum("pj,pjw->pw", torch.einsum("pjw,pw->pj", basis, new), basis)
        size = new.norm(dim=1, keepdim=True)
        new = torch.where(size > ROUNDING**0.5, new / size.clamp_min(ROUNDING), 0.0)  # an atom in the span adds nothing
        basis = torch.cat((basis, new.unsqueeze(1)), dim=1)
        left = left - (left * new).sum(dim=1, keepdim=True) * new
    return left


def _numbers(observation: Observation, k: int, eps: float) -> Reading:
    rows, generator = rows_of(observation), torch.Generator().manual_seed(observation.rows.seed)
    alive = (observation.kept(in_crowd).squares.nan_to_num().sum(dim=0) > 0) & (rows.norm(dim=1) > 0)
    atoms = torch.nn.functional.normalize(rows[alive], dim=1)
    each = torch.full((len(observation.bases),), torch.nan, dtype=torch.float64)
    for dim in observation.dims.unique().tolist():
        for i in (observation.dims == dim).nonzero().squeeze(1).tolist()[:PER_DIMENSION]:
            basis = observation.bases[i].to(rows)
            points = torch.randn(POINTS, dim, generator=generator, dtype=torch.float64).to(rows.device)
            order = (rows[alive] @ basis.mT).norm(dim=1).argsort(descending=True, stable=True)
            near = atoms[order[:CANDIDATES]]
            each[i] = published_covering(torch.nn.functional.normalize(points, dim=1) @ basis, near, k, eps)
    return Reading(float(each.nanmean()), each)


def _measure(k: int, eps: float) -> Callable[[Observation], Reading]:
    def measure(observation: Observation) -> Reading:
        return _numbers(observation, k, eps)

    measure.__doc__ = f"""Atoms, found greedily, that cover 96 points of the feature's sphere to {eps}, {k} a point.

    Among the 192 atoms that fire and reach furthest into the feature's subspace; 32 where 32 do not suffice; mean over
    the first 3 features of each dimension. Defects: more than 32 cannot be seen, so that no exponential can; 96 points
    are few for many dimensions, so that coverings of them are too small, while greedy ones are too large.
    """
    return measure


METRICS = tuple(
    Published(
        name=f"published_covering_k{k}_e{round(100 * eps)}",
        title=f"atoms that cover, {k} a point, within {eps}",
        unit="columns",
        direction="lower",
        version=1,
        measure=_measure(k, eps),
        defect="capped at 32, reported as 32; 96 points",
        corrected_by="covering_k1" if (k, eps) == (1, 0.5) else "",
    )
    for k in BUDGETS
    for eps in DISTANCES
)
