"""Matryoshka BatchTopK (arXiv 2503.17547): the first latents must reconstruct alone, so that the general come first.

One BatchTopK selection over all latents; prefixes ``m_1 < ... < m_P = m`` of them reconstruct
``x_hat_p = z[:m_p] D[:m_p] + b_d``. Loss: mean or sum over p of ``||x - x_hat_p||^2``, plus alpha AuxK of the last.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

import torch
from torch import Tensor

from sasa_theory.bounds.validate import choice, real

from ..contract import Loss, plain_loss
from ..kernels import decode_active
from ..presets import Preset
from .aux_k import SAELENS
from .batch_topk import BatchTopK, BatchTopKConfig

Reduction = Literal["mean", "sum"]


@dataclass(frozen=True, kw_only=True)
class MatryoshkaConfig(BatchTopKConfig):
    """Settings of :class:`Matryoshka`.

    Attributes
    ----------
    prefixes : tuple of float
        Shares of the latents in each prefix, rising to 1. Sizes are rounded; those that fall together count once.
    reduction : str
        ``mean`` or ``sum`` of the prefixes' errors.
    """

    kind = "matryoshka"

    prefixes: tuple[float, ...] = (1 / 32, 3 / 32, 7 / 32, 15 / 32, 1.0)
    reduction: Reduction = "mean"

    def __post_init__(self) -> None:
        super().__post_init__()
        choice("reduction", self.reduction, get_args(Reduction))
        shares = tuple(float(share) for share in real("prefixes", self.prefixes, 0, 1, open_low=True).ravel())
        if not shares or shares[-1] != 1 or any(low >= high for low, high in pairwise(shares)):
            nearest = (*sorted({share for share in shares if share < 1}), 1.0)
            raise ValueError(f"prefixes must rise and end with 1, got {shares}; the nearest possible are {nearest}")
        object.__setattr__(self, "prefixes", shares)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Latents in each prefix, rising to ``atoms``."""
        return tuple(sorted({max(1, round(share * self.atoms)) for share in self.prefixes}))

    def build(self, generator: torch.Generator) -> Matryoshka:
        """A freshly initialised Matryoshka BatchTopK."""
        return Matryoshka(self, generator, self.k)


class Matryoshka(BatchTopK):
    """BatchTopK with nested reconstructions; see the module."""

    config: MatryoshkaConfig

    def loss(self, x: Tensor, row_weight: Tensor | None = None) -> Loss:
        """Errors of the prefixes, the whole one as ``reconstruction`` and the others as ``prefixes``, and AuxK."""
        active = self.activate(x)
        sizes = self.config.sizes
        share = 1 / len(sizes) if self.config.reduction == "mean" else 1.0
        weight = x.new_ones(len(x)) if row_weight is None else row_weight
        x_hat: Tensor = self.decoder_bias
        shorter = x.new_zeros(())
        for low, high in pairwise((0, *sizes)):
            inside = ((active.units >= low) & (active.units < high)).unsqueeze(-1)
            x_hat = x_hat + decode_active(active._replace(values=active.values * inside), self.decoder)
            if high < self.columns:
                shorter = shorter + (weight * (x_hat - x).square().sum(dim=-1)).mean()
        penalties = {"prefixes": share * shorter} | self.auxiliary(x, x_hat, row_weight)
        loss = plain_loss(x, x_hat, penalties, **self.firings_of(active, len(x)), row_weight=share * weight)
        return self.with_threshold(loss, active)


PRESETS = {
    "matryoshka": Preset(
        MatryoshkaConfig, "BatchTopK whose first 1/32, 3/32, ... of the latents reconstruct alone", "arXiv 2503.17547"
    ),
    "matryoshka/saelens": Preset(
        MatryoshkaConfig,
        "sum of the prefixes' errors, free decoder rows; differs: AuxK without the decoder's bias",
        "SAELens 6, architecture `matryoshka_batchtopk`",
        {**SAELENS, "reduction": "sum"},
    ),
    "matryoshka/quarters": Preset(
        MatryoshkaConfig,
        "four equal parts: weakens the method, which needs prefixes far smaller than the whole",
        "arXiv 2606.06333, matched-budget sweep",
        {"prefixes": (0.25, 0.5, 0.75, 1.0)},
    ),
}
