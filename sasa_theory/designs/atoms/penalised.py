"""Vector designs that buy sparsity with a penalty: its coefficient, and how it grows at the start of training."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..config import AtomConfig, set_real
from ..linear import LinearDesign
from ..ramp import ramp
from .decoder_norms import NormsConfig


@dataclass(frozen=True, kw_only=True)
class PenalisedConfig(AtomConfig, NormsConfig):
    """Settings of every penalised design.

    Attributes
    ----------
    sparsity : float
        Coefficient lambda of the penalty, against a squared error summed over the width.
    warmup : float
        Share of the steps over which the coefficient rises linearly from 0; a full penalty on untrained latents
        silences them for good.
    """

    sparsity: float
    warmup: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        set_real(self, "sparsity")
        set_real(self, "warmup", high=1.0)


class Penalised(LinearDesign):
    """A vector design with a penalty; see the module."""

    config: PenalisedConfig
    sparsity: Tensor

    def __init__(self, config: PenalisedConfig, generator: torch.Generator) -> None:
        super().__init__(config, 1, generator, norm=config.initial_norm, constraint=config.constraint)
        self.register_buffer("sparsity", torch.tensor(config.sparsity))
        self.ramp = 1.0

    @property
    def coefficient(self) -> Tensor:
        """The penalty's coefficient at this step, shape ()."""
        return self.sparsity * self.ramp

    def begin_step(self, step: int, steps: int) -> None:
        """Warm the coefficient up."""
        self.ramp = ramp(step, steps, self.config.warmup)
