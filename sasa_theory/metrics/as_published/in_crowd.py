"""The statistics behind the authors' metrics, gathered on rows as they are: other features and noise included."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sasa_theory.designs.atoms.aux_k import AuxK
from sasa_theory.designs.linear import LinearDesign
from sasa_theory.designs.references.tied import TiedGroups

from ..evaluating import encoded, evaluating
from ..observation import Observation
from ..units import like_parameters

OWNED = 0.5
"""Least share of an atom's squared norm within a feature's subspace for it to belong to the feature."""


@dataclass(frozen=True)
class InCrowd:
    """Means over the rows in which a feature is active. Dead columns have energy 0.

    Attributes
    ----------
    squares : Tensor, shape (features, columns)
        ``E[a_j^2 | i active]`` of the activations as the authors' code has them; see :func:`amplitudes`.
    error, power : Tensor, shape (features,)
        ``E||V_i (x - x_hat)||^2`` and ``E||V_i x||^2``, given that i is active.
    won, level, cut : Tensor, shape (features,)
        Given that i is active: owned atoms whose ``|pre_j|`` is among the k largest of the row, mean ``|pre_j|`` of
        owned atoms, and the k-th largest; NaN for designs that have no preactivations.
    sums : Tensor, shape (units, rank)
        Sums of the codes over the rows.
    """

    squares: Tensor
    error: Tensor
    power: Tensor
    won: Tensor
    level: Tensor
    cut: Tensor
    sums: Tensor


def rows_of(observation: Observation) -> Tensor:
    """Decoder rows w_j in the order of the columns, float64, shape (columns, width)."""
    units = observation.units
    rows = units.decoder.new_zeros(units.columns + 1, units.decoder.shape[2], dtype=torch.float64)
    rows[units.places.flatten()] = units.decoder.double().flatten(0, 1)
    return rows[:-1]


def inside(observation: Observation) -> Tensor:
    """``||V_i w_j||^2``, shape (features, columns)."""
    rows = rows_of(observation)
    return torch.stack([(rows @ basis.to(rows).mT).square().sum(dim=1) for basis in observation.bases])


def owners(observation: Observation) -> Tensor:
    """Feature that each atom belongs to, or -1, shape (columns,): ``||V_i w_j||^2 / ||w_j||^2 >= 1/2``, the largest."""
    norms = rows_of(observation).square().sum(dim=1)
    share, feature = (inside(observation) / norms.clamp_min(torch.finfo(torch.float64).tiny)).max(dim=0)
    return feature.masked_fill(share < OWNED, -1)


def amplitudes(observation: Observation) -> Tensor:
    """By what each code is multiplied to be the activation of the authors' code, shape (columns,).

    Vector designs that rank latents by ``u_j ||w_j||`` have the norm in the activation there, and divide by it when
    they decode; ours have it in neither.
    """
    design = observation.design
    norms = rows_of(observation).norm(dim=1)
    rescaled = isinstance(design, AuxK) and design.rank == 1 and design.constraint == "free"
    return norms if rescaled else torch.ones_like(norms)


def preactivations(observation: Observation, x: Tensor) -> Tensor | None:
    """What selection looks at, shape (n, columns); None for designs without."""
    design = observation.design
    if isinstance(design, LinearDesign):
        return design.preactivations(x)
    return design.projections(x) if isinstance(design, TiedGroups) else None


@torch.no_grad()
def in_crowd(observation: Observation) -> InCrowd:
    """One pass over the rows."""
    design, units, features = observation.design, observation.units, len(observation.bases)
    like, bases = like_parameters(design), torch.cat(observation.bases).double()
    bases = bases.to(like.device)
    of = torch.repeat_interleave(observation.dims).to(like.device)
    scale = amplitudes(observation)
    owned = torch.nn.functional.one_hot(owners(observation) + 1, features + 1)[:, 1:].double()  # (columns, features)
    kept = min(max(1, round(observation.reconstruction.columns)), units.columns)
    squares = torch.zeros(features, units.columns, dtype=torch.float64, device=like.device)
    error, power, won, level, cut, often = squares.new_zeros(6, features)
    sums = squares.new_zeros(units.count, units.rank)
    with evaluating(design):
        for block in observation.rows:
            x = block.x.to(like)
            codes = encoded(design, x)
            present = block.truth.dense().to(like.device).double()
            left = (x - design.decode(codes)).double()
            squares += present.mT @ codes.double().square()
            error += (present * _by_feature((left @ bases.mT).square(), of, features)).sum(dim=0)
            power += (present * _by_feature((x.double() @ bases.mT).square(), of, features)).sum(dim=0)
            often += present.sum(dim=0)
            sums += units.blocks(codes).double().sum(dim=0)
            pre = preactivations(observation, x)
            if pre is None:
                continue
            sizes = pre.abs().double() * scale
            least = sizes.topk(kept, dim=1).values[:, -1:]
            won += (present * ((sizes >= least).double() @ owned)).sum(dim=0)
            level += (present * (sizes @ owned)).sum(dim=0)
            cut += (present * least).sum(dim=0)
    number = often.masked_fill(often == 0, torch.nan)
    nothing = torch.nan if pre is None else 0.0
    return InCrowd(
        squares=squares * scale.square() / number.unsqueeze(1),
        error=error / number,
        power=power / number,
        won=won / number + nothing,
        level=level / number / owned.sum(dim=0) + nothing,
        cut=cut / number + nothing,
        sums=sums,
    )


def _by_feature(squares: Tensor, of: Tensor, features: int) -> Tensor:
    return squares.new_zeros(len(squares), features).index_add(1, of, squares)
