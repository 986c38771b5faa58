"""The ReLU SAE with an L1 penalty: ``f = ReLU((x - b_d) E' + b_e)`` (Bricken et al., Towards Monosemanticity, 2023).

Loss ``||x - x_hat||^2 + lambda (sum_j (f_j ||d_j||)^p)^(1/p)``, p = 1 unless told; with unit rows that is plain L1.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..config import set_real
from ..contract import Loss, plain_loss
from ..presets import Preset
from .decoder_norms import contributions
from .penalised import Penalised, PenalisedConfig


@dataclass(frozen=True, kw_only=True)
class ReLUConfig(PenalisedConfig):
    """Settings of :class:`ReLU`.

    Attributes
    ----------
    power : float
        Exponent p > 0 of the penalty.
    """

    kind = "relu"

    power: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        set_real(self, "power", open_low=True)

    def build(self, generator: torch.Generator) -> ReLU:
        """A freshly initialised ReLU SAE."""
        return ReLU(self, generator)


class ReLU(Penalised):
    """ReLU and L1; see the module."""

    config: ReLUConfig

    def encode(self, x: Tensor) -> Tensor:
        """Codes >= 0, shape (n, atoms)."""
        return self.preactivations(x).relu()

    def loss(self, x: Tensor, row_weight: Tensor | None = None) -> Loss:
        """``||x - x_hat||^2 + lambda (sum_j (f_j ||d_j||)^p)^(1/p)``, means over the batch."""
        codes = self.encode(x)
        norm = torch.linalg.vector_norm(contributions(self, codes), self.config.power, dim=-1)
        penalties = {"sparsity": self.coefficient * norm.mean()}
        return plain_loss(x, self.decode(codes), penalties, **self.firings(codes), row_weight=row_weight)


PRESETS = {
    "relu": Preset(ReLUConfig, "ReLU and L1, decoder rows of norm 1", "Anthropic, Towards Monosemanticity, 2023"),
    "relu/april": Preset(
        ReLUConfig,
        "ReLU and L1 weighted by the norms of free decoder rows, which start small",
        "Anthropic, Circuits Updates, April 2024",
        {"constraint": "free", "initial_norm": 0.1},
    ),
    "relu/saelens": Preset(
        ReLUConfig,
        "as relu/april but without warm-up; the exponent of the penalty may be set by `power`",
        "SAELens 6, architecture `standard`",
        {"constraint": "free", "initial_norm": 0.1, "warmup": 0.0},
    ),
}
