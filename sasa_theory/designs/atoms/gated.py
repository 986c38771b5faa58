"""Gated SAE (arXiv 2404.16014): one half of the encoder decides which latents fire, the other how much.

With ``u = (x - b_d) E'``: gate ``pi = u + b_gate``, codes ``f = 1[pi > 0] ReLU(exp(r) u + b_mag)``. Loss
``||x - x_hat||^2 + lambda sum_j ReLU(pi_j) ||d_j|| + ||x - (ReLU(pi) D + b_d)||^2`` where D and b_d of the last term,
which gives the gate its only gradient beside the penalty, are held fixed.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..contract import Loss, plain_loss
from ..presets import Preset
from .decoder_norms import contributions
from .penalised import Penalised, PenalisedConfig


@dataclass(frozen=True, kw_only=True)
class GatedConfig(PenalisedConfig):
    """Settings of :class:`Gated`.

    Attributes
    ----------
    fixed_auxiliary : bool
        Whether the last term of the loss holds the decoder fixed. Where it does not, the shrunken codes of the gate
        train the decoder too, which is the shrinkage that the design is meant to remove.
    """

    kind = "gated"

    fixed_auxiliary: bool = True

    def build(self, generator: torch.Generator) -> Gated:
        """A freshly initialised gated SAE."""
        return Gated(self, generator)


class Gated(Penalised):
    """Gated SAE; see the module. ``encoder_bias`` is the gate's bias."""

    config: GatedConfig
    encoder_bias: nn.Parameter

    def __init__(self, config: GatedConfig, generator: torch.Generator) -> None:
        super().__init__(config, generator)
        self.log_gain = nn.Parameter(torch.zeros_like(self.encoder_bias))
        self.magnitude_bias = nn.Parameter(torch.zeros_like(self.encoder_bias))

    def gate_and_codes(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Gate ``pi`` and codes, each of shape (n, atoms)."""
        gate = self.preactivations(x)
        magnitude = (self.log_gain.exp() * (gate - self.encoder_bias) + self.magnitude_bias).relu()
        return gate, magnitude * (gate > 0)

    def encode(self, x: Tensor) -> Tensor:
        """Codes >= 0, shape (n, atoms)."""
        return self.gate_and_codes(x)[1]

    def loss(self, x: Tensor, row_weight: Tensor | None = None) -> Loss:
        """Error, weighted L1 of the open gates and the gate's own error, means over the batch."""
        gate, codes = self.gate_and_codes(x)
        opened = gate.relu()
        fixed = self.config.fixed_auxiliary
        decoder = self.decoder.detach() if fixed else self.decoder
        bias = self.decoder_bias.detach() if fixed else self.decoder_bias
        gate_errors = (opened @ decoder + bias - x).square().sum(dim=-1)
        penalties = {
            "sparsity": self.coefficient * contributions(self, opened).sum(dim=-1).mean(),
            "auxiliary": (gate_errors if row_weight is None else row_weight * gate_errors).mean(),
        }
        return plain_loss(x, self.decode(codes), penalties, **self.firings(codes), row_weight=row_weight)

    def fresh_entries(self) -> dict[str, Tensor | float]:
        """As of every linear design; gain and bias of the magnitude start at 0 too."""
        return {**super().fresh_entries(), "log_gain": 0.0, "magnitude_bias": 0.0}

    @torch.no_grad()
    def absorb_scale(self, scale: float) -> None:
        """Turn a design trained on ``scale * x`` into the equal one for ``x``; the magnitudes have a bias too."""
        super().absorb_scale(scale)
        self.magnitude_bias.div_(scale)


PRESETS = {
    "gated": Preset(GatedConfig, "gate and magnitude apart, decoder rows of norm 1", "arXiv 2404.16014"),
    "gated/saelens": Preset(
        GatedConfig,
        "free decoder rows that weight the L1; differs from the paper: the gate's error trains the decoder too",
        "SAELens 6, architecture `gated`",
        {"constraint": "free", "initial_norm": 0.1, "warmup": 0.0, "fixed_auxiliary": False},
    ),
}
