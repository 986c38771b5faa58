"""SoftSAE (arXiv 2605.06610): each token chooses its own number of active latents, through gates with gradients.

``z = ReLU((x - b_d) E' + b_e)``; a small network says how many latents the token needs,

    k_hat(x) = clamp(2 k sigmoid(v . ReLU((x - b_d) H' + h) + c), 1, m);

training multiplies z by the gates of :func:`~sasa_theory.designs.soft_topk.soft_topk` with budget k_hat and scale
alpha, which falls to almost 0, and adds ``w softplus_5(mean k_hat - k)``: the average budget alone is held, from above.
Inference, and the last steps of training, keep the floor(k_hat) largest latents as they are; the steps drop that
penalty, and k_hat learns no more.

The network has as many weights again as the encoder. While alpha is finite, latents at the edge of the budget are
halved, which inference does not do; as alpha falls, fewer and fewer latents tell k_hat where to go.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..config import AtomConfig, DesignConfig, set_real, set_whole, within
from ..contract import Loss, plain_loss
from ..kernels import Active, TopUnits, decode_active, encode_active
from ..presets import Preset
from ..ramp import ramp
from ..soft_topk import hard_topk, soft_topk
from .aux_k import AuxK, AuxKConfig

_SHARPNESS = 5.0  # of the softplus


@dataclass(frozen=True, kw_only=True)
class SoftConfig(DesignConfig):
    """Settings of designs that learn how many units each token needs.

    Attributes
    ----------
    budget_coefficient : float
        Weight w of the excess of the mean number of units.
    alpha_start, alpha_end : float
        Scale of the gates, in units of the scores, at the first step and from ``alpha_share`` on.
    alpha_share : float
        Share of the steps over which the scale falls linearly.
    hard_share : float
        Share of the steps, the last ones, that train the hard selection.
    """

    budget_coefficient: float = 1.0
    alpha_start: float = 1.0
    alpha_end: float = 1e-4
    alpha_share: float = 0.02
    hard_share: float = 0.08

    def __post_init__(self) -> None:
        super().__post_init__()
        set_real(self, "budget_coefficient")
        set_real(self, "alpha_start", "alpha_end", open_low=True)
        set_real(self, "alpha_share", "hard_share", high=1.0)


@dataclass(frozen=True, kw_only=True)
class SoftSAEConfig(SoftConfig, AuxKConfig, AtomConfig):
    """Settings of :class:`SoftSAE`.

    Attributes
    ----------
    k : int
        Active latents a token, on average, at most ``atoms``. A token may have twice as many.
    anneal : float
        Share of the steps over which k falls linearly from the width to its value; 0 for none.
    """

    kind = "softsae"

    k: int
    anneal: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        set_whole(self, "k")
        within("k", self.k, "atoms", self.atoms)
        set_real(self, "anneal", high=1.0)

    def build(self, generator: torch.Generator) -> SoftSAE:
        """A freshly initialised SoftSAE; ``H`` starts as a copy of the encoder."""
        return SoftSAE(self, generator)


class UnitCounter(nn.Module):
    """How many units a token needs: ``clamp(2 mean sigmoid(v . ReLU(u H' + h) + c), 1, units)`` for centred inputs u.

    Parameters
    ----------
    encoder : Tensor, shape (columns, width)
        H starts as a copy of it; h and c start at 0, v uniform in ``+-1 / sqrt(columns)``.
    units : int
        Number of units there are.
    generator : torch.Generator
        Supplies v.
    """

    def __init__(self, encoder: Tensor, units: int, generator: torch.Generator) -> None:
        super().__init__()
        columns = len(encoder)
        v = torch.rand(columns, generator=generator, device=generator.device)
        self.units = units
        self.weight, self.bias = nn.Parameter(encoder.detach().clone()), nn.Parameter(encoder.new_zeros(columns))
        self.read_out, self.offset = nn.Parameter((2 * v - 1) / columns**0.5), nn.Parameter(encoder.new_zeros(()))

    def forward(self, centred: Tensor, mean: float) -> Tensor:
        """Real numbers of units, shape (n,); ``mean`` is what an undecided network answers."""
        hidden = nn.functional.linear(centred, self.weight, self.bias).relu()
        return (2 * mean * torch.sigmoid(hidden @ self.read_out + self.offset)).clamp(1, self.units)

    def most(self, mean: float) -> int:
        """Largest whole number of units that a token can have."""
        return min(self.units, max(1, int(2 * mean)))


class SoftSchedule:
    """Where training stands: the scale of the gates, and whether the hard selection is trained."""

    def __init__(self, config: SoftConfig) -> None:
        self.config, self.alpha, self.hard = config, config.alpha_end, False

    def begin_step(self, step: int, steps: int) -> None:
        """Move to this step of ``steps``."""
        first, last = self.config.alpha_start, self.config.alpha_end
        self.alpha = last + (first - last) * (1 - ramp(step, steps, self.config.alpha_share))
        self.hard = step >= steps - round(self.config.hard_share * steps)


def excess(counts: Tensor, mean: float) -> Tensor:
    """``softplus_5(mean of the counts - mean)``: what the budget is exceeded by, smoothly 0 where it is not."""
    return nn.functional.softplus(counts.mean() - mean, beta=_SHARPNESS)


class SoftSAE(AuxK):
    """SoftSAE; see the module. :meth:`encode` is inference: the hard selection, in training too."""

    config: SoftSAEConfig
    budget_coefficient: Tensor

    def __init__(self, config: SoftSAEConfig, generator: torch.Generator) -> None:
        super().__init__(config, 1, generator, signed=False)
        self.counter = UnitCounter(self.encoder, config.atoms, generator)
        self.register_buffer("budget_coefficient", torch.tensor(config.budget_coefficient))
        self.schedule = SoftSchedule(config)
        self.k = float(config.k)

    def counts(self, x: Tensor) -> Tensor:
        """The real number k_hat of latents that each row asks for, shape (n,)."""
        counts: Tensor = self.counter(x - self.decoder_bias, self.k)
        return counts

    def activate(self, x: Tensor) -> Active:
        """The floor(k_hat) largest latents of each row, among zeros."""
        most = self.counter.most(self.k)
        active = encode_active(
            x, self.decoder_bias, self.encoder, self.encoder_bias, TopUnits(most, by="value"), self.gain
        )
        values = active.values.view(len(x), most).relu()
        scores = values if self.gain is None else values * self.gain[active.units].view(len(x), most)
        kept = hard_topk(scores.detach(), self.counts(x).floor())
        return active._replace(values=(values * kept).view(-1, 1))  # a product, so that NaN stays NaN

    def encode(self, x: Tensor) -> Tensor:
        """Codes with at most floor(k_hat) entries other than 0 a row, shape (n, atoms)."""
        return self.activate(x).dense(self.n_units)

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruction through the active latents alone, shape (n, width)."""
        return decode_active(self.activate(x), self.decoder) + self.decoder_bias

    def begin_step(self, step: int, steps: int) -> None:
        """Move along the schedules of k, alpha and the hard selection; look once whether any latent is dead."""
        super().begin_step(step, steps)
        self.schedule.begin_step(step, steps)
        start = max(self.config.k, min(self.width, self.columns))
        self.k = start + (self.config.k - start) * ramp(step, steps, self.config.anneal)

    def loss(self, x: Tensor, row_weight: Tensor | None = None) -> Loss:
        """``||x - x_hat||^2 + w softplus_5(mean k_hat - k) + alpha AuxK``, means over the batch.

        While gates are soft a latent counts as firing where its gate is at least half open.
        """
        penalties: dict[str, Tensor] = {}
        if self.schedule.hard:
            active = self.activate(x)
            x_hat = decode_active(active, self.decoder) + self.decoder_bias
            firings = self.firings_of(active, len(x))
        else:
            latents, counts = self.preactivations(x).relu(), self.counts(x)
            scores = latents if self.gain is None else latents * self.gain
            gates = soft_topk(scores, counts, scores.new_tensor(self.schedule.alpha))
            x_hat = self.decode(latents * gates)
            firings = self.firings(latents * (gates >= 0.5))
            penalties["budget"] = self.budget_coefficient * excess(counts, self.k)
        penalties |= self.auxiliary(x, x_hat, row_weight)
        return plain_loss(x, x_hat, penalties, **firings, row_weight=row_weight)

    @torch.no_grad()
    def absorb_scale(self, scale: float) -> None:
        """As every linear design; the network that counts goes on seeing ``scale * x``."""
        super().absorb_scale(scale)
        self.counter.weight.mul_(scale)


PRESETS = {
    "softsae": Preset(
        SoftSAEConfig,
        "a learned number of latents for each token; schedules of the language models: 2,500 steps for alpha, 10,000 "
        "hard ones, written as shares of 500 M tokens in batches of 4,096",
        "arXiv 2605.06610, language models",
    ),
    "softsae/clip": Preset(
        SoftSAEConfig,
        "as softsae with the settings for CLIP, of 40,000 steps: 1,000 for alpha, 1,600 for k, 6,000 hard ones",
        "arXiv 2605.06610, CLIP",
        {
            "alpha_share": 0.025,
            "anneal": 0.04,
            "hard_share": 0.15,
            "aux_coefficient": 0.1,
            "dead_after": 400_000,
        },
    ),
}
