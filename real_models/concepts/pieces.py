"""A piece of a design, one unit or several: what it adds to activations, and the subspace in which it does."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from sasa_theory.designs.contract import Design
from sasa_theory.metrics.evaluating import encoded, evaluating
from sasa_theory.metrics.units import like_parameters

_SMALL = 1e-5
"""Singular values below this share of the largest are 0."""


@dataclass(frozen=True, eq=False)
class Piece:
    """Some units of a design, taken together; nothing in it depends on how the columns of a unit are turned.

    Attributes
    ----------
    design : Design
        With a decoder that is affine in the codes.
    units : tuple of int
        Which.
    """

    design: Design
    units: tuple[int, ...]

    @cached_property
    def columns(self) -> Tensor:
        """Columns of the code that belong to it, in order."""
        own = torch.isin(self.design.units().cpu(), torch.tensor(self.units))
        return own.nonzero()[:, 0].to(like_parameters(self.design).device)

    @torch.no_grad()
    def added(self, x: Tensor) -> Tensor:
        """What it adds to the reconstructions of rows, shape (n, width), in their type."""
        with evaluating(self.design):
            codes = encoded(self.design, x.to(like_parameters(self.design)))
            kept = torch.zeros_like(codes)
            kept[:, self.columns] = codes[:, self.columns]
            nothing = self.design.decode(torch.zeros_like(codes[:1]))
            return (self.design.decode(kept) - nothing).to(x)

    @cached_property
    @torch.no_grad()
    def basis(self) -> Tensor:
        """Orthonormal rows that span its decoder rows, shape (rank, width), float64 on the CPU."""
        codes = torch.zeros(len(self.columns), self.design.columns).to(like_parameters(self.design))
        codes[torch.arange(len(self.columns)), self.columns] = 1.0
        rows = self.design.decode(codes) - self.design.decode(torch.zeros_like(codes[:1]))
        return span(rows)


def span(rows: Tensor) -> Tensor:
    """Orthonormal basis of the span of some rows, shape (rank, width), float64 on the CPU."""
    _, values, directions = torch.linalg.svd(rows.double().cpu(), full_matrices=False)
    return directions[values > _SMALL * values[0]]


def random_subspaces(rank: int, width: int, number: int, generator: torch.Generator) -> list[Tensor]:
    """Orthonormal bases of random subspaces, each of shape (rank, width)."""
    normal = torch.randn(number, width, rank, generator=generator, dtype=torch.float64)
    return list(torch.linalg.qr(normal).Q.mT)
