"""D2: a learner that places atoms by visiting needs as many samples as atoms, exponentially many in d."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sasa_theory import bounds
from sasa_theory.bounds.validate import Floats

from . import intervals
from .contract import Chart, Claim, Effort, Evidence, Relation
from .measuring.geometry import one_hot, residual, sphere, trained_lines
from .measuring.subspaces import random_bases
from .measuring.winner_takes_all import winner_takes_all


@dataclass(frozen=True)
class Setting:
    """A learner that sees ``samples`` inputs of a d-dimensional slice, each of which moves ``moved`` atoms.

    ``draws`` fresh directions judge it; a memorising learner is trained and judged ``runs`` times.
    """

    case: str
    d: int
    eps: float
    samples: int
    draws: int
    moved: int = 1
    signed: bool = True
    runs: int = 1


class VisitingSamples(Claim[Setting]):
    """Learners that visit need the floor's samples; one that keeps every input covers ``1 - (1 - p)^m``."""

    id = "D2"
    title = "samples for a tiling"
    statement = (
        r"m \geq \frac{N}{k} \geq \frac{1-\delta}{k\,p}, \quad"
        r" E\left[\mathrm{coverage\ of\ } m \mathrm{\ kept\ samples}\right] = 1 - (1-p)^m, \quad"
        r" p = I_{\varepsilon^2}\left(\frac{d-1}{2}, \frac{1}{2}\right)"
    )
    plain = "If an atom only gets where a sample takes it, tiling a d-dimensional feature takes exp(d) samples."
    assumptions = (
        "atoms start outside the slice and a sample moves at most k of them",
        "one atom is active per input",
        "the direction is uniform on the slice's sphere, and fresh in the test",
    )
    reference = ("derived here",)
    chart = Chart(
        "d", ("case", "eps", "moved"), "intrinsic dimension d", "samples, or (kept inputs) covered share", log_y=True
    )

    def grid(self, effort: Effort) -> list[Setting]:
        """Kept inputs, of known coverage; orthogonal lines, which attain the floor; learners that waste visits."""
        quick = effort == "quick"
        draws, runs, fresh = (400_000, 300, 400) if quick else (2_000_000, 1_000, 1_000)
        kept = ((2, 0.3, 4), (3, 0.5, 1), (3, 0.5, 8), (4, 0.5, 20), (5, 0.5, 50), (8, 0.5, 400))
        frames = ((2, 1, 1), (3, 1, 3), (4, 2, 2), (5, 1, 2), (6, 3, 2), (7, 7, 1), (8, 1, 8))
        return [
            *(Setting("kept inputs", d, eps, m, fresh, signed=signed, runs=runs)
              for d, eps, m in kept for signed in (True, False)),
            *(Setting("orthogonal lines", d, 0.6, m, draws, moved) for d, moved, m in frames),
            *(Setting("orthogonal rays", d, 0.6, m, draws, moved, signed=False) for d, moved, m in frames[:4]),
            *(Setting("random frames", d, 0.5, m, draws // 10, moved) for d, moved, m in ((4, 2, 9), (6, 3, 30))),
            *(Setting("winner takes all", d, 0.5, 10 * n, draws // 10) for d, n in ((3, 8), (4, 18), (5, 40))),
        ]  # fmt: skip

    def falsifiers(self, effort: Effort) -> list[Setting]:
        """Learn the subspace and tile it, start inside the slice, move whole frames, learn or judge on few points."""
        draws = 20_000 if effort == "quick" else 200_000
        return [
            *(Setting("subspace first, then tiled", d, 0.5, d, draws) for d in (4, 5)),
            Setting("atoms that start inside the slice", 4, 0.5, 1, draws),
            Setting("whole frames, counted as one atom", 4, 0.6, 1, draws),
            Setting("one-hot z", 8, 0.5, 64, draws),
            Setting("kept inputs, judged on themselves", 4, 0.5, 20, 20, runs=100),
        ]

    def measure(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Let the learner visit fresh inputs, then count fresh directions near its atoms."""
        d, m, moved = setting.d, setting.samples, setting.moved
        if setting.case == "kept inputs":
            return self._memorised(setting, rng, fresh=True)
        if setting.case.startswith("orthogonal"):  # each input, and what it brings along, made orthogonal to the rest
            return self._visited(setting, random_bases(d, m * moved, rng)[0].T, sphere(setting.draws, d, rng), "==")
        if setting.case == "random frames":
            atoms = np.swapaxes(random_bases(d, moved, rng, m), 1, 2).reshape(-1, d)
        else:
            atoms = winner_takes_all(sphere(m, d, rng), m // 10)
        return self._visited(setting, atoms, sphere(setting.draws, d, rng), ">=")

    def falsify(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Measure in the same way where atoms need no visit, or where few directions occur."""
        d, m = setting.d, setting.samples
        if setting.case.startswith("kept"):
            return self._memorised(setting, rng, fresh=False)
        if setting.case == "one-hot z":
            inputs, points = (one_hot(size, d, rng) for size in (m, setting.draws))
            return self._visited(setting, inputs, points, ">=")
        points = sphere(setting.draws, d, rng)
        if setting.case.startswith("subspace"):
            slice_basis = random_bases(4 * d, d, rng)[0]
            learned = np.linalg.qr((sphere(m, d, rng) @ slice_basis.T).T)[0]
            atoms, points = trained_lines(30 * d, d, rng) @ learned.T, points @ slice_basis.T
        elif setting.case.startswith("atoms"):
            atoms = sphere(60, d, rng)
        else:
            atoms = random_bases(d, d, rng)[0].T
        return self._visited(setting, atoms, points, ">=")

    def _memorised(self, setting: Setting, rng: np.random.Generator, *, fresh: bool) -> Evidence:
        """Mean covered share of dictionaries that keep their inputs."""
        d, m, eps, signed = setting.d, setting.samples, setting.eps, setting.signed
        covered = []
        for _ in range(setting.runs):
            inputs = sphere(m, d, rng)
            points = sphere(setting.draws, d, rng) if fresh else inputs
            covered.append(float((residual(points, inputs, 1, signed=signed) <= eps).mean()))
        return intervals.mean(covered, "==", float(bounds.memorising_coverage(m, d, eps, signed=signed)))

    def _visited(self, setting: Setting, atoms: Floats, points: Floats, relation: Relation) -> Evidence:
        """Samples seen beside the floor at the share that the atoms cover."""
        hits = int((residual(points, atoms, 1, signed=setting.signed) <= setting.eps).sum())

        def log_floor(uncovered: float) -> Floats:
            return bounds.log_visiting_floor(
                setting.d, setting.eps, moved=setting.moved, delta=uncovered, signed=setting.signed
            )

        return intervals.at_coverage(setting.samples, log_floor, hits, len(points), relation)
