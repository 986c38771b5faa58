"""A design's decoder, unit by unit, whatever form the design has."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sasa_theory.designs.contract import Design
from sasa_theory.tolerances import AFFINE

_BLOCK = 1 << 24
"""Numbers of dense codes held at a time."""


@dataclass(frozen=True)
class Units:
    """The units of a design as blocks of decoder rows, padded with zero rows to the rank of the largest unit.

    Attributes
    ----------
    decoder : Tensor, shape (units, rank, width)
        Decoder rows D_k of each unit.
    offset : Tensor, shape (width,)
        What the design decodes from a code of zeros.
    places : Tensor of int64, shape (units, rank)
        Column of the code that each row belongs to; ``columns`` where a row is padding.
    columns : int
        Dimension of the code.
    """

    decoder: Tensor
    offset: Tensor
    places: Tensor
    columns: int

    @classmethod
    @torch.no_grad()
    def of(cls, design: Design) -> Units:
        """Read a design's units by decoding one column at a time.

        Raises
        ------
        ValueError
            If the decoder is not affine in the codes: then a unit's contribution is not defined.
        """
        like = like_parameters(design)
        nothing = design.decode(like.new_zeros(1, design.columns))
        size = max(1, _BLOCK // design.columns)
        blocks = [
            design.decode(torch.nn.functional.one_hot(columns, design.columns).to(like)) - nothing
            for columns in torch.arange(design.columns, device=like.device).split(size)
        ]
        rows = torch.cat(blocks)
        _check_affine(design, rows, nothing)
        places = _places(design.units().to(like.device))
        padded = torch.cat((rows, rows.new_zeros(1, design.width)))
        return cls(padded[places], nothing.squeeze(0), places, design.columns)

    @property
    def count(self) -> int:
        """Number of units."""
        return len(self.places)

    @property
    def rank(self) -> int:
        """Columns of the largest unit."""
        return self.places.shape[1]

    @property
    def sizes(self) -> Tensor:
        """Columns of each unit, shape (units,)."""
        return (self.places < self.columns).sum(dim=1)

    def blocks(self, codes: Tensor) -> Tensor:
        """Codes unit by unit, shape (n, columns) to (n, units, rank); zero where padded."""
        return torch.cat((codes, codes.new_zeros(len(codes), 1)), dim=1)[:, self.places]


def like_parameters(design: Design) -> Tensor:
    """A tensor of the type and on the device of a design's numbers; float32 on the CPU if it has none."""
    tensors = (t for t in (*design.parameters(), *design.buffers()) if t.is_floating_point())
    return next(tensors, torch.empty(0))


def _places(unit_of: Tensor) -> Tensor:
    sizes = torch.bincount(unit_of)
    order = unit_of.argsort(stable=True)
    starts = sizes.cumsum(0) - sizes
    places = unit_of.new_full((len(sizes), int(sizes.max())), len(unit_of))
    within = torch.arange(len(unit_of), device=unit_of.device) - starts[unit_of[order]]
    places[unit_of[order], within] = order
    return places


def _check_affine(design: Design, rows: Tensor, nothing: Tensor) -> None:
    codes = torch.randn(2, design.columns, generator=torch.Generator().manual_seed(0)).to(rows)
    decoded, expected = design.decode(codes), codes @ rows + nothing
    if not (decoded - expected).norm() <= AFFINE * (expected.norm() + codes.abs().sum() * rows.norm(dim=1).max()):
        raise ValueError(
            f"decode of {type(design).__name__} must be affine in the codes (z D + b), so that each unit's "
            "contribution is defined; it is not. Put what is not affine into encode."
        )
