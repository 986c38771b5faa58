"""SASA with as many groups as a token needs, where the original always takes s.

``sasa/afa`` carries top-AFA over to groups (:mod:`..atoms.top_afa`): of the ``active`` groups of largest
``||p_k||`` it keeps, by the length ``||p_k D_k||`` of what they add, the first ones that together are nearest to
``||x - b_d||``, as if orthogonal to each other; the loss adds ``lambda mean (length - ||x - b_d||)^2``. For orthonormal
rows ``||p_k D_k|| = ||p_k||``, blockwise without error; in general the length of the contribution is what rotating or
rescaling a group does not change.

``sasa/soft`` carries SoftSAE over (:mod:`..atoms.softsae`): a network asks for s_hat(x) groups, training
multiplies groups by gates of their norms, inference keeps the floor(s_hat) of largest norm.

Derived here from arXiv 2606.06333, 2503.24277 and 2605.06610; nobody has published either.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..atoms.softsae import SoftConfig, SoftSchedule, UnitCounter, excess
from ..atoms.top_afa import length_gaps, match_length
from ..config import set_real
from ..contract import Loss
from ..kernels import Active, TopUnits, decode_active, encode_active
from ..presets import Preset
from ..soft_topk import hard_topk, soft_topk
from .sasa import Sasa, SasaConfig


@dataclass(frozen=True, kw_only=True)
class SasaAFAConfig(SasaConfig):
    """Settings of :class:`SasaAFA`; ``active`` is the most groups that a token may have.

    Attributes
    ----------
    afa_coefficient : float
        Weight lambda of the squared difference of lengths.
    """

    kind = "sasa_afa"

    afa_coefficient: float = 1 / 32

    def __post_init__(self) -> None:
        super().__post_init__()
        set_real(self, "afa_coefficient")

    def build(self, generator: torch.Generator) -> SasaAFA:
        """A freshly initialised design."""
        return SasaAFA(self, generator)


@dataclass(frozen=True, kw_only=True)
class SoftSasaConfig(SoftConfig, SasaConfig):
    """Settings of :class:`SoftSasa`; a token has ``active`` groups on average, at most twice as many."""

    kind = "soft_sasa"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.balance:
            raise ValueError(f"balance must be 0 where gates choose the groups, got {self.balance:g}")

    def build(self, generator: torch.Generator) -> SoftSasa:
        """A freshly initialised design."""
        return SoftSasa(self, generator)


class SasaAFA(Sasa):
    """Groups until their contributions are as long as the input; see the module."""

    config: SasaAFAConfig
    afa_coefficient: Tensor

    def __init__(self, config: SasaAFAConfig, generator: torch.Generator) -> None:
        super().__init__(config, generator)
        self.register_buffer("afa_coefficient", torch.tensor(config.afa_coefficient))

    def activate(self, x: Tensor) -> Active:
        """The groups kept of each row, among zeros."""
        active = super().activate(x)
        lengths = self._lengths(active, len(x)).detach()
        kept = match_length(lengths, (x - self.decoder_bias).norm(dim=-1).detach())
        return active._replace(values=torch.where(kept.view(-1, 1), active.values, 0.0))

    def loss(self, x: Tensor, row_weight: Tensor | None = None) -> Loss:
        """SASA's loss and the difference of lengths, means over the batch."""
        active = self.activate(x)
        x_hat = decode_active(active, self.decoder) + self.decoder_bias
        target = (x - self.decoder_bias).norm(dim=-1).detach()
        gaps = length_gaps(self._lengths(active, len(x)), target, row_weight)
        penalties = {"afa": self.afa_coefficient * gaps}
        return self.loss_of(x, x_hat, penalties, self.firings_of(active, len(x)), row_weight)

    def _lengths(self, active: Active, rows: int) -> Tensor:
        """``||p_k D_k||`` of the active groups, shape (rows, active)."""
        blocks = self.decoder.unflatten(-2, (-1, self.rank))
        grams = (blocks @ blocks.mT)[active.units]  # p G p' is the square, in rank numbers
        squares = ((active.values.unsqueeze(-2) @ grams).squeeze(-2) * active.values).sum(dim=-1)
        silent = squares <= 0  # rounding may take it below; the root has no derivative there
        return torch.where(silent, 0.0, torch.where(silent, 1.0, squares).sqrt()).view(rows, self.config.active)


class SoftSasa(Sasa):
    """A learned number of groups; see the module. :meth:`encode` is inference: the hard selection, in training too."""

    config: SoftSasaConfig
    budget_coefficient: Tensor

    def __init__(self, config: SoftSasaConfig, generator: torch.Generator) -> None:
        super().__init__(config, generator)
        self.counter = UnitCounter(self.encoder, config.groups, generator)
        self.register_buffer("budget_coefficient", torch.tensor(config.budget_coefficient))
        self.schedule = SoftSchedule(config)

    def counts(self, x: Tensor) -> Tensor:
        """The real number s_hat of groups that each row asks for, shape (n,)."""
        counts: Tensor = self.counter(x - self.decoder_bias, self.config.active)
        return counts

    def activate(self, x: Tensor) -> Active:
        """The floor(s_hat) groups of largest norm of each row, among zeros."""
        rule = TopUnits(self.counter.most(self.config.active), self.rank)
        active = encode_active(x, self.decoder_bias, self.encoder, self.encoder_bias, rule)
        norms = active.values.detach().norm(dim=-1).view(len(x), rule.count)
        kept = hard_topk(norms, self.counts(x).floor())
        return active._replace(values=active.values * kept.view(-1, 1))  # a product, so that NaN stays NaN

    def begin_step(self, step: int, steps: int) -> None:
        """As SASA; move along the schedules of alpha and the hard selection."""
        super().begin_step(step, steps)
        self.schedule.begin_step(step, steps)

    def loss(self, x: Tensor, row_weight: Tensor | None = None) -> Loss:
        """SASA's loss through the gates, and ``w softplus_5(mean s_hat - s)``; means over the batch.

        While gates are soft a group counts as firing where its gate is at least half open.
        """
        if self.schedule.hard:
            return super().loss(x, row_weight)
        p, counts = self.preactivations(x).unflatten(-1, (-1, self.rank)), self.counts(x)
        norms = p.norm(dim=-1)
        gates = soft_topk(norms, counts, norms.new_tensor(self.schedule.alpha)).unsqueeze(-1)
        penalties = {"budget": self.budget_coefficient * excess(counts, self.config.active)}
        firings = self.firings((p * (gates >= 0.5)).flatten(1))
        return self.loss_of(x, self.decode((p * gates).flatten(1)), penalties, firings, row_weight)

    @torch.no_grad()
    def absorb_scale(self, scale: float) -> None:
        """As every linear design; the network that counts goes on seeing ``scale * x``."""
        super().absorb_scale(scale)
        self.counter.weight.mul_(scale)


PRESETS = {
    "sasa/afa": Preset(
        SasaAFAConfig,
        "SASA with groups until their contributions are as long as the input; `active` is the most a token may have",
        "arXiv 2606.06333 and 2503.24277, combined here",
    ),
    "sasa/soft": Preset(
        SoftSasaConfig,
        "SASA with a learned number of groups for each token; `active` on average",
        "arXiv 2606.06333 and 2605.06610, combined here",
    ),
}
