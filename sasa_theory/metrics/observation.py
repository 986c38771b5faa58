"""One look at a design in a world: the statistics of rows and of features alone from which all metrics follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import torch
from torch import Tensor

from sasa_theory.designs.contract import Design

from .activation import code_norms
from .alone import Alone, observe_alone
from .covering import Covering, coverings
from .crowd import Crowd, observe_crowd
from .matching import Matching, match
from .reconstruction import Reconstruction, reconstruction
from .rows import KnownWorld, Rows
from .subspaces import Subspaces, observe_subspaces
from .units import Units

T = TypeVar("T")


@dataclass(frozen=True)
class Observation:
    """What metrics are computed from. Nothing in it depends on the gauge of a unit, but for ``units`` itself.

    Attributes
    ----------
    design : Design
        In evaluation mode while it is looked at.
    rows : Rows
        Labelled rows of the world, for metrics that need another pass.
    units : Units
        The decoder, unit by unit.
    bases : tuple of Tensor
        Orthonormal basis V_i of each feature, shapes (d_i, width).
    """

    design: Design
    rows: Rows
    units: Units
    bases: tuple[Tensor, ...]
    _kept: dict[Callable[..., Any], Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def kept(self, make: Callable[[Observation], T]) -> T:
        """What a function makes of this observation; made once, however many metrics ask for it."""
        if make not in self._kept:
            self._kept[make] = make(self)
        found: T = self._kept[make]
        return found

    @property
    def dims(self) -> Tensor:
        """Dimension of each feature, shape (features,)."""
        return torch.tensor([len(basis) for basis in self.bases])

    @cached_property
    def reconstruction(self) -> Reconstruction:
        """What comes back of the rows, at which price."""
        return reconstruction(self.design, (block.x for block in self.rows))

    @cached_property
    def crowd(self) -> Crowd:
        """The design on rows as they are, with several features active; see :class:`.crowd.Crowd`."""
        return observe_crowd(self.design, self.units, self.rows, len(self.bases))

    @cached_property
    def subspaces(self) -> Subspaces:
        """The subspace that each unit uses on the rows; see :class:`.subspaces.Subspaces`."""
        return observe_subspaces(self.units, self.crowd.second, self.bases)

    @cached_property
    def matching(self) -> Matching:
        """Which unit stands for which feature; see :class:`.matching.Matching`."""
        return match(self.subspaces, self.crowd, self.dims)

    @cached_property
    def alone(self) -> Alone:
        """The design on slices of one feature each; see :class:`.alone.Alone`."""
        return observe_alone(self.design, self.units, self.rows, self.bases, self.matching.subspace)

    @cached_property
    def code_norms(self) -> tuple[Tensor, Tensor, Tensor]:
        """Norms of each row's code, input and reconstruction; see :func:`.activation.code_norms`."""
        return code_norms(self)

    @cached_property
    def coverings(self) -> dict[int, Covering]:
        """Coverings of some features, by feature; see :func:`.covering.coverings`."""
        return coverings(self)


def observe(design: Design, world: KnownWorld, rows: int = 20_000, seed: int = 0) -> Observation:
    """Look at a design in a world; passes over rows are made when a metric first needs them.

    Parameters
    ----------
    design : Design
        Anything; wrap other modules with :func:`sasa_theory.designs.as_design`. Looked at in evaluation mode.
    world : KnownWorld
        Of the design's width.
    rows : int
        Labelled rows looked at.
    seed : int
        Of the rows: the same seed, the same rows.

    Raises
    ------
    ValueError
        If the widths differ, or the decoder is not affine.
    """
    if design.width != world.width:
        raise ValueError(f"design and world must have one width, got {design.width} and {world.width}")
    labelled = Rows(world, rows, seed)
    size = next(iter(Rows(world, 1, seed))).truth.size[1]
    bases = tuple(world.basis(i).detach() for i in range(size))
    return Observation(design, labelled, Units.of(design), bases)
