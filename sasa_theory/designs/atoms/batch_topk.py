"""BatchTopK (arXiv 2412.06410): the ``k n`` largest latents of a batch of n tokens, so that hard tokens may use more.

In training ``z`` keeps the k n largest of the batch's ``ReLU((x - b_d) E' + b_e)``: L0 is k on average. In evaluation
(:meth:`torch.nn.Module.eval`) each token stands alone: a latent fires above one threshold, the running mean of the
batches' smallest positive kept value, and L0 is k only as far as the data resemble the training batches. Measure L0 in
both modes. Loss ``||x - x_hat||^2 + alpha AuxK``, see :mod:`.aux_k`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..config import AtomConfig, set_real, set_whole, within
from ..contract import Loss, plain_loss
from ..kernels import Active, TopUnits, decode_active, encode_active
from ..presets import Preset
from .aux_k import SAELENS, AuxK, AuxKConfig


@dataclass(frozen=True, kw_only=True)
class ThresholdConfig(AuxKConfig):
    """Settings of a design that selects in the batch and evaluates by a threshold.

    Attributes
    ----------
    threshold_rate : float
        Share of the way that the running threshold goes to each batch's: it remembers about ``1 / threshold_rate``
        batches. The first batch sets it.
    """

    threshold_rate: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        set_real(self, "threshold_rate", high=1.0, open_low=True)


@dataclass(frozen=True, kw_only=True)
class BatchTopKConfig(AtomConfig, ThresholdConfig):
    """Settings of :class:`BatchTopK` for single latents.

    Attributes
    ----------
    k : int
        Active latents a token on average, at most ``atoms``.
    """

    kind = "batch_topk"

    k: int

    def __post_init__(self) -> None:
        super().__post_init__()
        set_whole(self, "k")
        within("k", self.k, "atoms", self.atoms)

    def build(self, generator: torch.Generator) -> BatchTopK:
        """A freshly initialised BatchTopK."""
        return BatchTopK(self, generator, self.k)


class BatchTopK(AuxK):
    """BatchTopK of latents, or of groups by their norm; see the module.

    The loss notes ``threshold``, the batch's smallest positive score kept, infinite if there is none; :meth:`end_step`
    averages it. Until a batch has set it the threshold is 0: in evaluation every positive latent fires.

    Parameters
    ----------
    config : ThresholdConfig
        What the design was built from.
    generator : torch.Generator
        Supplies the initial weights.
    count : int
        Active units a token on average.
    rank : int
        Columns of a unit. Those of one column are ranked by value and rectified, larger ones by norm and signed.
    """

    batch_dependent = True

    config: ThresholdConfig
    threshold: Tensor

    def __init__(self, config: ThresholdConfig, generator: torch.Generator, count: int, rank: int = 1) -> None:
        super().__init__(config, rank, generator, signed=rank > 1)
        self.count = count
        self.register_buffer("threshold", torch.tensor(0.0))

    def activate(self, x: Tensor) -> Active:
        """The active units of each row, in the present mode."""
        if not self.training:
            return Active.of(self._above_threshold(x), self.rank)
        rule = TopUnits(self.count, self.rank, "norm" if self.signed else "value", over="batch")
        active = encode_active(x, self.decoder_bias, self.encoder, self.encoder_bias, rule, self.gain)
        return active if self.signed else active._replace(values=active.values.relu())

    def encode(self, x: Tensor) -> Tensor:
        """Codes, shape (n, columns). In training mode a row's codes depend on the other rows."""
        return self.activate(x).dense(self.n_units) if self.training else self._above_threshold(x)

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruction in the present mode, shape (n, width)."""
        if not self.training:
            return self.decode(self._above_threshold(x))
        return decode_active(self.activate(x), self.decoder) + self.decoder_bias

    def loss(self, x: Tensor, row_weight: Tensor | None = None) -> Loss:
        """``||x - x_hat||^2 + alpha AuxK``, means over the batch."""
        active = self.activate(x)
        x_hat = decode_active(active, self.decoder) + self.decoder_bias
        penalties = self.auxiliary(x, x_hat, row_weight)
        loss = plain_loss(x, x_hat, penalties, **self.firings_of(active, len(x)), row_weight=row_weight)
        return self.with_threshold(loss, active)

    def with_threshold(self, loss: Loss, active: Active) -> Loss:
        """The loss with ``threshold`` noted, see the class."""
        scores = self._scores(active.values.detach(), active.units)
        smallest = torch.where(scores > 0, scores, torch.inf).amin()
        return loss._replace(noted={"threshold": smallest})

    def end_step(self, loss: Loss, rows: int) -> None:
        """Besides the usual, move the running threshold towards the batch's."""
        super().end_step(loss, rows)
        batch = loss.noted["threshold"]
        moved = torch.where(self.threshold > 0, self.threshold.lerp(batch, self.config.threshold_rate), batch)
        self.threshold.copy_(torch.where(batch.isfinite(), moved, self.threshold))

    @torch.no_grad()
    def absorb_scale(self, scale: float) -> None:
        """Turn a design trained on ``scale * x`` into the equal one for ``x``; the threshold shrinks too."""
        super().absorb_scale(scale)
        self.threshold.div_(scale)

    def _scores(self, values: Tensor, units: Tensor | None = None) -> Tensor:
        """Scores of units, from their columns in the last dimension; ``units`` names them, all in order if None."""
        scores = values.norm(dim=-1) if self.signed else values.squeeze(-1)
        if self.gain is None:
            return scores
        return scores * (self.gain if units is None else self.gain[units])

    def _above_threshold(self, x: Tensor) -> Tensor:
        u = self.preactivations(x).unflatten(-1, (-1, self.rank))
        return (u * (self._scores(u) > self.threshold).unsqueeze(-1)).flatten(-2)


PRESETS = {
    "batch-topk": Preset(
        BatchTopKConfig,
        "k latents a token on average, a threshold in evaluation; differs: it is averaged from the first step",
        "arXiv 2412.06410",
    ),
    "batch-topk/saelens": Preset(
        BatchTopKConfig,
        "free decoder rows, ranked by u_j ||d_j||, AuxK not relative; differs: AuxK without the decoder's bias",
        "SAELens 6, architecture `batchtopk`",
        SAELENS,
    ),
}
