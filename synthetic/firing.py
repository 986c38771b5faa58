"""Which features fire in which samples: a declared law, its exact marginals, and a sparse sampler."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import entr, gammaln
from torch import Tensor

from sasa_theory.bounds.validate import Floats, at_most

from .cells import RareCells
from .copula import Copula, CopulaSampler
from .forest import FamilySampler, Forest
from .rates import Rates
from .whole import is_a, set_whole


@dataclass(frozen=True)
class Level:
    """Firings of one level of the hierarchy.

    Attributes
    ----------
    samples, features : Tensor
        Which feature fires in which sample, int64, shape (firings,).
    parents : Tensor
        For each firing the position of its parent's firing in the level above; empty at the top.
    """

    samples: Tensor
    features: Tensor
    parents: Tensor


class FiringSampler(ABC):
    """Draws firings."""

    @abstractmethod
    def draw(self, n: int, generator: torch.Generator) -> list[Level]:
        """Firings of ``n`` samples, level by level from the top; in the top level sorted by sample."""


class Firing(ABC):
    """A law of firing. Independent samples; within a sample, features may depend on each other."""

    @abstractmethod
    def check(self, features: int) -> None:
        """Raise ValueError if the law cannot hold for that number of features."""

    @abstractmethod
    def marginals(self, features: int) -> Floats:
        """Exact probability that each feature fires, shape (features,)."""

    @abstractmethod
    def entropy(self, features: int) -> float:
        """Entropy in bits of the set of firing features of one sample."""

    @abstractmethod
    def sampler(self, features: int, loadings: Tensor, device: torch.device) -> FiringSampler:
        """A sampler on ``device``; ``loadings`` as drawn by :meth:`loadings`."""

    def loadings_shape(self, features: int) -> tuple[int, int]:
        """Shape (correlated features, rank) of the loadings of correlated firing; (0, 0) where there are none."""
        return (0, 0)

    def loadings(self, features: int, generator: torch.Generator) -> Tensor:
        """Draw the loadings."""
        return torch.zeros(0, 0, device=generator.device, dtype=torch.float32)


@dataclass(frozen=True)
class Exactly(Firing):
    """Exactly ``active`` features fire, uniformly without replacement.

    Attributes
    ----------
    active : int
        >= 1, at most the number of features.
    """

    active: int

    def __post_init__(self) -> None:
        set_whole(self, "active")

    def check(self, features: int) -> None:
        """Raise ValueError if more features should fire than there are."""
        at_most("active", np.array(self.active), "number of features", np.array(features))

    def marginals(self, features: int) -> Floats:
        """``active / features`` for each."""
        return np.full(features, self.active / features)

    def entropy(self, features: int) -> float:
        """``log2 C(features, active)``."""
        n, s = features, self.active
        return float((gammaln(n + 1) - gammaln(s + 1) - gammaln(n - s + 1)) / np.log(2))

    def sampler(self, features: int, loadings: Tensor, device: torch.device) -> FiringSampler:
        """A sampler of uniform subsets; it needs no loadings."""
        return SubsetSampler(self.active, features)


@dataclass(frozen=True)
class Independent(Firing):
    """Every feature fires by its own coin, unless a copula correlates them or a forest makes children wait for parents.

    With both, the copula correlates the roots and the features outside the trees; within a tree children follow as
    :class:`synthetic.forest.Forest` says, so that all marginals are known in closed form. (SynthSAEBench correlates the
    children too, whose marginals then have no closed form.)

    Attributes
    ----------
    rates : Rates
        Declared firing probabilities.
    copula : Copula, optional
        Correlation.
    forest : Forest, optional
        Hierarchy.
    """

    rates: Rates
    copula: Copula | None = None
    forest: Forest | None = None

    def __post_init__(self) -> None:
        is_a(Rates, rates=self.rates)
        if self.copula is not None:
            is_a(Copula, copula=self.copula)
        if self.forest is not None:
            is_a(Forest, forest=self.forest)

    def check(self, features: int) -> None:
        """Raise ValueError if the rates or the trees need another number of features."""
        self.rates.probabilities(features)
        if self.forest is not None:
            self.forest.check(features)

    def marginals(self, features: int) -> Floats:
        """The declared probabilities; of children what :class:`synthetic.forest.Forest` makes of them."""
        declared = self.rates.probabilities(features)
        return declared if self.forest is None else self.forest.marginals(declared)

    def entropy(self, features: int) -> float:
        """Entropy without the copula, which only lowers it: an upper bound if there is one, else exact."""
        declared = self.rates.probabilities(features)
        top = declared[self.drivers(features)]
        bits = float((entr(top) + entr(1 - top)).sum() / np.log(2))
        if self.forest is not None:
            parents = self.forest.marginals(declared)[: self.forest.parents]
            bits += float((parents * self.forest.family_entropy(declared)).sum())
        return bits

    def drivers(self, features: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Features that do not wait for a parent."""
        index = np.arange(features)
        return index if self.forest is None else index[(index < self.forest.roots) | (index >= self.forest.size)]

    def sampler(self, features: int, loadings: Tensor, device: torch.device) -> FiringSampler:
        """A sampler whose cost is that of the firings, plus with a copula one product of the factors and loadings."""
        declared = self.rates.probabilities(features)
        drivers = self.drivers(features)
        if self.copula is None:
            cells: RareCells | CopulaSampler = RareCells(torch.from_numpy(declared[drivers]).to(device))
        else:
            cells = CopulaSampler(loadings.to(device), declared[drivers])
        families = None if self.forest is None else FamilySampler(self.forest, declared, device)
        return TreeSampler(cells, torch.from_numpy(drivers).to(device), families)

    def loadings_shape(self, features: int) -> tuple[int, int]:
        """Shape of the copula's loadings: one row for each feature that does not wait for a parent."""
        return (0, 0) if self.copula is None else (len(self.drivers(features)), self.copula.rank)

    def loadings(self, features: int, generator: torch.Generator) -> Tensor:
        """Draw the copula's loadings."""
        if self.copula is None:
            return super().loadings(features, generator)
        return self.copula.loadings(len(self.drivers(features)), generator)


class SubsetSampler(FiringSampler):
    """Draws uniform subsets of fixed size by Floyd's method: one step an element, however many features there are."""

    def __init__(self, active: int, features: int) -> None:
        self.active, self.features = active, features

    def draw(self, n: int, generator: torch.Generator) -> list[Level]:
        """One level of n times ``active`` firings."""
        chosen = torch.empty(n, self.active, dtype=torch.int64, device=generator.device)
        for k in range(self.active):
            last = self.features - self.active + k
            pick = torch.randint(last + 1, (n,), generator=generator, device=generator.device)
            taken = (chosen[:, :k] == pick[:, None]).any(dim=1)
            chosen[:, k] = torch.where(taken, last, pick)
        samples = torch.arange(n, device=generator.device).repeat_interleave(self.active)
        features = chosen.sort(dim=1).values.flatten()
        return [Level(samples, features, features[:0])]


class TreeSampler(FiringSampler):
    """Draws the features that wait for nobody, then the children of those that fire, level by level."""

    def __init__(self, cells: RareCells | CopulaSampler, drivers: Tensor, families: FamilySampler | None) -> None:
        self._cells, self._drivers, self._families = cells, drivers, families

    def draw(self, n: int, generator: torch.Generator) -> list[Level]:
        """One level for the drivers and one for each level of the trees."""
        cell = self._cells.draw(n, generator)
        samples = torch.div(cell, self._drivers.numel(), rounding_mode="floor")
        levels = [Level(samples, self._drivers[cell % self._drivers.numel()], cell[:0])]
        if self._families is not None:
            for _ in range(self._families.forest.depth):
                children, parents = self._families.draw(levels[-1].features, generator)
                levels.append(Level(levels[-1].samples[parents], children, parents))
        return levels
