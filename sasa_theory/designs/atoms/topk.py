"""TopK (arXiv 2406.04093): the k largest latents of each token, and an auxiliary loss for the dead ones (AuxK).

``z = ReLU(k largest of (x - b_d) E' + b_e)``; loss ``||x - x_hat||^2 + alpha AuxK``, see :mod:`.aux_k`. Decoder rows
have norm 1, or are free and latents are ranked by ``u_j ||d_j||``.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..config import AtomConfig, set_real, set_whole, within
from ..contract import Loss, plain_loss
from ..kernels import Active, TopUnits, decode_active, encode_active
from ..presets import Preset
from ..ramp import ramp
from ..revival import spread
from .aux_k import SAELENS, AuxK, AuxKConfig

_MORE = 4  # the second reconstruction of multi-TopK has this many times k latents


@dataclass(frozen=True, kw_only=True)
class TopKConfig(AtomConfig, AuxKConfig):
    """Settings of :class:`TopK`.

    Attributes
    ----------
    k : int
        Active latents a token, at most ``atoms``.
    signed : bool
        Rank by magnitude and keep the sign (AbsTopK), where the original rectifies.
    anneal : float
        Share of the steps over which k falls linearly from the width to its value; 0 for none.
    relative : bool
        Divide squared errors by the batch's variance: the fraction of variance unexplained.
    multi : float
        Weight of the error of a second reconstruction by the 4k largest latents, 1/8 in the source; 0 for none. It
        keeps the design useful at other numbers of latents than k.
    screen : bool
        Look through the latents in 8-bit whole numbers first, faster where there are many: the same latents fire, but
        for scores closer than :data:`~sasa_theory.designs.kernels.SCREEN_TOLERANCE` of the product of the norms.
    """

    kind = "topk"

    k: int
    signed: bool = False
    anneal: float = 0.0
    relative: bool = False
    multi: float = 0.0
    screen: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        set_whole(self, "k")
        within("k", self.k, "atoms", self.atoms)
        set_real(self, "anneal", high=1.0)
        set_real(self, "multi")

    def build(self, generator: torch.Generator) -> TopK:
        """A freshly initialised TopK."""
        return TopK(self, generator)


class TopK(AuxK):
    """TopK with AuxK; see the module."""

    config: TopKConfig
    multi: Tensor

    def __init__(self, config: TopKConfig, generator: torch.Generator) -> None:
        super().__init__(config, 1, generator, signed=config.signed)
        self.register_buffer("multi", torch.tensor(config.multi))
        self.k = config.k

    def activate(self, x: Tensor, more: int = 1) -> Active:
        """The active latents of each row: k, or ``more`` times as many."""
        kept = min(more * self.k, self.columns)
        rule = TopUnits(kept, by="norm" if self.signed else "value", screen=self.config.screen)
        active = encode_active(x, self.decoder_bias, self.encoder, self.encoder_bias, rule, self.gain)
        return active if self.signed else active._replace(values=active.values.relu())

    def encode(self, x: Tensor) -> Tensor:
        """Codes with at most k entries other than 0 a row, shape (n, atoms)."""
        return self.activate(x).dense(self.n_units)

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruction through the active latents alone, shape (n, width)."""
        return decode_active(self.activate(x), self.decoder) + self.decoder_bias

    def begin_step(self, step: int, steps: int) -> None:
        """Anneal k; look once whether any latent is dead."""
        super().begin_step(step, steps)
        start = max(self.config.k, min(self.width, self.columns))
        self.k = round(start + (self.config.k - start) * ramp(step, steps, self.config.anneal))

    @property
    def takes_members(self) -> bool:
        """Where the loss is the squared error alone."""
        return not (self._revive or self.config.relative or self.config.multi)

    def loss(self, x: Tensor, row_weight: Tensor | None = None) -> Loss:
        """``||x - x_hat||^2 + alpha AuxK``, means over the batch."""
        active = self.activate(x)
        x_hat = decode_active(active, self.decoder) + self.decoder_bias.unsqueeze(-2)
        weight = self._relative(x, row_weight) if self.config.relative else row_weight
        penalties = self.auxiliary(x, x_hat, row_weight)
        if self.config.multi:
            errors = (decode_active(self.activate(x, _MORE), self.decoder) + self.decoder_bias - x).square().sum(dim=-1)
            penalties["multi"] = self.multi * (errors if weight is None else weight * errors).mean()
        return plain_loss(x, x_hat, penalties, **self.firings_of(active, len(x)), row_weight=weight)

    def _relative(self, x: Tensor, row_weight: Tensor | None) -> Tensor:
        if row_weight is None:
            return len(x) / spread(x)
        return row_weight * len(x) / spread(x * row_weight.sqrt().unsqueeze(-1))


PRESETS = {
    "topk": Preset(TopKConfig, "k largest latents a token, with AuxK", "arXiv 2406.04093"),
    "topk/openai": Preset(
        TopKConfig,
        "as topk, error relative to the batch's variance, 512 latents in AuxK",
        "arXiv 2406.04093, appendix A",
        {"relative": True, "aux_count": 512},
    ),
    "topk/multi": Preset(
        TopKConfig,
        "as topk/openai, with a second reconstruction by 4k latents",
        "arXiv 2406.04093, Multi-TopK",
        {"relative": True, "aux_count": 512, "multi": 1 / 8},
    ),
    "topk/sparsify": Preset(
        TopKConfig,
        "fraction of variance unexplained and nothing else: dead latents stay dead",
        "EleutherAI sparsify",
        {"relative": True, "aux_coefficient": 0.0},
    ),
    "topk/saelens": Preset(
        TopKConfig,
        "free decoder rows, ranked by u_j ||d_j||, AuxK not relative; differs: AuxK without the decoder's bias",
        "SAELens 6, architecture `topk`",
        SAELENS,
    ),
    "topk/signed": Preset(
        TopKConfig,
        "k latents largest in magnitude, signs kept: the ungrouped control of SASA",
        "arXiv 2606.06333, synthetic control",
        {"signed": True},
    ),
}
