r"""SASA at its theory's ideal: every group is an orthogonal projector on a subspace of dimension r.

Encoder and decoder are one, ``E_k = D_k``, with orthonormal rows, ``D_k D_k' = I``: a group is a point of a Grassmann
manifold. Codes are ``p_k = (x - b_d) D_k'``, the s groups of largest norm fire. There are no ranks to penalise: every
map has singular values 1, r times. Gradients lose what would leave the manifold; the optimiser's steps still do, so
that rows are made orthonormal again from time to time and after the last step.

Source: the optimum of SASA's recovery theorem (arXiv 2606.06333), parametrised as in Grassmannian block-sparse
featurizers (arXiv 2606.25234).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..config import set_whole
from ..contract import Loss
from ..presets import Preset
from .orthonormal_blocks import remove_within, retract
from .top_groups import TopGroups, TopGroupsConfig


@dataclass(frozen=True, kw_only=True)
class ProjectorsConfig(TopGroupsConfig):
    """Settings of :class:`Projectors`, besides those of top groups.

    Attributes
    ----------
    retract_every : int
        Steps after which rows are made orthonormal again; they always are after the last step. More than 1 (the source:
        20, at learning rate 1e-4) is for small steps: rows drift off by the square of how far they move meanwhile.
    """

    kind = "projectors"

    retract_every: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        set_whole(self, "retract_every")

    def build(self, generator: torch.Generator) -> Projectors:
        """A freshly initialised design: independent uniform subspaces."""
        return Projectors(self, generator)


class Projectors(TopGroups):
    """Orthogonal projectors; see the module. ``encoder`` and ``decoder`` are the same tensor."""

    config: ProjectorsConfig

    def __init__(self, config: ProjectorsConfig, generator: torch.Generator) -> None:
        super().__init__(config, generator)
        retract(self.decoder.detach(), self.rank)
        self.encoder = self.decoder
        self._retract = True

    def begin_step(self, step: int, steps: int) -> None:
        """Decide whether rows are made orthonormal after this step; look once whether any group is dead."""
        super().begin_step(step, steps)
        self._retract = (step + 1) % self.config.retract_every == 0 or step + 1 >= steps

    def project_gradients(self) -> None:
        """Remove from the gradient what lies in the groups' own subspaces: it would turn or stretch their rows."""
        if self.decoder.grad is not None:
            remove_within(self.decoder.grad, self.decoder.detach(), self.rank)

    def end_step(self, loss: Loss, rows: int) -> None:
        """Count idle tokens; make the rows orthonormal again if it is time."""
        super().end_step(loss, rows)
        if self._retract:
            retract(self.decoder.detach(), self.rank)


PRESETS = {
    "sasa/ideal": Preset(
        ProjectorsConfig,
        "every group an orthogonal projector of rank r: tied orthonormal rows, no penalty; balanced start",
        "arXiv 2606.06333 (its theorem's optimum), parametrised as arXiv 2606.25234",
        {"balance": 0.6},
    ),
}
