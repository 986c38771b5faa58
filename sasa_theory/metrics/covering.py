"""Covering numbers: how many of a design's units it takes to come close to every direction of a feature, k at a time.

``L(k, eps)`` is the least number of units such that every unit vector h of the feature's subspace lies within eps of
the span of some k of them (arXiv 2606.06333, Definition 2, for units instead of atoms). It is measured from two sides:
greedy choice among the units and, for k > 1, orthogonal matching pursuit of each point give more units than needed
(upper estimate), finitely many points instead of the whole sphere fewer (lower estimate). What a design cannot cover
within ``cap`` units is censored, not reported as a number.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, exp, inf, log, nan
from typing import TYPE_CHECKING

import torch
from scipy.stats import beta
from torch import Tensor

from sasa_theory.bounds.caps import log_reach
from sasa_theory.bounds.special import log_binomial
from sasa_theory.bounds.validate import count, real
from sasa_theory.tolerances import CONFIDENCE, ROUNDING

from .contract import Metric, Reading
from .spans import spans

if TYPE_CHECKING:
    from .observation import Observation

POINTS = 128
"""Random points of the feature's unit sphere that are to be covered."""

CAP = 64
"""Units tried before a covering number is censored."""

PER_DIMENSION = 4
"""Features of each dimension that the metric looks at, the first ones that occur."""

EPS = 0.5
"""Distance of the metric."""


@dataclass(frozen=True, kw_only=True)
class Covering:
    """A feature's covering number by a design's units, on finitely many points.

    Attributes
    ----------
    lower : float
        Units of this design that the points need at least: points divided by the most that one unit covers, for k = 1;
        inf if no unit reaches some point, 1 for k > 1, where no such bound is known.
    upper : float
        Units that were found to cover all points; inf if censored.
    censored : bool
        Whether ``cap`` units, or all that there are, left points uncovered.
    chosen : int
        Units chosen, ``upper`` unless censored.
    covered, fresh : float
        Share of the points that the chosen units cover, and of as many others that were not used to choose them.
    floor : float
        Fewest units of this rank, of any dictionary, that can cover as much of the sphere as was covered of the fresh
        points, at its lower confidence limit: ``chosen`` is never below it, but for one case in a million.
    sphere_floor : float
        The same for the whole sphere. Above ``upper``, it shows that the points are too few: the covering number of
        the sphere is at least this.
    """

    lower: float
    upper: float
    censored: bool
    chosen: int
    covered: float
    fresh: float
    floor: float
    sphere_floor: float


@torch.no_grad()
def covering_number(
    observation: Observation,
    feature: int,
    k: int,
    eps: float,
    generator: torch.Generator,
    points: int = POINTS,
    cap: int = CAP,
    share: float = 1.0,
) -> Covering:
    """Cover a feature's unit sphere with units that fire on the rows.

    A unit is the subspace it uses (:func:`.spans.spans`), in the full space: what it has outside the feature's subspace
    adds to the distance. Where units are single columns whose codes are never negative and k = 1, it is a ray.

    Parameters
    ----------
    observation : Observation
        Of the design.
    feature : int
        Which feature.
    k : int
        Units that may serve one point together.
    eps : float
        Chordal distance in (0, 1).
    generator : torch.Generator
        Of the points, on the CPU.
    points, cap : int
        Points to cover, and units tried at most.
    share : float
        Of the points that suffices, in (0, 1]; ``upper`` is then the number of units for this share.

    Raises
    ------
    ValueError
        If an argument is outside its range.
    """
    count("feature", feature, 0, len(observation.bases) - 1)
    count("k", k)
    count("points", points)
    count("cap", cap)
    real("eps", eps, 0.0, 1.0, open_low=True, open_high=True)
    real("share", share, 0.0, 1.0, open_low=True)
    return _cover(observation, spans(observation), feature, k, eps, generator, points, cap, share)


def _cover(
    observation: Observation,
    bases: Tensor,
    feature: int,
    k: int,
    eps: float,
    generator: torch.Generator,
    points: int = POINTS,
    cap: int = CAP,
    share: float = 1.0,
) -> Covering:
    """The same by the spans of the units, so that many features need them only once."""
    rays = k == 1 and observation.units.rank == 1 and not observation.reconstruction.signed
    basis = observation.bases[feature].to(bases)
    sphere = torch.nn.functional.normalize(
        torch.randn(2, points, len(basis), generator=generator, dtype=torch.float64), dim=2
    )
    trial, fresh = sphere.to(bases.device) @ basis
    chosen, covered, lower = _choose(trial, bases, k, eps, cap, rays, ceil(share * points))
    reached = int((_distances(fresh, bases[chosen], k, rays) <= _square(eps)).sum())
    sure = float(beta.ppf(1 - CONFIDENCE, reached, points - reached + 1)) if reached else 0.0
    rank, dim = max(1, bases.shape[1]), len(basis)  # where nothing ever fired, the spans have no rows
    return Covering(
        lower=lower,
        upper=len(chosen) if covered >= share * points else inf,
        censored=covered < share * points,
        chosen=len(chosen),
        covered=covered / points,
        fresh=reached / points,
        floor=unit_floor(dim, k, rank, eps, share=sure, signed=not rays),
        sphere_floor=unit_floor(dim, k, rank, eps, signed=not rays),
    )


def unit_floor(d: int, k: int, rank: int, eps: float, *, share: float = 1.0, signed: bool = True) -> float:
    r"""Fewest units of this rank that can cover this share of the sphere of R^d, k at a time.

    .. math:: \min\{N : \tbinom Nk\, p \ge \mathrm{share}\}, \qquad p = I_{\varepsilon^2}(\tfrac{d-m}2, \tfrac m2),\;
        m = kr < d

    p/2 for p if k = r = 1 and codes are non-negative. For ``k r >= d`` it is ``ceil(d / r)`` for the whole sphere; for
    less than that, one. At rank 1 :func:`sasa_theory.bounds.atom_floor`.

    Raises
    ------
    ValueError
        If an argument is outside its range.
    """
    count("rank", rank)
    dims = int(count("k", k)) * rank
    share = float(real("share", share, 0.0, 1.0))
    if dims >= d:
        return float(ceil(d / rank)) if share == 1 else float(share > 0)
    goal = log(share) - float(log_reach(d, dims, eps, signed)) - ROUNDING if share else -inf
    if goal <= 0:  # one choice of k suffices, perhaps fewer units
        return float(share > 0)
    low, high = log(k), log(k) + goal / k  # C(N, k) >= (N / k)^k
    while high - low > ROUNDING:
        middle = (low + high) / 2
        low, high = (middle, high) if float(log_binomial(middle, k)) < goal else (low, middle)
    return float(ceil(exp(high) - ROUNDING * exp(high))) if high < log(float(1 << 53)) else exp(min(high, 700.0))


def _choose(
    points: Tensor, bases: Tensor, k: int, eps: float, cap: int, rays: bool, goal: int
) -> tuple[list[int], int, float]:
    """Units chosen greedily until ``goal`` points are covered, how many are, and the counting bound for k = 1.

    Each step takes the unit that covers most of the open points beside the k - 1 best of those chosen before, then the
    one that shortens their residuals most.
    """
    chosen: list[int] = []
    total = len(points)
    lower = _counting_bound(points, bases, eps, rays) if k == 1 else 1.0
    left, energy = points.square().sum(dim=1, keepdim=True), _energy(points, bases, rays)
    while total - len(points) < goal and len(chosen) < min(cap, len(bases)):
        if k > 1:
            residuals = _residuals(points, bases[chosen], k - 1)
            left, energy = residuals.square().sum(dim=1, keepdim=True), _energy(residuals, bases, rays)
        near = left - energy <= _square(eps)
        score = near.sum(dim=0) + energy.mean(dim=0)
        score[chosen] = -1
        best = int(score.argmax())
        if k == 1 and not near[:, best].any():
            break  # no unit reaches what is open
        chosen.append(best)
        covered = near[:, best]
        if k > 1:
            covered = covered | (_distances(points, bases[chosen], k, rays) <= _square(eps))
        points, left, energy = points[~covered], left[~covered], energy[~covered]
    return chosen, total - len(points), lower


def _counting_bound(points: Tensor, bases: Tensor, eps: float, rays: bool) -> float:
    near = 1 - _energy(points, bases, rays) <= _square(eps)
    return float(ceil(len(points) / int(near.sum(dim=0).max()))) if len(bases) and near.any(dim=1).all() else inf


def _distances(points: Tensor, bases: Tensor, k: int, rays: bool) -> Tensor:
    """Squared distances to the span of k of the units, by matching pursuit; to the nearest unit for k = 1."""
    if not len(bases):
        return points.square().sum(dim=1)
    if k == 1:
        return points.square().sum(dim=1) - _energy(points, bases, rays).amax(dim=1)
    return _residuals(points, bases, k).square().sum(dim=1)


def _residuals(points: Tensor, bases: Tensor, steps: int) -> Tensor:
    """What block orthogonal matching pursuit with this many units leaves of each point (Eldar et al., 2010)."""
    residuals, taken = points, points.new_empty(len(points), 0, dtype=torch.int64)
    for _ in range(min(steps, len(bases))):
        best = _energy(residuals, bases, rays=False).argmax(dim=1, keepdim=True)
        taken = torch.cat((taken, best), dim=1)
        rows = bases[taken].flatten(1, 2)
        products = torch.einsum("pmw,pw->pm", rows, points)
        gains = torch.linalg.pinv(rows @ rows.mT, hermitian=True, rtol=ROUNDING) @ products.unsqueeze(2)
        residuals = points - (rows.mT @ gains).squeeze(2)
    return residuals


def _energy(points: Tensor, bases: Tensor, rays: bool) -> Tensor:
    """``||B_k h||^2``, shapes (points, width), (units, rank, width) to (points, units)."""
    products = torch.einsum("pw,krw->pkr", points, bases)
    return (products.clamp_min(0) if rays else products).square().sum(dim=2)


def _square(eps: float) -> float:
    return eps**2 + ROUNDING


def _looked_at(observation: Observation) -> list[int]:
    """The first features of each dimension >= 2 that occur."""
    occur = (observation.crowd.present.counts() > 0).tolist()
    found: dict[int, list[int]] = {}
    for i, basis in enumerate(observation.bases):
        if len(basis) > 1 and occur[i]:
            found.setdefault(len(basis), []).append(i)
    return [i for same in found.values() for i in same[:PER_DIMENSION]]


def coverings(observation: Observation) -> dict[int, Covering]:
    """Units that cover the first features of each dimension, one unit a point, by feature."""
    generator, bases = torch.Generator().manual_seed(observation.rows.seed), spans(observation)
    return {i: _cover(observation, bases, i, 1, EPS, generator) for i in _looked_at(observation)}


def _covering_k1(observation: Observation) -> Reading:
    """Units that cover 128 random points of the feature's unit sphere to within 0.5, one a point, found greedily.

    Mean over the first 4 features of each dimension >= 2 that occur; a feature that 64 units, or all there are, do not
    cover counts as 64.
    """
    each = torch.full((len(observation.bases),), nan, dtype=torch.float64)
    for i, found in observation.coverings.items():
        each[i] = min(found.upper, CAP)
    return Reading(float(each.nanmean()), each)


def _covering_floor(observation: Observation) -> float:
    """Mean floor for what was covered of fresh points."""
    floors = [found.floor for found in observation.coverings.values()]
    return sum(floors) / len(floors) if floors else nan


METRICS = (
    Metric(
        name="covering_k1",
        title="units that cover a feature, one at a time",
        unit="units",
        direction="lower",
        version=1,
        measure=_covering_k1,
        best=1.0,
        floor=_covering_floor,
        source="arXiv 2606.06333",
    ),
)
