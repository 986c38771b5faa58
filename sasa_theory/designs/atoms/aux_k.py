"""AuxK (arXiv 2406.04093): dead units learn to explain what the live ones leave over.

Of each token the best ``aux_count`` dead units reconstruct the residual ``e = x - x_hat``, held fixed, without bias:
``AuxK = ||e - e_hat||^2 / ||e - mean(e)||^2``. A rectified unit whose pre-activations are negative throughout gets no
gradient from it and stays dead.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..config import set_real, set_whole
from ..linear import LinearDesign
from ..revival import any_dead, explain_residual, normalised_error
from .decoder_norms import NormsConfig, row_norms


@dataclass(frozen=True, kw_only=True)
class AuxKConfig(NormsConfig):
    """Settings of AuxK.

    Attributes
    ----------
    aux_coefficient : float
        Weight alpha of AuxK; 0 for none.
    aux_count : int or None
        Dead units that may explain a token's residual; half the width if None.
    aux_relative : bool
        Whether the error is divided by the residual's variance; else it is multiplied by
        ``min(dead / aux_count, 1)``, so that few dead units matter less.
    dead_after : int
        Tokens without firing after which a unit counts as dead.
    """

    aux_coefficient: float = 1 / 32
    aux_count: int | None = None
    aux_relative: bool = True
    dead_after: int = 10_000_000

    def __post_init__(self) -> None:
        super().__post_init__()
        set_real(self, "aux_coefficient")
        set_whole(self, "dead_after")
        if self.aux_count is not None:
            set_whole(self, "aux_count")


SAELENS = {
    "constraint": "free",
    "initial_norm": 0.1,
    "aux_coefficient": 1.0,
    "aux_relative": False,
    "dead_after": 4_096_000,  # 1000 steps of 4096 tokens
}
"""Settings of every top-k architecture of SAELens 6."""


class AuxK(LinearDesign):
    """A design that keeps the best units of a token or batch and revives the others; see the module.

    Parameters
    ----------
    config : AuxKConfig
        What the design was built from.
    rank : int
        Columns of a unit.
    generator : torch.Generator
        Supplies the initial weights.
    signed : bool
        Units are ranked by norm and keep their signs; else by value, and are rectified.
    """

    config: AuxKConfig
    aux_coefficient: Tensor

    def __init__(self, config: AuxKConfig, rank: int, generator: torch.Generator, *, signed: bool) -> None:
        super().__init__(config, rank, generator, norm=config.initial_norm, constraint=config.constraint)
        self.register_buffer("aux_coefficient", torch.tensor(config.aux_coefficient))
        self.signed = signed
        self._revive = False

    @property
    def gain(self) -> Tensor | None:
        """What scores are multiplied by before ranking: norms of free rows, for units of one column."""
        norms = row_norms(self) if self.rank == 1 else None
        return None if norms is None else norms.detach()

    def begin_step(self, step: int, steps: int) -> None:
        """Look once whether any unit is dead."""
        self._revive = any_dead(self.idle, self.config.dead_after, self.aux_coefficient)

    def auxiliary(self, x: Tensor, x_hat: Tensor, row_weight: Tensor | None) -> dict[str, Tensor]:
        """The penalty ``auxiliary``, shape (), if any unit is dead; ``row_weight`` as in :meth:`loss`."""
        if not self._revive:
            return {}
        dead, residual = self.idle >= self.config.dead_after, (x - x_hat).detach()
        count = self.config.aux_count or max(1, self.width // 2)
        explained = explain_residual(self, x, self.decoder_bias, dead, count, signed=self.signed, gain=self.gain)
        if self.config.aux_relative:
            # Where only another member of the ensemble has dead units, nothing is to be explained.
            error = normalised_error(residual, explained, row_weight) * dead.any()
        else:
            errors = (residual - explained).square().sum(dim=-1)
            error = (errors if row_weight is None else row_weight * errors).mean() * (dead.sum() / count).clamp(max=1)
        return {"auxiliary": self.aux_coefficient * error}
