"""Hypothesis strategies for what the theorems quantify over: dictionaries, covariances, partitions, worlds.

Each strategy draws a small frozen specification, which prints in one line and shrinks in its sizes; arrays are made
from its seed by ``build``. The kinds are the cases in which bounds are tight or careless code breaks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from sasa_theory.bounds.validate import Floats
from synthetic import Constant, Dictionary, Exactly, Feature, Features, Firing, Independent, WorldConfig

SEEDS = st.integers(0, 2**32 - 1)
DICTIONARY_KINDS = ("random", "clustered", "duplicated", "near-collinear", "orthonormal plus spares")
COVARIANCE_KINDS = ("isotropic", "power-law", "rank-deficient", "repeated eigenvalues", "nearly singular")
PARTITION_KINDS = ("balanced", "one big", "empty groups", "singletons", "cones")


@dataclass(frozen=True)
class DictionarySpec:
    """Unit atoms in R^ambient, for a feature slice that is the span of the first ``d`` coordinates.

    Attributes
    ----------
    kind : str
        ``random`` directions; ``clustered`` around three of them; ``duplicated``: each direction several times, with
        either sign; ``near-collinear``: all within about 1e-6 of one line; ``orthonormal plus spares``: the axes of the
        slice first, in order, then random directions.
    atoms, d, ambient : int
        Number of atoms, dimension of the slice, dimension of the space. Atoms leave the slice when ambient > d.
    seed : int
        Seed of the random directions.
    """

    kind: str
    atoms: int
    d: int
    ambient: int
    seed: int

    def build(self) -> Floats:
        """Unit atoms, shape (atoms, ambient)."""
        rng = np.random.default_rng(self.seed)
        rows = rng.standard_normal((self.atoms, self.ambient))
        if self.kind == "clustered":
            rows = rng.standard_normal((3, self.ambient))[rng.integers(3, size=self.atoms)] + 0.1 * rows
        elif self.kind == "duplicated":
            distinct = (self.atoms + 1) // 2
            rows = rows[rng.integers(distinct, size=self.atoms)] * rng.choice([-1.0, 1.0], (self.atoms, 1))
        elif self.kind == "near-collinear":
            rows = rng.standard_normal(self.ambient) + 1e-6 * rows
        elif self.kind == "orthonormal plus spares":
            axes = min(self.d, self.atoms)
            rows[:axes] = np.eye(axes, self.ambient)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@dataclass(frozen=True)
class CovarianceSpec:
    """A positive semidefinite matrix of trace 1 in a random eigenbasis.

    Attributes
    ----------
    kind : str
        Law of the eigenvalues: ``isotropic``; ``power-law`` (1/j); ``rank-deficient`` (the later half zero, one at
        least if d > 1); ``repeated eigenvalues`` (two values); ``nearly singular`` (1 and otherwise 1e-12).
    d : int
        Dimension.
    seed : int
        Seed of the eigenbasis.
    """

    kind: str
    d: int
    seed: int

    @property
    def eigenvalues(self) -> Floats:
        """Eigenvalues in descending order, summing to 1, shape (d,)."""
        j = np.arange(1, self.d + 1)
        half = (self.d + 1) // 2
        values = {
            "isotropic": np.ones(self.d),
            "power-law": 1 / j,
            "rank-deficient": np.where(j <= half, 1.0, 0.0),
            "repeated eigenvalues": np.where(j <= half, 3.0, 1.0),
            "nearly singular": np.where(j == 1, 1.0, 1e-12),
        }[self.kind]
        return values / values.sum()

    def build(self) -> Floats:
        """The matrix, shape (d, d), exactly symmetric."""
        basis, _ = np.linalg.qr(np.random.default_rng(self.seed).standard_normal((self.d, self.d)))
        root = basis * np.sqrt(self.eigenvalues)
        return root @ root.T


@dataclass(frozen=True)
class PartitionSpec:
    """An assignment of inputs to groups.

    Attributes
    ----------
    kind : str
        ``balanced`` at random; ``one big`` group with about nine inputs in ten; ``empty groups``: only every other
        group is used; ``singletons``: every group but the first holds one input at most; ``cones``: by the signs of the
        input's products with random directions, cells that a linear gate can make.
    groups : int
        Number of groups.
    seed : int
        Seed of the assignment.
    """

    kind: str
    groups: int
    seed: int

    def build(self, inputs: Floats) -> NDArray[np.int64]:
        """Group of each input, in [0, groups), shape (n,), for inputs of shape (n, d)."""
        rng = np.random.default_rng(self.seed)
        n, d = inputs.shape
        if self.kind == "balanced":
            return rng.permutation(n) % self.groups
        if self.kind == "one big":
            return np.where(rng.random(n) < 0.9, 0, rng.integers(self.groups, size=n))
        if self.kind == "empty groups":
            return rng.choice(np.arange(0, self.groups, 2), size=n)
        if self.kind == "singletons":
            order = rng.permutation(n)
            return np.where(order < self.groups, order, 0)
        bits = max(1, int(np.ceil(np.log2(self.groups))))
        sides = inputs @ rng.standard_normal((d, bits)) > 0
        return (sides @ 2 ** np.arange(bits)) % self.groups


def dictionaries(
    *, d: st.SearchStrategy[int] | None = None, atoms: st.SearchStrategy[int] | None = None, spare_dims: int = 2
) -> st.SearchStrategy[DictionarySpec]:
    """Dictionaries of unit atoms; by default d in [2, 6], 1 to 12 atoms, and up to 2 dimensions outside the slice."""

    def specify(kind: str, atoms: int, d: int, outside: int, seed: int) -> DictionarySpec:
        return DictionarySpec(kind, atoms, d, d + outside, seed)

    return st.builds(
        specify,
        kind=st.sampled_from(DICTIONARY_KINDS),
        atoms=atoms if atoms is not None else st.integers(1, 12),
        d=d if d is not None else st.integers(2, 6),
        outside=st.integers(0, spare_dims),
        seed=SEEDS,
    )


def covariances(*, d: st.SearchStrategy[int] | None = None) -> st.SearchStrategy[CovarianceSpec]:
    """Positive semidefinite matrices of trace 1; by default d in [1, 6]."""
    return st.builds(
        CovarianceSpec, st.sampled_from(COVARIANCE_KINDS), d if d is not None else st.integers(1, 6), SEEDS
    )


def partitions(*, groups: st.SearchStrategy[int] | None = None) -> st.SearchStrategy[PartitionSpec]:
    """Partitions of inputs among groups; by default 1 to 8 groups, of which some may stay empty."""
    return st.builds(
        PartitionSpec, st.sampled_from(PARTITION_KINDS), groups if groups is not None else st.integers(1, 8), SEEDS
    )


@st.composite
def worlds(draw: st.DrawFn, *, clean: bool = False) -> WorldConfig:
    """Configs of small worlds: 1 to 6 features of one to four linear dimensions in at most 24; every one can be built.

    Subspaces with Gaussian or spherical slices, signed axes and circles, of two energies; fired exactly or
    independently; bases that are independent, orthogonal, of low coherence or, where they fit, of one prescribed
    coherence; with and without noise and bias. ``clean`` ones are those in which exact selection can be proved: slices
    of constant norm, a fixed number of active features, no noise, no bias.
    """
    energies = st.sampled_from((1.0, 0.25))
    radii = st.just("sphere") if clean else st.sampled_from(("gaussian", "sphere"))
    laws = st.one_of(
        st.builds(Feature, st.just("subspace"), st.integers(1, 4), energies, radii),
        st.builds(Feature, st.just("discrete"), st.integers(1, 3), energies),
        st.builds(Feature, st.just("circle"), energy=energies),
    )
    features = tuple(draw(st.lists(st.builds(Features, laws, st.integers(1, 2)), min_size=1, max_size=3)))
    dims = [entry.law.linear_dim for entry in features for _ in range(entry.count)]
    firing: st.SearchStrategy[Firing] = st.builds(Exactly, st.integers(1, len(dims)))
    if not clean:
        firing |= st.builds(Independent, st.builds(Constant, st.sampled_from((0.05, 0.3, 0.9))))
    width = draw(st.integers(4, 24))
    bases = st.builds(Dictionary, st.sampled_from(("independent", "orthogonal", "low_coherence")))
    if len(dims) > 1 and sum(dims) + max(dims) <= width:
        bases |= st.builds(Dictionary, st.just("coherent"), st.floats(0.0, 0.95))
    return WorldConfig(
        width=width,
        features=features,
        firing=draw(firing),
        dictionary=draw(bases),
        noise=0.0 if clean else draw(st.sampled_from((0.0, 0.1))),
        bias=0.0 if clean else draw(st.sampled_from((0.0, 2.0))),
    )
