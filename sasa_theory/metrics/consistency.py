"""Whether designs trained from different seeds find the same units.

Single directions of units can differ between seeds although the subspaces agree: inside a unit the basis is free. Both
are measured, and both beside what random dictionaries of the same ranks get when they are matched in the same way
(motivated by arXiv 2606.12138).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from sasa_theory.bounds import random_subspace_cosine

from .matching import assign, taken
from .observation import Observation
from .spans import spans

_BLOCK = 1 << 24
"""Products of rows held at a time."""


@dataclass(frozen=True, kw_only=True)
class Consistency:
    """Agreement of units between designs: means over pairs of designs, each pair matched one unit to one (Hungarian).

    Units that never fire are left out; of a pair, units of the larger design that find no partner count as 0.

    Attributes
    ----------
    atoms : float
        Mean ``|cos(u_k, u_l)|`` of matched units' directions: the decoder row of a unit of one column, the direction
        of most energy of a larger one.
    subspaces : float
        Mean Grassmann affinity ``||B_k B_l'||_F^2 / min(p, q)`` of matched units' subspaces, of dimensions p and q: the
        mean squared cosine of their principal angles. Another matching than that of ``atoms``.
    atoms_null, subspaces_null : float
        The same for one uniformly random dictionary for each, units of the same ranks.
    chance : float
        Mean of ``max(p, q) / width`` over units matched by subspace: affinity of two random subspaces that were not
        chosen to match, in closed form; below ``subspaces_null``.
    each : Tensor, shape (pairs, 2)
        ``atoms`` and ``subspaces`` of each pair of designs, (0, 1), (0, 2), ..., (1, 2), ...
    """

    atoms: float
    subspaces: float
    atoms_null: float
    subspaces_null: float
    chance: float
    each: Tensor


def consistency(observations: Sequence[Observation], generator: torch.Generator) -> Consistency:
    """Compare designs unit by unit, every pair of them.

    Parameters
    ----------
    observations : sequence of Observation
        Two or more, of one width; on the same rows, if differences between rows are not to count.
    generator : torch.Generator
        For the random dictionaries, on the CPU.

    Raises
    ------
    ValueError
        If there are fewer than two, widths differ, or a design has no unit that ever fired.
    """
    if len(observations) < 2:
        raise ValueError(f"consistency compares two or more designs, got {len(observations)}")
    widths = sorted({observation.design.width for observation in observations})
    if len(widths) > 1:
        raise ValueError(f"designs must have one width, got {', '.join(map(str, widths))}")
    found = [spans(observation) for observation in observations]
    silent = [k for k, bases in enumerate(found) if not len(bases)]
    if silent:
        raise ValueError(f"every design needs a unit that fires on the rows; design {silent[0]} has none")
    random = [_random_like(bases, generator) for bases in found]
    pairs = list(combinations(range(len(found)), 2))
    scores = torch.tensor([_agreement(found[a], found[b]) for a, b in pairs], dtype=torch.float64)
    nulls = torch.tensor([_agreement(random[a], random[b]) for a, b in pairs], dtype=torch.float64)
    atoms, subspaces, chance = scores.mean(dim=0).tolist()
    atoms_null, subspaces_null, _ = nulls.mean(dim=0).tolist()
    return Consistency(
        atoms=atoms,
        subspaces=subspaces,
        atoms_null=atoms_null,
        subspaces_null=subspaces_null,
        chance=chance,
        each=scores[:, :2],
    )


def _agreement(one: Tensor, other: Tensor) -> tuple[float, float, float]:
    """``atoms``, ``subspaces`` and ``chance`` of two designs, from bases of shapes (units, rank, width)."""
    p, q = _ranks(one), _ranks(other)
    unmatched = max(len(one), len(other))
    cosines = (one[:, 0] @ other[:, 0].mT).abs()
    affinity = _overlaps(one, other) / torch.minimum(p.unsqueeze(1), q)
    partner = assign(affinity)
    has = partner >= 0
    larger = torch.maximum(p[has], q[partner[has]])
    return (
        float(taken(cosines, assign(cosines)).sum()) / unmatched,
        float(taken(affinity, partner).sum()) / unmatched,
        float(random_subspace_cosine(larger.cpu().numpy(), 1, one.shape[2]).mean()),
    )


def _overlaps(one: Tensor, other: Tensor) -> Tensor:
    """``||B_k B_l'||_F^2`` for all pairs of units."""
    rows = other.flatten(0, 1)
    size = max(1, _BLOCK // (one.shape[1] * len(rows)))
    blocks = [(part @ rows.mT).square().sum(dim=1).unflatten(1, other.shape[:2]).sum(dim=2) for part in one.split(size)]
    return torch.cat(blocks)


def _ranks(bases: Tensor) -> Tensor:
    return (bases != 0).any(dim=2).sum(dim=1)


def _random_like(bases: Tensor, generator: torch.Generator) -> Tensor:
    """Uniformly random subspaces of the same ranks."""
    normal = torch.randn(bases.mT.shape, generator=generator, dtype=torch.float64).to(bases.device)
    rows = torch.linalg.qr(normal).Q.mT
    return rows * (torch.arange(bases.shape[1], device=bases.device) < _ranks(bases).unsqueeze(1)).unsqueeze(2)
