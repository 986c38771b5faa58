"""Hierarchies of features: a child may fire only together with its parent."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import entr
from torch import Tensor

from sasa_theory.bounds.validate import Floats

from .whole import is_a, set_whole


@dataclass(frozen=True)
class Forest:
    """Equal complete trees over the first features, numbered level by level; the features after them stand alone.

    Features 0..roots-1 are the roots. The children of feature j are the ``branching`` features from
    ``roots + j branching`` on.

    Given that its parent fires, a child c fires with probability ``p_c / p_parent`` as far as possible: at most 1, and
    among exclusive siblings scaled down together where they would sum to more than 1. Where nothing is scaled, every
    child's overall probability is exactly its declared p_c. Families draw independently of each other and of the rest.
    SynthSAEBench (arXiv 2602.14687) lets siblings fire independently and strikes out all but one, which meets the
    declared rates only approximately.

    Attributes
    ----------
    roots, branching, depth : int
        Number of trees, children of each parent, levels below the roots; each >= 1.
    exclusive : bool
        Whether at most one child of a parent fires at a time.
    """

    roots: int
    branching: int
    depth: int
    exclusive: bool = True

    def __post_init__(self) -> None:
        set_whole(self, "roots", "branching", "depth")
        is_a(bool, exclusive=self.exclusive)

    def check(self, features: int) -> None:
        """Raise ValueError if the trees do not fit, at the first level that does not, however many there are."""
        size = width = self.roots
        for _ in range(self.depth):
            width *= self.branching
            size += width
            if size > features:
                raise ValueError(
                    f"the trees must fit into the {features} features that there are; lower roots = {self.roots:g}, "
                    f"branching = {self.branching:g} or depth = {self.depth:g}, or declare more features"
                )

    @property
    def parents(self) -> int:
        """Number of features that have children; they come first."""
        return self.roots * sum(self.branching**level for level in range(self.depth))

    @property
    def size(self) -> int:
        """Number of features in trees."""
        return self.roots + self.parents * self.branching

    def conditional(self, probabilities: Floats) -> Floats:
        """Probability of each child given its parent, shape (parents, branching), from the declared probabilities."""
        parent = probabilities[: self.parents, None]
        child = probabilities[self.roots : self.size].reshape(self.parents, self.branching)
        ratio = np.divide(child, parent, out=np.zeros_like(child), where=parent > 0)
        return ratio / np.maximum(1.0, ratio.sum(axis=1, keepdims=True)) if self.exclusive else np.minimum(1.0, ratio)

    def marginals(self, probabilities: Floats) -> Floats:
        """Exact firing probability of every feature, from the declared ones."""
        out = probabilities.copy()
        conditional = self.conditional(probabilities)
        for level in self.levels():
            parent = self.parent_of(level)
            out[level] = out[parent] * conditional.ravel()[level - self.roots]
        return out

    def levels(self) -> list[NDArray[np.int64]]:
        """Features of each level below the roots, top down."""
        ends = self.roots * np.cumsum(self.branching ** np.arange(self.depth + 1))
        return [np.arange(a, b) for a, b in pairwise(ends)]

    def parent_of(self, features: NDArray[np.int64]) -> NDArray[np.int64]:
        """Parent of each of the given children."""
        return (features - self.roots) // self.branching

    def family_entropy(self, probabilities: Floats) -> Floats:
        """Entropy in bits of which children fire, given that the parent does; shape (parents,)."""
        conditional = self.conditional(probabilities)
        if self.exclusive:
            silent = np.maximum(0.0, 1 - conditional.sum(axis=1))
            return (entr(conditional).sum(axis=1) + entr(silent)) / np.log(2)
        return (entr(conditional) + entr(1 - conditional)).sum(axis=1) / np.log(2)


class FamilySampler:
    """Draws the children of firing parents.

    Parameters
    ----------
    forest : Forest
        The trees.
    probabilities : ndarray
        Declared probabilities, shape (features,).
    device : torch.device
        Where to draw.
    """

    def __init__(self, forest: Forest, probabilities: Floats, device: torch.device) -> None:
        self.forest = forest
        conditional = torch.from_numpy(forest.conditional(probabilities)).to(device)
        self._table = conditional.cumsum(dim=1) if forest.exclusive else conditional

    def draw(self, features: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw the children of the firings ``features``; returns the children and which firing each belongs to."""
        forest = self.forest
        parent = torch.nonzero(features < forest.parents).flatten()
        table = self._table[features[parent]]
        columns = 1 if forest.exclusive else forest.branching
        draws = torch.rand(parent.numel(), columns, generator=generator, device=generator.device, dtype=torch.float64)
        if forest.exclusive:
            which = (draws >= table).sum(dim=1)
            fired = torch.nonzero(which < forest.branching).flatten()
            which = which[fired]
        else:
            fired, which = torch.nonzero(draws < table, as_tuple=True)
        parent = parent[fired]
        return forest.roots + features[parent] * forest.branching + which, parent
