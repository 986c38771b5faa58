"""The subspace that each unit really uses, and how it lies to every feature's."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .units import Units

ENERGY = 0.99
"""Share of a unit's energy that its subspace holds.

The rank of the raw decoder would not do: after training by gradient descent it is always full, though most of a block
may be noise that hardly any code reaches, and the sizes of its singular values depend on the unit's gauge. Of a feature
with d equally strong dimensions all d are kept below d = 100.
"""

_ROUNDING = 1e-9
"""Relative slack of the share, so that equal energies are cut at the same place in every gauge."""

_BLOCK = 1 << 23
"""Numbers held at a time: 64 MB in float64."""


@dataclass(frozen=True)
class Subspaces:
    """Subspaces from the usage-weighted map ``E[c_k' c_k] = D_k' E[z_k z_k'] D_k`` of each unit k.

    B_k, of shape (rank_k, width), holds the eigenvectors of largest eigenvalue that together have :data:`ENERGY` of the
    trace; a unit that never fires has none, and rank 0. Nothing here changes under ``E -> Q E, D -> Q^-T D``.

    Attributes
    ----------
    ranks : Tensor, shape (units,)
        Dimension of each subspace.
    overlap : Tensor, shape (features, units)
        ``||B_k V_i'||_F^2``: sum of the squared cosines of the principal angles between the two.
    cosine : Tensor, shape (features, units)
        ``||V_i u_k||``, the cosine of unit k's direction and the feature's subspace. The direction of a unit of one
        column is its decoder row, fired or not; of a larger one, the eigenvector of largest eigenvalue.
    """

    ranks: Tensor
    overlap: Tensor
    cosine: Tensor


def observe_subspaces(units: Units, second: Tensor, bases: tuple[Tensor, ...]) -> Subspaces:
    """Subspaces of all units from the second moments of their codes, shape (units, rank, rank), block by block."""
    stacked = torch.cat(bases).to(units.decoder.device).double()
    feature = torch.repeat_interleave(torch.tensor([len(basis) for basis in bases])).to(stacked.device)
    size = max(1, _BLOCK // (units.rank * max(stacked.shape)))
    found = []
    for decoder, moments, sizes in zip(*(t.split(size) for t in (units.decoder, second, units.sizes)), strict=True):
        directions, energies = principal(decoder.double(), moments)
        kept = _kept(energies)
        inside = (directions @ stacked.mT).square()
        row = torch.nn.functional.normalize(decoder.double().sum(dim=1), dim=1)  # padding adds nothing
        alone = (row @ stacked.mT).square()
        lead = torch.where(sizes.unsqueeze(1) == 1, alone, inside[:, 0])
        overlap = (inside * kept.unsqueeze(2)).sum(dim=1)
        found.append((kept.sum(dim=1), *(_by_feature(part, feature, len(bases)) for part in (overlap, lead))))
    ranks, overlaps, squares = zip(*found, strict=True)
    return Subspaces(torch.cat(ranks), torch.cat(overlaps, dim=1), torch.cat(squares, dim=1).sqrt())


def principal(decoder: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvectors and eigenvalues of ``D_k' E[z_k z_k'] D_k``, the largest first.

    Parameters
    ----------
    decoder : Tensor, shape (units, rank, width)
        Rows D_k, float64.
    second : Tensor, shape (units, rank, rank)
        ``E[z_k z_k']``, float64.

    Returns
    -------
    directions : Tensor, shape (units, rank, width)
        Unit vectors; 0 where the eigenvalue is 0.
    energies : Tensor, shape (units, rank)
        Eigenvalues: ``E<c_k, direction>^2``.
    """
    values, vectors = torch.linalg.eigh(second)
    used = values.clamp_min(0).sqrt().unsqueeze(2) * (vectors.mT @ decoder)  # its Gram has the map's eigenvalues
    energies, turns = torch.linalg.eigh(used @ used.mT)
    energies, turns = energies.flip(1).clamp_min(0), turns.flip(2)
    return torch.nn.functional.normalize(turns.mT @ used, dim=2, eps=torch.finfo(used.dtype).tiny), energies


def _kept(energies: Tensor) -> Tensor:
    """Which eigenvectors span a unit's subspace, from eigenvalues in descending order; Boolean."""
    total = energies.sum(dim=1, keepdim=True)
    before = energies.cumsum(dim=1) - energies
    return before < ENERGY * (1 - _ROUNDING) * total


def _by_feature(squares: Tensor, feature: Tensor, features: int) -> Tensor:
    """Sums over the rows of each basis, shape (units, rows) to (features, units)."""
    return squares.new_zeros(features, len(squares)).index_add(0, feature, squares.mT)
