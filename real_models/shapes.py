"""How many dimensions units use, and of which shape what they add is."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sasa_theory.metrics.dimension import rank90, used_spectrum
from sasa_theory.metrics.evaluating import encoded, evaluating
from sasa_theory.metrics.irreducibility import DIMENSIONS, FEWEST, Irreducibility, irreducibility, principal_axes
from sasa_theory.metrics.observation import Observation
from sasa_theory.metrics.units import like_parameters

UNITS = 32
"""Units of most energy whose irreducibility is measured."""

_MOST_POINTS = 4000
"""Activations of a unit that its irreducibility is measured on."""


@dataclass(frozen=True, kw_only=True)
class Dimensions:
    """How many dimensions the units with several columns use: rank90 of ``D_k' E[z_k z_k'] D_k`` where they fire.

    Attributes
    ----------
    counts : tuple of int
        Units that use 1, 2, ... dimensions.
    mean : float
        Of the same.
    most : int
        What a unit gets whose columns are used equally.
    """

    counts: tuple[int, ...]
    mean: float
    most: int


@dataclass(frozen=True, kw_only=True)
class Shapes:
    """Irreducibility of the units of most energy, beside Gaussian points of the same covariances.

    Attributes
    ----------
    of : str
        ``units``, or ``clusters`` of decoder atoms where no unit has more than one column.
    number : int
        How many were measured: those that fire at least 64 times, at most 32.
    mixture, separability, score : float
        Medians over them of M, S in bits, and ``(1 - M) S`` (arXiv 2405.14860).
    chance : float
        Median of the score of the Gaussian points.
    above : float
        Share of the units whose score exceeds the highest of all Gaussian ones.
    """

    of: str
    number: int
    mixture: float
    separability: float
    score: float
    chance: float
    above: float


def dimensions(seen: Observation) -> Dimensions | None:
    """Dimensions in use, unit by unit; None if no unit of several columns fires."""
    units = seen.units
    chosen = (units.sizes > 1) & (seen.crowd.fired.often.to(units.sizes.device) > 0)
    if not chosen.any():
        return None
    parts = zip(units.decoder[chosen].split(256), seen.crowd.second[chosen].split(256), strict=True)
    ranks = torch.cat([rank90(used_spectrum(decoder, second)) for decoder, second in parts])
    most = int(rank90(torch.ones(units.rank)))
    counts = torch.bincount(ranks.long().cpu(), minlength=most + 1)[1:]
    return Dimensions(counts=tuple(counts.tolist()), mean=float(ranks.mean()), most=most)


@torch.no_grad()
def shapes(seen: Observation, of: str, generator: torch.Generator) -> Shapes | None:
    """Irreducibility of what the units of most energy add where they fire; None if none fires often enough."""
    units, crowd = seen.units, seen.crowd
    gram = units.decoder.double() @ units.decoder.double().mT
    energy = (gram * crowd.second).sum(dim=(1, 2))
    fit = (units.sizes > 1) & (crowd.fired.often.to(units.sizes.device) >= FEWEST)
    chosen = energy.masked_fill(~fit, -torch.inf).topk(min(UNITS, units.count)).indices
    chosen = chosen[fit[chosen]]
    if not len(chosen):
        return None
    kept: list[list[Tensor]] = [[] for _ in chosen]
    with evaluating(seen.design):
        for block in seen.rows:
            codes = encoded(seen.design, block.x.to(like_parameters(seen.design)))
            on = seen.design.presence(codes)[:, chosen] > 0
            inside = units.blocks(codes)[:, chosen]
            for k, points in enumerate(kept):
                points.append(inside[on[:, k], k])
    found, chance = [], []
    for unit, parts in zip(chosen.tolist(), kept, strict=True):
        added = torch.cat(parts)[:_MOST_POINTS].double() @ units.decoder[unit].double()
        axes = principal_axes(added, min(int(units.sizes[unit]), DIMENSIONS))
        planar = ((added - added.mean(dim=0)) @ axes.mT).cpu()
        found.append(irreducibility(planar))
        noise = torch.randn(planar.shape, generator=generator, dtype=torch.float64)
        chance.append(irreducibility(noise * planar.std(dim=0)).score)
    scores = torch.tensor([one.score for one in found])
    return Shapes(
        of=of,
        number=len(found),
        mixture=_median(found, "mixture"),
        separability=_median(found, "separability"),
        score=float(scores.median()),
        chance=float(torch.tensor(chance).median()),
        above=float((scores > max(chance)).double().mean()),
    )


def _median(found: list[Irreducibility], name: str) -> float:
    return float(torch.tensor([getattr(one, name) for one in found]).median())
