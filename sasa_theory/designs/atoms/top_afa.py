"""top-AFA (arXiv 2503.24277): as many latents as it takes for the code to be as long as the input.

``a = ReLU((x - b_d) E')``. Atoms of norm 1 that hardly overlap make codes about as long as what they add up to
(approximate feature activation), so of the latents in descending order the first k are kept for which

    sqrt(sum_{j <= k} a_(j)^2)    is nearest to    ||x - b_d||,

k >= 1; gradients run through the values kept. There is no k to set. The loss adds what remains of the difference,

    ||x - x_hat||^2 + width (lambda mean (||f|| - ||x - b_d||)^2 + alpha AuxK),

f being the kept values: ``width`` times the source's loss, whose errors are means over the width. Lengths to be met are
held fixed: the code follows the input, not b_d the code. Selection and loss want the same length here; the source's
code selects for ``||x - b_d||`` and penalises the distance from ``||x||``.

The more the atoms that fire together overlap, the more latents, or the fewer, are kept than the input needs: overlaps
of positive sign make codes shorter than inputs. Cost: the latents of every row are sorted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from sasa_theory.bounds.validate import choice

from ..config import AtomConfig, set_real
from ..contract import Loss, plain_loss
from ..presets import Preset
from .aux_k import AuxK, AuxKConfig
from .decoder_norms import contributions

LossTarget = Literal["centred", "raw"]


@dataclass(frozen=True, kw_only=True)
class TopAFAConfig(AuxKConfig, AtomConfig):
    """Settings of :class:`TopAFA`.

    Attributes
    ----------
    afa_coefficient : float
        Weight lambda of the squared difference of lengths.
    loss_target : str
        Length that the loss asks of codes: ``centred``, that of ``x - b_d``, as the selection does; ``raw``, that of x.
    """

    kind = "top_afa"

    afa_coefficient: float = 1 / 32
    loss_target: LossTarget = "centred"

    def __post_init__(self) -> None:
        super().__post_init__()
        set_real(self, "afa_coefficient")
        choice("loss_target", self.loss_target, get_args(LossTarget))

    def build(self, generator: torch.Generator) -> TopAFA:
        """A freshly initialised top-AFA."""
        return TopAFA(self, generator)


class TopAFA(AuxK):
    """top-AFA; see the module. Where decoder rows are free, latents count with the norm of their row."""

    config: TopAFAConfig
    afa_coefficient: Tensor

    def __init__(self, config: TopAFAConfig, generator: torch.Generator) -> None:
        super().__init__(config, 1, generator, signed=False)
        self.encoder_bias = None
        self.register_buffer("afa_coefficient", torch.tensor(config.afa_coefficient))

    def encode(self, x: Tensor) -> Tensor:
        """Codes as long as their input, as far as whole latents allow, shape (n, atoms)."""
        latents = self.preactivations(x).relu()
        length = (x - self.decoder_bias).norm(dim=-1)
        return torch.where(match_length(contributions(self, latents).detach(), length.detach()), latents, 0.0)

    def loss(self, x: Tensor, row_weight: Tensor | None = None) -> Loss:
        """Squared error, difference of lengths and AuxK, means over the batch."""
        codes = self.encode(x)
        x_hat = self.decode(codes)
        target = (x - self.decoder_bias if self.config.loss_target == "centred" else x).norm(dim=-1).detach()
        gaps = length_gaps(contributions(self, codes), target, row_weight)
        penalties = {"afa": self.width * self.afa_coefficient * gaps} | self.auxiliary(x, x_hat, row_weight)
        if "auxiliary" in penalties:
            penalties["auxiliary"] = self.width * penalties["auxiliary"]
        return plain_loss(x, x_hat, penalties, **self.firings(codes), row_weight=row_weight)


def match_length(lengths: Tensor, target: Tensor) -> Tensor:
    """The largest entries of each row, as many as bring their joint length nearest to a target, at least one.

    Parameters
    ----------
    lengths : Tensor, shape (n, m)
        Lengths >= 0 of parts, taken as orthogonal: k of them have length ``sqrt(sum of squares)`` together.
    target : Tensor, shape (n,)
        Length to be met. Of several numbers that meet it equally well the smallest is taken.

    Returns
    -------
    Tensor of bool, shape (n, m)
    """
    ordered, order = lengths.sort(dim=-1, descending=True)
    joint = ordered.square().cumsum(dim=-1).sqrt()
    last = (joint - target.unsqueeze(-1)).abs().argmin(dim=-1, keepdim=True)
    kept = torch.arange(lengths.shape[-1], device=lengths.device) <= last
    return torch.zeros_like(kept).scatter(-1, order, kept)


def length_gaps(parts: Tensor, target: Tensor, row_weight: Tensor | None) -> Tensor:
    """``mean (||parts|| - target)^2``, shape (), for parts of shape (n, m); rows may be weighted."""
    gaps = (parts.norm(dim=-1) - target).square()
    return (gaps if row_weight is None else row_weight * gaps).mean()


PRESETS = {
    "top-afa": Preset(TopAFAConfig, "latents until the code is as long as the centred input", "arXiv 2503.24277"),
    "top-afa/release": Preset(
        TopAFAConfig,
        "the authors' code: as top-afa, but the loss asks for the length of the input before centring, and latents "
        "count as dead after only five batches of 4,096; meant for inputs normalised token by token",
        "authors' release (github.com/SewoongLee/top-afa-sae)",
        {"loss_target": "raw", "dead_after": 20_480, "aux_count": 512},
    ),
}
