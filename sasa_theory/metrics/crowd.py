"""A design on rows of its world, several features at a time: firing, energies, the moments of its codes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sasa_theory.designs.contract import Design

from .evaluating import encoded, evaluating
from .rows import Rows
from .units import Units, like_parameters


@dataclass(frozen=True)
class Pattern:
    """Who fired in which row, as sorted pairs.

    Attributes
    ----------
    rows, members : Tensor of int64, shape (firings,)
        Row, ascending, and who fired in it (unit or feature).
    size : tuple of int
        Numbers of rows and of members.
    """

    rows: Tensor
    members: Tensor
    size: tuple[int, int]

    def counts(self) -> Tensor:
        """Rows in which each member fired, float64, shape (members,)."""
        return torch.bincount(self.members, minlength=self.size[1]).double()

    def sparse(self) -> Tensor:
        """The pattern as a sparse matrix of ones, float64, shape (rows, members)."""
        ones = torch.ones(len(self.rows), dtype=torch.float64, device=self.rows.device)
        return torch.sparse_coo_tensor(torch.stack((self.rows, self.members)), ones, self.size, check_invariants=False)


@dataclass(frozen=True)
class Crowd:
    """What a design does on the rows. The contribution of unit k to a row is ``c_k = z_k D_k``.

    Attributes
    ----------
    fired : Pattern
        Which units fired (presence above 0) in which row.
    present : Pattern
        Which features did.
    together : Tensor, shape (features, units)
        Rows in which both fired.
    second : Tensor, shape (units, rank, rank)
        ``E[z_k z_k']`` over all rows, 0 where padded.
    energy : Tensor, shape (features, units)
        ``E[||V_i c_k||^2 | i present]``, what each unit adds within each feature's subspace; 0 if it is never present.
    column_firings : Tensor, shape (columns,)
        Rows in which each column was other than 0.
    """

    fired: Pattern
    present: Pattern
    together: Tensor
    second: Tensor
    energy: Tensor
    column_firings: Tensor

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.fired.size[0]


@torch.no_grad()
def observe_crowd(design: Design, units: Units, rows: Rows, bases: tuple[Tensor, ...]) -> Crowd:
    """One pass over the rows."""
    like = like_parameters(design)
    within = [units.decoder @ basis.to(like).mT for basis in bases]  # D_k V_i', shape (units, rank, d_i)
    second = torch.zeros(units.count, units.rank, units.rank, dtype=torch.float64, device=like.device)
    energy = second.new_zeros(len(bases), units.count)
    columns = second.new_zeros(units.columns)
    fired, present, start = [], [], 0
    with evaluating(design):
        for block in rows:
            codes = encoded(design, block.x.to(like))
            blocks = units.blocks(codes)
            second += second_moments(blocks)
            columns += (codes != 0).sum(dim=0)
            on = (design.presence(codes) > 0).nonzero()
            fired.append(torch.stack((on[:, 0] + start, on[:, 1])))
            samples, features = block.truth.samples.to(like.device), block.truth.features.to(like.device)
            present.append(torch.stack((samples + start, features)))
            for i in features.unique().tolist():
                energy[i] += _energies(blocks[samples[features == i]], within[i])
            start += len(codes)
    who = _pattern(fired, (start, units.count))
    what = _pattern(present, (start, len(bases)))
    together = torch.sparse.mm(what.sparse().mT, who.sparse()).to_dense()
    return Crowd(
        fired=who,
        present=what,
        together=together,
        second=second / start,
        energy=energy / what.counts().clamp_min(1).unsqueeze(1),
        column_firings=columns,
    )


def _pattern(pairs: list[Tensor], size: tuple[int, int]) -> Pattern:
    rows, members = torch.cat(pairs, dim=1)
    return Pattern(rows, members, size)


def second_moments(blocks: Tensor) -> Tensor:
    """Sums over the rows of ``z_k z_k'``, shape (n, units, rank) to (units, rank, rank)."""
    if blocks.shape[2] == 1:  # many products of single numbers are slow
        return blocks.square().sum(dim=0).unsqueeze(2)
    return torch.einsum("nkr,nks->krs", blocks, blocks)


def _energies(blocks: Tensor, within: Tensor) -> Tensor:
    """Sums over the rows of ``||z_k D_k V'||^2``, shapes (n, units, rank), (units, rank, d) to (units,)."""
    return torch.einsum("krs,krs->k", second_moments(blocks), within @ within.mT)
