"""A5: with one active atom the mean squared error has a floor that falls slowly with the number of atoms."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sasa_theory import bounds

from . import intervals
from .contract import Chart, Claim, Effort, Evidence, Relation
from .measuring.geometry import even_lines, one_hot, residual, sphere, trained_lines


@dataclass(frozen=True)
class Setting:
    """``atoms`` atoms on a d-dimensional slice, judged by one active atom on ``draws`` fresh inputs."""

    case: str
    d: int
    atoms: int
    draws: int
    signed: bool = True


class DistortionFloor(Claim[Setting]):
    """No dictionary of N atoms reconstructs a slice with one active atom better than the floor."""

    id = "A5"
    title = "distortion floor"
    statement = (
        r"E\,\mathrm{dist}^2 \geq \int_0^{u^*} \left(1 - N I_u\left(\frac{d-1}{2}, \frac{1}{2}\right)\right) du,"
        r" \quad N I_{u^*} = 1"
    )
    plain = "However long one trains N atoms, one active atom leaves a computable share of the feature unexplained."
    assumptions = ("z is rotation invariant on d dimensions", "one atom is active per input")
    reference = ("derived here",)
    chart = Chart("atoms", ("case", "d", "signed"), "atoms N", "mean squared relative residual", log_x=True, log_y=True)

    def grid(self, effort: Effort) -> list[Setting]:
        """Trained dictionaries, which come within a few percent, and even or single lines, which attain the floor."""
        draws = 100_000 if effort == "quick" else 1_000_000
        small = tuple((d, n) for d in (3, 5, 8) for n in (8, 16, 32))
        large = () if effort == "quick" else ((8, 256), (12, 64), (16, 64))
        return [
            *(Setting("one line", d, 1, draws) for d in (2, 3, 5, 8, 16)),
            *(Setting("one ray", d, 1, draws, signed=False) for d in (2, 3, 5, 8, 16)),
            *(Setting("even lines", 2, n, draws) for n in (2, 3, 8, 32)),
            *(Setting("even rays", 2, n, draws, signed=False) for n in (2, 3, 8, 32)),
            *(Setting("trained lines", d, n, draws) for d, n in (*small, (5, 64), (8, 64), *large)),
            *(Setting("trained rays", d, n, draws, signed=False) for d, n in ((3, 32), (4, 64))),
            *(Setting("random lines", d, 64, draws) for d in (5, 8)),
            Setting("trained, Gaussian z", 5, 64, draws),
        ]

    def falsifiers(self, effort: Effort) -> list[Setting]:
        """Two active atoms against the floor for one, and directions that fill fewer dimensions than d."""
        draws = 20_000 if effort == "quick" else 200_000
        return [
            Setting("two active, counted as one", 5, 32, draws),
            Setting("one-hot z", 8, 8, draws),
            Setting("2-dimensional z", 8, 8, draws),
        ]

    def measure(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Average the squared residual of fresh inputs; a Gaussian z is weighted by its squared length."""
        d, n, signed = setting.d, setting.atoms, setting.signed
        relation: Relation = ">="
        if setting.case.startswith("one"):
            atoms, relation = np.eye(d)[:1], "=="
        elif setting.case.startswith("even"):
            atoms, relation = even_lines(n, signed=signed), "=="
        else:
            atoms = sphere(n, d, rng) if setting.case.startswith("random") else trained_lines(n, d, rng, signed=signed)
        error = residual(sphere(setting.draws, d, rng), atoms, 1, signed=signed) ** 2
        floor = float(bounds.distortion_floor(n, d, signed=signed))
        if setting.case == "trained, Gaussian z":
            return intervals.mean(error * rng.chisquare(d, setting.draws), relation, floor * d)
        if setting.case.startswith("trained"):  # cells of a trained dictionary are nearly round: 7 % at most here
            return replace(intervals.mean(error, "==", floor), above=0.08)
        return intervals.mean(error, relation, floor)

    def falsify(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Average in the same way with a second active atom or a direction of lower dimension."""
        d, n, draws, active = setting.d, setting.atoms, setting.draws, 1
        if setting.case == "one-hot z":
            points, atoms = one_hot(draws, d, rng), np.eye(d)[:n]
        elif setting.case == "2-dimensional z":
            points, atoms = sphere(draws, 2, rng) @ np.eye(2, d), even_lines(n) @ np.eye(2, d)
        else:
            points, atoms, active = sphere(draws, d, rng), trained_lines(n, d, rng), 2
        error = residual(points, atoms, active) ** 2
        return intervals.mean(error, ">=", float(bounds.distortion_floor(n, d)))
