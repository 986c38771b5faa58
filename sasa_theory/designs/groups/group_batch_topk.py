"""BatchTopK of whole groups: the ``active n`` groups of largest norm in a batch of n tokens, columns signed.

As BatchTopK (arXiv 2412.06410), with the norm of a group in the place of a latent's value: the nearest relative of SASA
that lets hard tokens use more groups. In evaluation a group fires where its norm exceeds the running threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..atoms.batch_topk import BatchTopK, ThresholdConfig
from ..config import GroupConfig, set_whole, within
from ..presets import Preset


@dataclass(frozen=True, kw_only=True)
class GroupBatchTopKConfig(GroupConfig, ThresholdConfig):
    """Settings of :class:`~sasa_theory.designs.atoms.batch_topk.BatchTopK` for groups.

    Attributes
    ----------
    active : int
        Active groups a token on average, at most ``groups``.
    """

    kind = "group_batch_topk"

    active: int

    def __post_init__(self) -> None:
        super().__post_init__()
        set_whole(self, "active")
        within("active", self.active, "groups", self.groups)
        if self.rank < 2:
            raise ValueError("rank must be at least 2, got 1; the nearest possible is 2, or 'batch-topk' for latents")

    def build(self, generator: torch.Generator) -> BatchTopK:
        """A freshly initialised BatchTopK of groups."""
        return BatchTopK(self, generator, self.active, self.rank)


PRESETS = {
    "group-batch-topk": Preset(
        GroupBatchTopKConfig,
        "the groups of largest norm in the batch, signed; a threshold on the norm in evaluation",
        "arXiv 2412.06410, selection carried over to groups",
    ),
}
