"""A2: covering a d-dimensional feature with few active atoms takes at least the atom floor."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count
from math import comb

import numpy as np
from scipy.spatial import ConvexHull

from sasa_theory import bounds
from sasa_theory.bounds.validate import Floats

from . import intervals
from .contract import Chart, Claim, Effort, Evidence, Relation
from .measuring.geometry import (
    even_count,
    even_lines,
    maximal_packing,
    near_subspace_weights,
    one_hot,
    residual,
    sphere,
    trained_lines,
    unit,
)


@dataclass(frozen=True)
class Setting:
    """A covering of a d-dimensional slice, ``k`` atoms active, judged on ``draws`` fresh points."""

    case: str
    d: int
    k: int
    eps: float
    atoms: int
    draws: int
    signed: bool = True


class AtomFloor(Claim[Setting]):
    """Every covering that is built has at least as many atoms as the floor at the share it covers."""

    id = "A2"
    title = "atom floor"
    statement = (
        r"\binom{N}{k} \geq \frac{1-\delta}{p}, \quad p = I_{\varepsilon^2}\left(\frac{d-k}{2}, \frac{k}{2}\right),"
        r"\quad \mathrm{for\ every\ covering\ of\ a\ share\ } 1-\delta"
    )
    plain = "With a fixed number k < d of active atoms, coding a d-dimensional feature takes a number exponential in d."
    assumptions = ("the direction is uniform on the slice's sphere", "at most k < d atoms are active")
    reference = ("derived here", "arXiv 2606.06333, Definition 2", "Conway & Sloane: optimal coverings of the sphere")
    chart = Chart("d", ("case", "k", "eps"), "intrinsic dimension d", "atoms", log_y=True)

    def grid(self, effort: Effort) -> list[Setting]:
        """Packings, trained lines and polyhedra above the floor; even and orthogonal lines, which attain it."""
        draws = 100_000 if effort == "quick" else 1_000_000
        deep = (2, 3, 4) if effort == "quick" else (2, 3, 4, 5)
        return [
            *(Setting("even lines", 2, 1, eps, int(np.ceil(np.pi / (2 * np.arcsin(eps)) - 1e-9)), draws)
              for eps in (0.5, 0.3, 0.1, 0.01)),
            *(Setting("just covering", 2, 1, float(np.sin(np.pi / (2 * n))), n, 0) for n in (2, 3, 5, 12, 40)),
            *(Setting("whole number", d, k, eps, 0, 4 * draws)
              for d, k, eps in ((3, 1, 0.5), (4, 2, 0.3), (6, 3, 0.5))),
            *(Setting("orthogonal lines", d, 1, 0.5, d, 4 * draws) for d in (3, 4, 5, 6)),
            *(Setting("orthogonal rays", d, 1, 0.5, d, 8 * draws, signed=False) for d in (3, 4, 5)),
            *(Setting("maximal packing", d, 1, 0.5, 0, draws) for d in deep),
            *(Setting("trained lines", d, 1, 0.5, n, draws) for d, n in ((3, 8), (4, 18), (5, 40), (6, 86))),
            *(Setting("random pairs", d, 2, 0.3, n, draws // 4) for d, n in ((3, 6), (4, 10), (6, 17))),
            *(Setting("narrow subsets", d, k, 0.015, 8, 8 * draws) for d, k in ((4, 2), (5, 3))),
            *(Setting("polyhedron", 3, 1, 0.0, n, 1, signed=False) for n in (4, 6, 12, 32)),
        ]  # fmt: skip

    def falsifiers(self, effort: Effort) -> list[Setting]:
        """As many active atoms as dimensions, two active atoms, and a direction that takes d values only."""
        draws = 50_000 if effort == "quick" else 500_000
        return [
            Setting("k = d active", 8, 1, 0.3, 8, draws),
            Setting("two active, counted as one", 4, 1, 0.3, 24, draws),
            Setting("one-hot z", 8, 1, 0.3, 8, draws),
        ]

    def measure(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Build a covering, measure on fresh points what it covers, and compare its size with the floor there."""
        if setting.case == "polyhedron":
            atoms = _polyhedron(setting.atoms)
            floor = bounds.atom_floor(3, 1, _covering_radius(atoms), signed=False)
            return intervals.exact(len(atoms), ">=", float(floor), samples=len(atoms))
        if setting.case == "just covering":
            return intervals.exact(even_count(setting.eps), "==", float(bounds.atom_floor(2, 1, setting.eps)))
        if setting.case == "whole number":
            return self._smallest(setting, rng)
        atoms = self._dictionary(setting, rng)
        hits = int((self._residual(setting, atoms, setting.k, rng) <= setting.eps).sum())
        sharp = setting.case.startswith(("orthogonal", "narrow"))
        compared = self._compare(setting, len(atoms), hits, "==" if sharp else ">=")
        # narrow subsets overlap near shared atoms, a few percent of their coverage: less than that in atoms
        return replace(compared, above=0.05) if setting.case.startswith("narrow") else compared

    def falsify(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Cover with more active atoms than the floor is told of, or a direction of lower dimension."""
        d = setting.d
        if setting.case == "one-hot z":
            points = one_hot(setting.draws, d, rng)
            hits = int((residual(points, np.eye(d), 1) <= setting.eps).sum())
            return self._compare(setting, d, hits)
        active = d if setting.case.startswith("k = d") else 2
        atoms = np.eye(d) if active == d else trained_lines(setting.atoms, d, rng)
        hits = int((self._residual(setting, atoms, active, rng) <= setting.eps).sum())
        return self._compare(setting, len(atoms), hits)

    def _smallest(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Smallest N whose k-subsets, each reaching a share found by sampling, could add up to half of the slice."""
        share = near_subspace_weights(setting.d, setting.k, setting.eps, setting.draws, rng).mean()
        smallest = next(n for n in count(setting.k) if comb(n, setting.k) * share >= 0.5)
        floor = bounds.atom_floor(setting.d, setting.k, setting.eps, delta=0.5)
        return intervals.exact(smallest, "==", float(floor), samples=setting.draws)

    def _dictionary(self, setting: Setting, rng: np.random.Generator) -> Floats:
        if setting.case == "even lines":
            return even_lines(setting.atoms)
        if setting.case.startswith("orthogonal"):
            return np.eye(setting.d)
        if setting.case == "maximal packing":
            return maximal_packing(float(np.arcsin(setting.eps)), setting.d, rng)
        if setting.case in ("trained lines", "narrow subsets"):
            return trained_lines(setting.atoms, setting.d, rng)
        return sphere(setting.atoms, setting.d, rng)

    def _residual(self, setting: Setting, atoms: Floats, active: int, rng: np.random.Generator) -> Floats:
        return residual(sphere(setting.draws, setting.d, rng), atoms, active, signed=setting.signed)

    def _compare(self, setting: Setting, n_atoms: int, hits: int, relation: Relation = ">=") -> Evidence:
        def log_floor(uncovered: float) -> Floats:
            return bounds.log_atom_floor(setting.d, setting.k, setting.eps, delta=uncovered, signed=setting.signed)

        return intervals.at_coverage(n_atoms, log_floor, hits, setting.draws, relation)


def _polyhedron(vertices: int) -> Floats:
    """Vertices of the best covering of the 2-sphere by 4, 6, 12 or 32 points.

    Tetrahedron, octahedron, icosahedron, and the last joined with the dodecahedron of its face centres.
    """
    if vertices == 4:
        return unit(np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=float))
    if vertices == 6:
        return np.vstack([np.eye(3), -np.eye(3)])
    golden = (1 + np.sqrt(5)) / 2
    corners = np.array([[0, a, b * golden] for a in (1, -1) for b in (1, -1)])
    icosahedron = unit(np.vstack([np.roll(corners, shift, axis=1) for shift in range(3)]))
    if vertices == 12:
        return icosahedron
    faces = ConvexHull(icosahedron).simplices
    return np.vstack([icosahedron, unit(icosahedron[faces].mean(axis=1))])


def _covering_radius(atoms: Floats) -> float:
    """Sine of the largest angle from a point of the sphere to its nearest atom; face normals are the farthest."""
    hull = ConvexHull(atoms)
    cosine = float(-hull.equations[:, 3].max())
    return float(np.sqrt(1 - cosine**2))
