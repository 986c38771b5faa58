"""A design on rows of its world, several features at a time: firing, and the moments of its codes."""

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
class Firings:
    """How often each unit fired and how many did in each row, but not which: dense codes have too many pairs to keep.

    Attributes
    ----------
    often : Tensor, shape (units,)
        Rows in which each unit fired.
    sizes : Tensor of int64, shape (rows,)
        Units that fired in each row.
    """

    often: Tensor
    sizes: Tensor

    def counts(self) -> Tensor:
        """Rows in which each unit fired, float64, shape (units,)."""
        return self.often


@dataclass(frozen=True)
class Crowd:
    """What a design does on the rows. The contribution of unit k to a row is ``c_k = z_k D_k``.

    Attributes
    ----------
    fired : Firings
        How often units fired (presence above 0), and how many in each row.
    present : Pattern
        Which features were present in which row.
    together : Tensor, shape (features, units)
        Rows in which both fired.
    second : Tensor, shape (units, rank, rank)
        ``E[z_k z_k']`` over all rows, 0 where padded.
    """

    fired: Firings
    present: Pattern
    together: Tensor
    second: Tensor

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.present.size[0]


@torch.no_grad()
def observe_crowd(design: Design, units: Units, rows: Rows, features: int) -> Crowd:
    """One pass over the rows of a world of so many features."""
    like = like_parameters(design)
    second = torch.zeros(units.count, units.rank, units.rank, dtype=torch.float64, device=like.device)
    together, often = second.new_zeros(features, units.count), second.new_zeros(units.count)
    sizes = torch.zeros(rows.count, dtype=torch.int64, device=like.device)
    present, start = [], 0
    with evaluating(design):
        for block in rows:
            codes = encoded(design, block.x.to(like))
            second += second_moments(units.blocks(codes))
            on = design.presence(codes) > 0
            often += on.sum(dim=0)
            sizes[start : start + len(codes)] = on.sum(dim=1)
            samples, members = block.truth.samples.to(like.device), block.truth.features.to(like.device)
            what = Pattern(samples, members, (len(codes), features))
            together += torch.sparse.mm(what.sparse().float().mT, on.float())  # exact: a block has less than 2^24 rows
            present.append(torch.stack((samples + start, members)))
            start += len(codes)
    samples, members = torch.cat(present, dim=1)
    return Crowd(
        fired=Firings(often, sizes),
        present=Pattern(samples, members, (start, features)),
        together=together,
        second=second / start,
    )


def second_moments(blocks: Tensor) -> Tensor:
    """Sums over the rows of ``z_k z_k'``, float64, shape (n, units, rank) to (units, rank, rank).

    In the codes' own precision, directions of small codes would drown in the rounding of those of large ones, which a
    unit's gauge can make as different as it likes, and the squares of very large codes would be infinite.
    """
    blocks = blocks.double()
    if blocks.shape[2] == 1:  # many products of single numbers are slow
        return blocks.square().sum(dim=0).unsqueeze(2)
    return torch.einsum("nkr,nks->krs", blocks, blocks)
