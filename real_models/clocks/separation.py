"""Whether units lie along given circles rather than anywhere in what the circles span together.

Circles that are never present without one another can be mixed by any rotation of their common span, and no
reconstruction tells. So chance is not a random dictionary, which misses the span, but the same units turned at random
within it. A transformer trained on one clock alone, embeddings and all, computes with circles of several frequencies,
each of which is in every row: no method may seem to have separated them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi
from typing import NamedTuple

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from sasa_theory.designs.contract import Design
from sasa_theory.metrics import observe
from sasa_theory.metrics.spans import spans
from sasa_theory.seeds import generator_for
from sasa_theory.tolerances import ROUNDING

from .task import Clocks
from .transformer import Lesson
from .world import ClockWorld

SINGLE = Lesson(clocks=Clocks(hours=(31,)), learned=True, steps=400)
"""One clock of 31 hours: GPT-2 computes with frequencies 1 and 2, which hold .97 of the energy of the class means."""

WEAKEST = 0.1
"""Share of the energy of the class means below which a frequency is no circle worth looking for."""

TURNS = 200
"""Random turns behind a null."""


class Separation(NamedTuple):
    """How far units lie along circles, and what the same units reach when turned at random.

    Attributes
    ----------
    score : float
        Mean over circles of ``2 ||B_k V_i'||_F^2 / (2 + rank_k)``, B_k the subspace that the circle's unit uses, units
        assigned so that the mean is largest, each to one circle. 1 if each circle has a unit that uses just its plane.
    null : Tensor, shape (turns,)
        The same of the units turned at random.
    """

    score: float
    null: Tensor


def frequencies(world: ClockWorld, i: int = 0) -> dict[int, Tensor]:
    """Planes of a clock's circles, orthonormal bases of shape (2, width) by frequency, the strongest first.

    Of the class means ``m_h`` the Fourier components ``sum_h m_h exp(2 pi i f h / p)`` span the plane of frequency f;
    kept are those with a share of at least :data:`WEAKEST` of the energy.
    """
    means = world.means(i).double()
    means = means - means.mean(dim=0)
    hours = torch.arange(len(means), dtype=torch.float64)
    found = {}
    for f in range(1, (len(means) - 1) // 2 + 1):
        angle = 2 * pi * f * hours / len(means)
        waves = torch.stack([angle.cos(), angle.sin()])
        component = waves @ means
        share = float(2 * component.square().sum() / (len(means) * means.square().sum()))
        if share >= WEAKEST:
            found[f] = (share, torch.linalg.qr(component.mT).Q.mT)
    return {f: plane for f, (_, plane) in sorted(found.items(), key=lambda one: -one[1][0])}


def separation(
    design: Design, world: ClockWorld, planes: Sequence[Tensor], *, turns: int = TURNS, seed: int = 0
) -> Separation:
    """How far a design's units lie along given planes, beside the same units turned at random within their span.

    Parameters
    ----------
    design : Design
        Trained on the world.
    world : ClockWorld
        What subspaces units use is seen on all of its rows.
    planes : sequence of Tensor
        Orthonormal bases, shape (2, width).
    turns : int
        Of the null.
    seed : int
        Of the turns.

    Raises
    ------
    ValueError
        If there are fewer than two planes: then there is nothing to separate.
    """
    if len(planes) < 2:
        raise ValueError(f"planes must be two or more, got {len(planes)}; one circle cannot be told from itself")
    used = spans(observe(design, world, rows=len(world.x)))
    known = torch.stack([plane.double() for plane in planes])
    common = _span(known.flatten(0, 1))
    generator = generator_for("turns", seed)
    turned = []
    for _ in range(turns):
        turn = _rotation(len(common), generator) - torch.eye(len(common), dtype=torch.float64)
        turned.append(_score(used + used @ common.mT @ turn @ common, known))
    return Separation(_score(used, known), torch.tensor(turned, dtype=torch.float64))


@dataclass(frozen=True)
class Separated:
    """Mean separation over several trainings, beside the mean of as many dictionaries turned at random.

    Attributes
    ----------
    score : float
        Of the designs.
    null : tuple of float
        Mean, and the level that one in a hundred means of random turns exceeds.
    p : float
        Share of the means of random turns that are as high as the score, the score itself among them.
    """

    score: float
    null: tuple[float, float]
    p: float

    @classmethod
    def of(cls, found: Sequence[Separation]) -> Separated:
        """Of separations with equally many turns."""
        score = sum(one.score for one in found) / len(found)
        means = torch.stack([one.null for one in found]).mean(dim=0)
        p = (1 + int((means >= score).sum())) / (1 + len(means))
        return cls(score, (float(means.mean()), float(means.quantile(0.99))), p)


def _score(used: Tensor, planes: Tensor) -> float:
    overlap = torch.einsum("krw,fdw->kfrd", used, planes).square().sum(dim=(2, 3))
    ranks = used.square().sum(dim=(1, 2)).round().unsqueeze(1)
    recovery = 2 * overlap / (planes.shape[1] + ranks)
    units, circles = linear_sum_assignment(-recovery.numpy())
    return float(recovery[units, circles].sum()) / len(planes)


def _span(rows: Tensor) -> Tensor:
    """Orthonormal basis of what rows span."""
    _, values, directions = torch.linalg.svd(rows, full_matrices=False)
    return directions[values > ROUNDING * values[0]]


def _rotation(n: int, generator: torch.Generator) -> Tensor:
    """A uniform random orthogonal matrix."""
    q, r = torch.linalg.qr(torch.randn(n, n, generator=generator, dtype=torch.float64))
    return q * r.diagonal().sign()
