"""TopK (arXiv 2406.04093): the k largest latents of each token, and an auxiliary loss for the dead ones (AuxK).

``z = ReLU(k largest of (x - b_d) E' + b_e)``; loss ``||x - x_hat||^2 + alpha AuxK`` with ``AuxK`` the error of the best
dead latents at explaining the residual, relative to the residual's variance. Decoder rows have norm 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .config import AtomConfig, set_real, set_whole, within
from .contract import Loss, plain_loss
from .kernels import Active, TopUnits, decode_active, encode_active
from .linear import LinearDesign
from .presets import Preset
from .revival import explain_residual, normalised_error


@dataclass(frozen=True, kw_only=True)
class TopKConfig(AtomConfig):
    """Settings of :class:`TopK`.

    Attributes
    ----------
    k : int
        Active latents a token, at most ``atoms``.
    signed : bool
        Rank by magnitude and keep the sign (AbsTopK), where the original rectifies.
    aux_coefficient : float
        Weight alpha of AuxK.
    aux_count : int or None
        Dead latents that may explain a token's residual; half the width if None.
    dead_after : int
        Tokens without firing after which a latent counts as dead.
    anneal : float
        Share of the steps over which k falls linearly from the width to its value; 0 for none.
    """

    kind = "topk"

    k: int
    signed: bool = False
    aux_coefficient: float = 1 / 32
    aux_count: int | None = None
    dead_after: int = 10_000_000
    anneal: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        set_whole(self, "k", "dead_after")
        within("k", self.k, "atoms", self.atoms)
        set_real(self, "aux_coefficient")
        set_real(self, "anneal", high=1.0)
        if self.aux_count is not None:
            set_whole(self, "aux_count")

    def build(self, generator: torch.Generator) -> TopK:
        """A freshly initialised TopK."""
        return TopK(self, generator)


class TopK(LinearDesign):
    """TopK with AuxK; see the module."""

    config: TopKConfig
    aux_coefficient: Tensor

    def __init__(self, config: TopKConfig, generator: torch.Generator) -> None:
        super().__init__(config, 1, generator, constraint="unit")
        self.register_buffer("aux_coefficient", torch.tensor(config.aux_coefficient))
        self.k = config.k
        self._revive = False

    def activate(self, x: Tensor) -> Active:
        """The active latents of each row."""
        rule = TopUnits(self.k, by="norm" if self.config.signed else "value")
        active = encode_active(x, self.decoder_bias, self.encoder, self.encoder_bias, rule)
        return active if self.config.signed else active._replace(values=active.values.relu())

    def encode(self, x: Tensor) -> Tensor:
        """Codes with at most k entries other than 0 a row, shape (n, atoms)."""
        return self.activate(x).dense(self.n_units)

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruction through the active latents alone, shape (n, width)."""
        return decode_active(self.activate(x), self.decoder) + self.decoder_bias

    def begin_step(self, step: int, steps: int) -> None:
        """Anneal k; look once whether any latent is dead."""
        self._revive = bool((self.idle >= self.config.dead_after).any())
        if self.config.anneal:
            done = min(1.0, step / (self.config.anneal * steps))
            start = min(self.width, self.columns)
            self.k = round(start + (self.config.k - start) * done) if start > self.config.k else self.config.k

    def loss(self, x: Tensor) -> Loss:
        """``||x - x_hat||^2 + alpha AuxK``, means over the batch."""
        active = self.activate(x)
        x_hat = decode_active(active, self.decoder) + self.decoder_bias
        penalties = {}
        if self._revive:
            residual, dead = (x - x_hat).detach(), self.idle >= self.config.dead_after
            count = self.config.aux_count or max(1, self.width // 2)
            explained = explain_residual(self, x, self.decoder_bias, dead, count, signed=self.config.signed)
            penalties["auxiliary"] = self.aux_coefficient * normalised_error(residual, explained)
        return plain_loss(x, x_hat, penalties, **self.firings_of(active, len(x)))


PRESETS = {
    "topk": Preset(TopKConfig, "k largest latents a token, with AuxK", "arXiv 2406.04093"),
    "topk/signed": Preset(
        TopKConfig,
        "k latents largest in magnitude, signs kept: the ungrouped control of SASA",
        "arXiv 2606.06333, synthetic control",
        {"signed": True},
    ),
}
