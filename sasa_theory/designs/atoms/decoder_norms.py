"""Who keeps the scale of a latent: rows of norm 1, or free rows whose norm counts wherever codes are compared.

Codes divided by c and rows multiplied by c give the same reconstruction. A penalty on free codes would therefore fall
for nothing as codes shrink and rows grow; it is impossible to ask for one here: where rows are free, ``||d_j||``
multiplies the code in every penalty and in every ranking.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from torch import Tensor

from sasa_theory.bounds.validate import choice

from ..config import DesignConfig, set_real
from ..linear import Constraint, LinearDesign


@dataclass(frozen=True, kw_only=True)
class NormsConfig(DesignConfig):
    """How long decoder rows are.

    Attributes
    ----------
    constraint : str
        ``unit``: rows keep norm 1; ``free``: they do not, and codes count with the norm of their row.
    initial_norm : float
        Norm of the rows at the start; 1 if they keep it.
    """

    constraint: Constraint = "unit"
    initial_norm: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        choice("constraint", self.constraint, get_args(Constraint))
        set_real(self, "initial_norm", open_low=True)
        if self.constraint == "unit" and self.initial_norm != 1:
            raise ValueError(
                f"initial_norm must be 1 where constraint is 'unit', got {self.initial_norm:g}; "
                "the nearest possible are 1, or constraint='free'"
            )


def row_norms(design: LinearDesign) -> Tensor | None:
    """``||d_j||`` of every decoder row, shape (columns,); None where the rows keep norm 1."""
    return None if design.constraint == "unit" else design.decoder.norm(dim=-1)


def contributions(design: LinearDesign, codes: Tensor) -> Tensor:
    """``f_j ||d_j||``: codes as long as what they add to the reconstruction, shape (n, columns)."""
    norms = row_norms(design)
    return codes if norms is None else codes * norms
