"""The group-lasso variant of block-sparse featurizers (arXiv 2606.25234): blocks are shrunk, not chosen.

``z_g = (1 - theta_g / ||u_g||)_+ u_g`` with a learned ``theta_g > 0`` each: a block fires where its norm exceeds its
threshold. The loss adds ``lambda sum_g ||z_g||`` while the last batch had more than ``active`` blocks a token: the
penalty steers the sparsity to that target and then leaves the codes alone. Decoder and runners-up (here the silent
blocks of largest norm) are as in :mod:`.block_sparse`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..config import set_real
from ..contract import Loss, plain_loss
from ..kernels import Active
from ..presets import Preset
from .block_sparse import BlockSparse, BlockSparseConfig


@dataclass(frozen=True, kw_only=True)
class BlockLassoConfig(BlockSparseConfig):
    """Settings of :class:`BlockLasso`.

    Attributes
    ----------
    active : int
        Active blocks a token that the penalty aims at, and number of runners-up.
    coefficient : float
        Weight lambda of ``sum_g ||z_g||``. The default is meant for activations with ``E||x||^2 = width``.
    threshold : float
        Initial theta, in units of the activations, > 0; the default likewise.
    """

    kind = "block_lasso"

    coefficient: float = 1.0
    threshold: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        set_real(self, "coefficient")
        set_real(self, "threshold", open_low=True)

    def build(self, generator: torch.Generator) -> BlockLasso:
        """A freshly initialised design."""
        return BlockLasso(self, generator)


class BlockLasso(BlockSparse):
    """The group-lasso variant; see the module."""

    config: BlockLassoConfig
    coefficient: Tensor
    measured: Tensor

    def __init__(self, config: BlockLassoConfig, generator: torch.Generator) -> None:
        super().__init__(config, generator)
        start = torch.full((config.groups,), math.log(config.threshold), device=self.decoder.device)
        self.log_threshold = nn.Parameter(start)
        self.register_buffer("coefficient", torch.tensor(config.coefficient))
        self.register_buffer("measured", torch.tensor(float(config.groups)))

    def activate(self, x: Tensor) -> Active:
        """The active blocks of each row."""
        return Active.of(self.encode(x), self.rank)

    def encode(self, x: Tensor) -> Tensor:
        """Shrunk codes, shape (n, groups * rank)."""
        return self._shrunk(self._blocks(x)).flatten(-2)

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruction, shape (n, width)."""
        return self.decode(self.encode(x))

    def loss(self, x: Tensor, row_weight: Tensor | None = None) -> Loss:
        """``||x - x_hat||^2 + lambda sum_g ||z_g|| [if too many] + (1/l) ||e - e_hat||^2``, means over the batch."""
        u = self._blocks(x)
        z = self._shrunk(u)
        codes, norms = z.flatten(-2), _norms(z)
        x_hat = self.decode(codes)
        too_many = (self.measured > self.config.active).to(norms.dtype)
        penalties = {"sparsity": self.coefficient * too_many * norms.sum(dim=-1).mean()}
        if spare := self.runners_up():
            silent = _norms(u).detach().masked_fill(norms.detach() > 0, -1.0)
            score, units = silent.topk(spare, dim=-1)
            values = u.gather(-2, units.unsqueeze(-1).expand(*units.shape, self.rank))
            values = values * (score >= 0).to(values.dtype).unsqueeze(-1)  # blocks that fire are no runners-up
            starts = torch.arange(len(x) + 1, device=x.device) * spare
            runners = Active(values.flatten(0, 1), units.flatten(), starts)
            penalties["auxiliary"] = self.auxiliary(x - x_hat, runners, row_weight)
        return plain_loss(x, x_hat, penalties, **self.firings(codes), row_weight=row_weight)

    def end_step(self, loss: Loss, rows: int) -> None:
        """Measure the active blocks a token; see also :meth:`BlockSparse.end_step`."""
        super().end_step(loss, rows)
        self.measured.copy_(loss.fired.sum(dim=-1) / rows)

    def fresh_entries(self) -> dict[str, Tensor | float]:
        """As of every linear design; thresholds start where the config says."""
        return {**super().fresh_entries(), "log_threshold": math.log(self.config.threshold)}

    @torch.no_grad()
    def absorb_scale(self, scale: float) -> None:
        """Thresholds are in units of the codes and shrink with them; see :meth:`LinearDesign.absorb_scale`."""
        super().absorb_scale(scale)
        self.log_threshold.sub_(math.log(scale))

    def _blocks(self, x: Tensor) -> Tensor:
        return self.preactivations(x).unflatten(-1, (-1, self.rank))

    def _shrunk(self, u: Tensor) -> Tensor:
        norms = _norms(u)
        kept = norms > self.log_threshold.exp()
        factor = 1 - self.log_threshold.exp() / torch.where(kept, norms, 1.0)
        return torch.where(kept, factor, 0.0).unsqueeze(-1) * u


def _norms(blocks: Tensor) -> Tensor:
    """Norms over the last dimension, with gradient 0 at 0."""
    squares = blocks.square().sum(dim=-1)
    zero = squares == 0
    return torch.where(zero, 0.0, torch.where(zero, 1.0, squares).sqrt())


PRESETS = {
    "bsf/group_lasso": Preset(
        BlockLassoConfig,
        "every block shrunk by a learned threshold; lambda and the initial threshold are ours, the source names none",
        "arXiv 2606.25234",
    ),
}
