"""B3: no finite dictionary is optimal for the l1 price, and near-optimal ones are exponentially large."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sasa_theory import bounds
from sasa_theory.tolerances import ROUNDING, SOLVER

from . import intervals
from .contract import Chart, Claim, Effort, Evidence, Relation
from .measuring.cap_quadrature import log_atoms_for_mean, log_cap, mean_secant
from .measuring.gauges import EXACT_UP_TO, gauge, mean_gauge
from .measuring.geometry import best_cosine, even_lines, sphere, trained_lines

_TRAINED_GAP = 0.15  # k-means on the sphere needs up to 12 % more atoms than caps that tile without gap or overlap
_SEARCHED = 2.0 ** np.linspace(-6, 6, 61)  # sizes, relative to the dictionary's, between which the floor interpolates
_LEAST_EXCESS = 1e-300  # stands for a mean gauge of 1 or less, which no number of atoms reaches


@dataclass(frozen=True)
class Setting:
    """A dictionary of ``atoms`` atoms on a d-dimensional slice, or caps whose mean or edge is ``eta`` above 1."""

    case: str
    d: int
    atoms: int = 0
    eta: float = 0.0
    draws: int = 1
    signed: bool = False


class NearOptimalSize(Claim[Setting]):
    """A dictionary has at least as many atoms as its mean gauge demands."""

    id = "B3"
    title = "size of near-optimal dictionaries"
    statement = (
        r"E\,\mathrm{gauge} \geq \int \frac{dF(u)}{\sqrt{1-u}},"
        r"\; F(u) = \min\left\{1, \frac{N}{2} I_u\left(\frac{d-1}{2}, \frac{1}{2}\right)\right\};"
        r"\quad E\,\mathrm{gauge} \leq 1 + \eta \Rightarrow"
        r" N \geq \max_{0<q<1} \frac{1-q}{\mathrm{cap}_d(\mathrm{arccos}\frac{1}{1+\eta/q})}"
    )
    plain = "An l1 price within a fixed distance of its infimum takes a number of atoms that is exponential in d."
    assumptions = (
        "the direction is uniform on the slice's sphere",
        "the atoms have length 1",
        "codes are non-negative (an atom whose code may be negative counts as two)",
    )
    reference = ("derived here", "arXiv 2606.06333")
    chart = Chart("d", ("case", "signed"), "intrinsic dimension d", "atoms", log_y=True)

    def grid(self, effort: Effort) -> list[Setting]:
        """Dictionaries above both floors; even rays and single caps, which attain the first; the second by search."""
        quick = effort == "quick"
        draws = 10_000 if quick else 200_000
        high = (3, 8, 16, 64) if quick else (3, 4, 8, 16, 32, 64, 128)
        etas = {3: 1e-4, 4: 1e-3, 8: 0.03, 16: 0.2, 32: 0.3, 64: 0.7, 128: 1.5}
        large = ((5, 64), (6, 64)) if quick else ((5, 64), (5, 256), (6, 64), (6, 128))
        return [
            *(Setting("even rays", 2, n, draws=20_000) for n in (3, 4, 6, 12, 48)),
            *(Setting("even rays", 2, n, draws=20_000, signed=True) for n in (2, 3, 6, 24)),
            *(Setting("one cap", d, eta=etas[d], signed=signed) for d in high for signed in (False, True)),
            *(Setting("trained, nearest atom", d, n, draws=10 * draws) for d, n in ((3, 24), (4, 40), (5, 64))),
            *(Setting(case, d, n, signed=True) for case in ("random", "random, by Markov")
              for d, n in ((3, 16), (4, 24))),
            *(Setting(case, d, n) for case in ("trained", "trained, by Markov") for d, n in ((3, 24), (4, 40))),
            *(Setting(case, d, n, draws=draws) for case in ("trained", "trained, by Markov") for d, n in large),
            *(Setting("Markov by search", d, eta=eta) for d in (2, *high, 256) for eta in (0.01, 0.1, 0.5)),
            *(Setting("Markov by search", d, eta=0.1, signed=True) for d in (2, *high, 256)),
        ]  # fmt: skip

    def falsifiers(self, effort: Effort) -> list[Setting]:
        """Directions in a plane inside the slice, codes of both signs counted as non-negative, atoms of length 2."""
        return [
            *(Setting("2-dimensional z", d, 12) for d in (3, 6)),
            *(Setting("2-dimensional z, by Markov", d, 12) for d in (6, 8)),
            *(Setting("negative codes", 2, n, draws=20_000) for n in (3, 6, 24)),
            Setting("long atoms", 3, 24),
        ]

    def measure(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Measure a dictionary's mean gauge, or secant to the nearest atom, and ask how many atoms that demands."""
        d, n, signed, draws = setting.d, setting.atoms, setting.signed, setting.draws
        if setting.case == "Markov by search":
            log_size = log_atoms_for_mean(d, setting.eta) - (np.log(2) if signed else 0)
            bound = np.exp(bounds.log_near_optimal_floor(d, setting.eta, signed=signed))
            return intervals.exact(float(np.exp(log_size)), "==", float(bound), tolerance=SOLVER)
        if setting.case == "one cap":
            edge = float(np.arccos(1 / (1 + setting.eta)))
            size = float(np.exp(-log_cap(d, edge))) / (2 if signed else 1)
            return self._compare(setting, size, _certain(mean_secant(d, edge)), "==", SOLVER)
        if setting.case == "even rays":
            circle = even_lines(draws, signed=False)
            secants = 1 / best_cosine(circle, even_lines(n, signed=signed), signed=signed)
            return self._compare(setting, n, _certain(float(secants.mean())), "==", SOLVER)
        if setting.case == "trained, nearest atom":
            atoms = trained_lines(n, d, rng, signed=False)
            secants = 1 / best_cosine(sphere(draws, d, rng), atoms, signed=False)
            return replace(self._compare(setting, n, intervals.mean(secants, ">=", 1.0), "=="), above=_TRAINED_GAP)
        if signed:
            half = sphere(n, d, rng)
            atoms = np.vstack([half, -half])
        else:
            atoms = trained_lines(n, d, rng, signed=False)
        if d <= EXACT_UP_TO:
            return self._compare(setting, n, _certain(mean_gauge(atoms)), ">=")
        return self._compare(setting, n, intervals.mean(gauge(sphere(draws, d, rng), atoms), ">=", 1.0), ">=")

    def falsify(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Ask the same of directions in a plane, of codes that may be negative, and of atoms longer than 1."""
        n = setting.atoms
        if setting.case == "long atoms":
            return self._compare(setting, n, _certain(mean_gauge(2 * trained_lines(n, 3, rng, signed=False))), ">=")
        if setting.case == "negative codes":
            circle = even_lines(setting.draws, signed=False)
            return self._compare(setting, n, _certain(float((1 / best_cosine(circle, even_lines(n))).mean())), ">=")
        return self._compare(setting, n, _certain(mean_gauge(even_lines(n, signed=False))), ">=")

    def _compare(
        self, setting: Setting, size: float, mean: Evidence, relation: Relation, tolerance: float = ROUNDING
    ) -> Evidence:
        """Put the size of a dictionary beside the size that its measured mean gauge demands.

        The random part is the mean, so the interval of the floor is carried over to the size: at a mean m the size is
        compared as if scaled by ``floor(measured mean) / floor(m)``.
        """
        d, signed = setting.d, setting.signed
        excess = np.maximum(np.array([mean.low, mean.measured, mean.high]) - 1, _LEAST_EXCESS)
        if setting.case.endswith("Markov"):
            floors = np.exp(bounds.log_near_optimal_floor(d, excess, signed=signed))
        else:
            sizes = np.unique(np.round(np.maximum(size * _SEARCHED, 1)))
            reached = np.log(np.maximum(bounds.gauge_floor(sizes, d, signed=signed) - 1, _LEAST_EXCESS))
            floors = np.exp(np.interp(np.log(excess), reached[::-1], np.log(sizes)[::-1]))
        low, floor, high = floors.tolist()
        return Evidence(relation, floor, size, size * floor / low, size * floor / high, setting.draws, tolerance)


def _certain(mean: float) -> Evidence:
    """A mean gauge in which nothing is random."""
    return intervals.exact(mean, ">=", 1.0)
