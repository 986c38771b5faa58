"""Random dictionaries: what every metric gives when nothing has been learnt."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..config import AtomConfig, GroupConfig, set_whole, within
from ..linear import random_directions
from ..presets import Preset
from .tied import TiedGroups, random_bases


@dataclass(frozen=True, kw_only=True)
class RandomAtomsConfig(AtomConfig):
    """Settings of :class:`RandomAtoms`.

    Attributes
    ----------
    k : int
        Active latents a row, at most ``atoms``.
    """

    kind = "random"

    k: int

    def __post_init__(self) -> None:
        super().__post_init__()
        set_whole(self, "k")
        within("k", self.k, "atoms", self.atoms)

    def build(self, generator: torch.Generator) -> RandomAtoms:
        """Fresh random atoms."""
        return RandomAtoms(self, generator)


class RandomAtoms(TiedGroups):
    """Uniform unit atoms around 0: ``z = ReLU(k largest of x D')``, as TopK computes them before any training."""

    def __init__(self, config: RandomAtomsConfig, generator: torch.Generator) -> None:
        atoms = random_directions(config.atoms, config.width, generator)
        super().__init__(config, (1,) * config.atoms, config.k, atoms)

    def projections(self, x: Tensor) -> Tensor:
        """``ReLU((x - b) D')``, shape (n, atoms)."""
        return super().projections(x).relu()


@dataclass(frozen=True, kw_only=True)
class RandomGroupsConfig(GroupConfig):
    """Settings of random groups: uniform subspaces of dimension ``rank`` around 0, those with the largest projections.

    With rank 1 they are random atoms whose sign is kept, the null of signed TopK.

    Attributes
    ----------
    active : int
        Active groups a row, at most ``groups``.
    """

    kind = "random_groups"

    active: int

    def __post_init__(self) -> None:
        super().__post_init__()
        set_whole(self, "active")
        within("active", self.active, "groups", self.groups)

    def build(self, generator: torch.Generator) -> TiedGroups:
        """Fresh random groups."""
        dims = (self.rank,) * self.groups
        return TiedGroups(self, dims, self.active, random_bases(dims, self.width, generator))


PRESETS = {
    "random": Preset(
        RandomAtomsConfig, "random atoms, k largest a token: the null of vector SAEs", "null model, nothing learnt"
    ),
    "random/groups": Preset(
        RandomGroupsConfig, "random subspaces, those with the largest projections: the null of SASA", "null model"
    ),
}
