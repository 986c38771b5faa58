"""Known subspaces as a design: how well one can do if nothing is left to learn.

``tied`` projects on the subspaces with the largest projections: the best that a design of SASA's form can do, and less
than perfect wherever subspaces are not orthogonal. ``pursuit`` is block orthogonal matching pursuit (Eldar, Kuppinger
and Bölcskei, arXiv 0906.3173): choose the subspace with the largest projection of the residual, solve least squares on
all that are chosen, repeat. On the chosen support its coefficients are the best there are; the choice itself is greedy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from sasa_theory.bounds.validate import choice, count

from ..config import DesignConfig, set_real, set_whole, within
from .tied import TiedGroups, check_activations, random_bases

Solver = Literal["tied", "pursuit"]

_BLOCK_ENTRIES = 2**23
"""Numbers in the chosen rows held at a time: 64 MB in float64."""
_ORTHONORMAL = 1e-5
"""Largest error in the products of a basis's rows: ten times that of float32 at common widths."""
_RIDGE = 1e-10
"""Added to Gram matrices, whose diagonal is 1, so that supports with dependent rows have a solution."""


@dataclass(frozen=True, kw_only=True)
class OracleConfig(DesignConfig):
    """Settings of an oracle; :func:`oracle` takes the subspaces.

    Attributes
    ----------
    dims : tuple of int
        Dimension of each subspace, at most the width. Each is a unit of as many columns: none is padded, so that L0 and
        the number of columns count dimensions that exist.
    active : int
        Subspaces that fire in each row, at most; no more than all.
    solver : str
        ``tied`` or ``pursuit``, see the module.
    threshold : float
        Length that the projection on a subspace (of the residual, in a pursuit) must exceed for it to fire, at least 0.
        With it rows may differ in how many fire.
    """

    kind = "oracle"

    dims: tuple[int, ...]
    active: int
    solver: Solver = "tied"
    threshold: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        dims = tuple(int(count("dims", d)) for d in self.dims)
        if not dims:
            raise ValueError("dims must name at least one subspace, got none")
        within("dims", max(dims), "width", self.width)
        object.__setattr__(self, "dims", dims)
        set_whole(self, "active")
        within("active", self.active, "len(dims)", len(dims))
        choice("solver", self.solver, get_args(Solver))
        set_real(self, "threshold")

    @property
    def columns(self) -> int:
        """Dimension of the code: the sum of the dimensions."""
        return sum(self.dims)

    def build(self, generator: torch.Generator) -> TiedGroups:
        """Random subspaces in the place of known ones."""
        return self.around(random_bases(self.dims, self.width, generator))

    def around(self, bases: Tensor, centre: Tensor | None = None) -> TiedGroups:
        """The design with these stacked orthonormal bases, around this centre, shape (width,)."""
        form = TiedGroups if self.solver == "tied" else Pursuit
        return form(self, self.dims, self.active, bases, centre, self.threshold)


class Pursuit(TiedGroups):
    """Codes by block orthogonal matching pursuit, in float64 inside; see the module.

    A row's pursuit ends early when what is left is rounding error, or nowhere longer than the threshold. The cost of n
    rows is of the order of ``n * active * width * (columns + p^2)`` with p the columns chosen.
    """

    def encode(self, x: Tensor) -> Tensor:
        """Least-squares coefficients on the chosen units, 0 elsewhere. Shape (n, columns)."""
        table = self._columns_of().to(x.device)
        block = max(1, _BLOCK_ENTRIES // (self.active * table.shape[1] * self.width))
        return torch.cat([self._pursue(rows, table) for rows in x.split(block)]).to(x.dtype)

    def _columns_of(self) -> Tensor:
        """Columns of each unit, shape (units, largest dimension); the number of columns where it has no more."""
        table = torch.full((self.n_units, max(self.dims)), self.columns)
        start = 0
        for unit, d in enumerate(self.dims):
            table[unit, :d] = torch.arange(start, start + d)
            start += d
        return table

    def _pursue(self, x: Tensor, table: Tensor) -> Tensor:
        target = x.double() - self.decoder_bias.double()
        rows = torch.cat((self.decoder.double(), self.decoder.new_zeros(1, self.width, dtype=torch.float64)))
        rounding = 8 * torch.finfo(x.dtype).eps * x.double().norm(dim=1, keepdim=True)
        enough = rounding.clamp_min(self.threshold)
        residual, chosen = target, table.new_empty(len(x), 0)
        taken = torch.zeros(len(x), self.n_units, dtype=torch.bool, device=x.device)
        weights = target.new_empty(len(x), 0)
        for _ in range(self.active):
            sizes = self.presence(residual @ rows[:-1].mT).masked_fill(taken, 0)
            size, unit = sizes.max(dim=1, keepdim=True)
            taken = taken.scatter(1, unit, True)
            new = torch.where(size > enough, table[unit.squeeze(1)], self.columns)
            chosen = torch.cat((chosen, new), dim=1)
            support = rows[chosen]
            weights = _least_squares(support, target)
            residual = target - (weights.unsqueeze(1) @ support).squeeze(1)
        return target.new_zeros(len(x), self.columns + 1).scatter(1, chosen, weights)[:, :-1]


def _least_squares(support: Tensor, target: Tensor) -> Tensor:
    """Weights w with the smallest ``||target - w support||``; shapes (n, p, width) and (n, width) to (n, p)."""
    gram = support @ support.mT + _RIDGE * torch.eye(support.shape[1], dtype=support.dtype, device=support.device)
    products = support @ target.unsqueeze(2)
    return torch.cholesky_solve(products, torch.linalg.cholesky(gram)).squeeze(2)


def oracle(
    bases: Tensor,
    dims: Sequence[int],
    active: int,
    *,
    bias: Tensor | None = None,
    solver: Solver = "tied",
    threshold: float = 0.0,
) -> TiedGroups:
    """The design that knows the subspaces.

    Parameters
    ----------
    bases : Tensor, shape (sum(dims), width)
        Stacked bases, the rows of each orthonormal.
    dims : sequence of int
        Dimension of each subspace.
    active : int
        Subspaces that fire in each row, at most.
    bias : Tensor, shape (width,), or None
        Constant part of the activations; 0 if None.
    solver : str
        ``tied`` or ``pursuit``, see the module.
    threshold : float
        Length that the projection on a subspace must exceed for it to fire.

    Raises
    ------
    ValueError
        If shapes do not fit together, a number is impossible, or a basis is not orthonormal.
    """
    check_activations(bases, 1)
    config = OracleConfig(width=bases.shape[1], dims=tuple(dims), active=active, solver=solver, threshold=threshold)
    if len(bases) != config.columns:
        raise ValueError(f"bases must have sum(dims) = {config.columns} rows, got {len(bases)}")
    for i, basis in enumerate(bases.split(config.dims)):
        off = float((basis @ basis.mT - torch.eye(len(basis), dtype=basis.dtype, device=basis.device)).abs().max())
        if off > _ORTHONORMAL:
            raise ValueError(f"the rows of basis {i} must be orthonormal, their products are off by {off:.2g}; use qr")
    return config.around(bases, bias)
