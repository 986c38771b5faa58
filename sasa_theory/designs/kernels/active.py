"""The units that fire, row by row: what a sparse code is when nobody needs its zeros."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Active(NamedTuple):
    """A sparse code in compressed rows: row i holds the entries ``starts[i]`` to ``starts[i + 1] - 1``.

    Attributes
    ----------
    values : Tensor, shape (entries, rank)
        Codes of the active units.
    units : Tensor, shape (entries,)
        Which unit each entry is; int64. Within a row no unit appears twice; the order is free.
    starts : Tensor, shape (rows + 1,)
        Where each row starts; int64, on the device of the values.
    """

    values: Tensor
    units: Tensor
    starts: Tensor

    def rows(self) -> Tensor:
        """Row of each entry, shape (entries,)."""
        ends = self.starts[1:]
        ended = self.units.new_zeros(len(self.units) + 1).index_add(0, ends, torch.ones_like(ends))
        return ended.cumsum(0)[:-1]

    def dense(self, n_units: int) -> Tensor:
        """The code with its zeros, shape (rows, n_units * rank)."""
        rank = self.values.shape[-1]
        codes = self.values.new_zeros(len(self.starts) - 1, n_units, rank)
        return codes.index_put((self.rows(), self.units), self.values).flatten(1)

    @staticmethod
    def of(codes: Tensor, rank: int = 1) -> Active:
        """The units of a dense code, shape (rows, n_units * rank), that are not all zero."""
        blocks = codes.unflatten(-1, (-1, rank))
        rows, units = (blocks != 0).any(dim=-1).nonzero(as_tuple=True)
        lengths = torch.bincount(rows, minlength=len(codes))
        return Active(blocks[rows, units], units, torch.cat((lengths.new_zeros(1), lengths.cumsum(0))))
