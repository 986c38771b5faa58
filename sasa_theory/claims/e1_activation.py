"""E1: an input's length fixes the norm of its code up to the coherence of the active atoms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sasa_theory import bounds
from sasa_theory.bounds.validate import Floats

from . import intervals
from .contract import Chart, Claim, Effort, Evidence, Relation
from .measuring.frames import coherence, equiangular, lines_28, paley_lines, simplex, spread
from .measuring.geometry import sphere, unit
from .measuring.subspaces import random_bases


@dataclass(frozen=True)
class Setting:
    """Codes over ``atoms`` active atoms in R^width, or a frame of ``atoms`` atoms judged by its coherence.

    ``cosine`` is that of equiangular atoms, ``norm`` the length of the inputs, ``end`` the end of the interval.
    """

    case: str
    atoms: int
    width: int
    cosine: float = 0.0
    norm: float = 1.0
    end: str = "upper"
    draws: int = 1


class FeatureActivation(Claim[Setting]):
    """Code norms stay in the interval of approximate feature activation; frames are as coherent as Welch says."""

    id = "E1"
    title = "approximate feature activation"
    statement = (
        r"\frac{\Vert z \Vert^2}{1 + \varepsilon (k-1)} \leq \Vert f \Vert^2 \leq"
        r" \frac{\Vert z \Vert^2}{1 - \varepsilon (k-1)}, \quad"
        r" \max_{i \neq j} |a_i \cdot a_j| \geq \sqrt{\frac{h-n}{n\,(h-1)}}"
    )
    plain = "The norm of a code tells the length of its input only as well as the active atoms are orthogonal."
    assumptions = (
        "z is exactly a sum of at most k unit atoms",
        "any two of them have |cosine| at most eps",
        "for the coherence: h unit atoms in n dimensions",
    )
    reference = ("arXiv 2503.24277", "Welch (1974)", "derived here (k in place of the dictionary's size)")
    chart = Chart("atoms", ("case", "end"), "active atoms k, or frame size h", "code norm, or coherence", log_x=True)

    def grid(self, effort: Effort) -> list[Setting]:
        """Random and worst codes inside, equal codes on equiangular atoms at both ends; random and tight frames."""
        draws = 2_000 if effort == "quick" else 20_000
        ends = ("lower", "upper")
        return [
            *(Setting("equal codes, cosine +eps", k, k, eps, 2.5, "lower")
              for k, eps in ((2, 0.3), (2, 0.95), (4, 0.5), (8, 0.1), (16, 0.9))),
            *(Setting("equal codes, cosine -eps", k, k, -eps, 2.5)
              for k, eps in ((2, 0.3), (2, 0.95), (4, 0.3), (8, 0.1), (16, 0.05))),
            *(Setting(case, k, 64, 0.0, 3.0, end, draws)
              for case in ("random codes", "worst codes") for k in (2, 3, 5) for end in ends),
            *(Setting("orthonormal group", k, 32, 0.0, 2.0, end, draws) for k in (2, 4, 8) for end in ends),
            *(Setting(case, h, n) for case in ("random frame", "spread frame") for n, h in ((3, 6), (8, 12), (8, 64))),
            *(Setting("simplex frame", n + 1, n) for n in (2, 3, 7, 31)),
            *(Setting("Paley frame", prime + 1, (prime + 1) // 2) for prime in (5, 13, 29)),
            Setting("28 lines", 28, 7),
            Setting("orthonormal frame", 8, 8),
        ]  # fmt: skip

    def falsifiers(self, effort: Effort) -> list[Setting]:
        """More active atoms than counted, one coherent pair, a part that is not coded, a frame wider than counted."""
        return [
            Setting("twice as many active as counted", 4, 8, -0.1, 1.0),
            Setting("twice as many active as counted", 4, 8, 0.1, 1.0, "lower"),
            Setting("one pair of atoms almost parallel", 4, 4, 0.1, 1.0),
            Setting("one pair of atoms almost parallel", 4, 4, 0.1, 1.0, "lower"),
            Setting("a third of the input outside the atoms", 4, 8, 0.1, 1.0, "lower"),
            Setting("frame wider than counted", 8, 4),
        ]

    def measure(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Code inputs exactly over the given atoms; report the draw that comes nearest to the end of the interval."""
        k, n = setting.atoms, setting.width
        if setting.case.endswith(("frame", "lines")):
            sharp = not setting.case.startswith(("random", "spread"))
            return intervals.exact(
                coherence(_frame(setting, rng)), "==" if sharp else ">=", float(bounds.welch_bound(k, n))
            )
        if setting.case.startswith("equal"):
            atoms = equiangular(k, setting.cosine)[None]
            return _nearest(setting, atoms, np.ones((1, k)), abs(setting.cosine), sharp=True)
        if setting.case == "orthonormal group":
            groups = np.swapaxes(random_bases(n, k, rng, setting.draws), 1, 2)
            return _nearest(setting, groups, rng.standard_normal((setting.draws, k)), 0.0, sharp=True)
        atoms = unit(rng.standard_normal((setting.draws, k, n)))
        gram = atoms @ np.swapaxes(atoms, 1, 2)
        eps = np.abs(gram - np.eye(k)).max(axis=(1, 2))
        kept = eps < 0.95 / (k - 1)  # elsewhere the upper end is infinite, or far above any code
        extreme = np.linalg.eigh(gram)[1][:, :, 0 if setting.end == "upper" else -1]
        codes = extreme if setting.case == "worst codes" else rng.standard_normal((setting.draws, k))
        return _nearest(setting, atoms[kept], codes[kept], eps[kept])

    def falsify(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Measure in the same way where an atom, a pair or a part of the input is not accounted for."""
        k, cosine = setting.atoms, abs(setting.cosine)
        if setting.case.startswith("frame"):
            return intervals.exact(coherence(np.eye(k)), ">=", float(bounds.welch_bound(k, setting.width)))
        atoms, codes, outside = equiangular(k, cosine), np.ones((1, k)), 0.0
        if setting.case.startswith("twice"):
            atoms, codes = equiangular(2 * k, setting.cosine), np.ones((1, 2 * k))
        elif setting.case.startswith("one pair"):
            atoms[1] = unit(atoms[0] + 0.05 * atoms[1])
            codes = np.array([[1.0, -1.0 if setting.end == "upper" else 1.0, 0.0, 0.0]])
        else:
            outside = 1 / 3
        return _nearest(setting, atoms[None], codes, cosine, outside=outside)


def _frame(setting: Setting, rng: np.random.Generator) -> Floats:
    """Unit vectors by the name of their case."""
    h, n = setting.atoms, setting.width
    match setting.case:
        case "simplex frame":
            return simplex(n)
        case "Paley frame":
            return paley_lines(h - 1)
        case "28 lines":
            return lines_28()
        case "orthonormal frame":
            return np.eye(n)[:h]
        case "spread frame":
            return spread(sphere(h, n, rng))
        case _:
            return sphere(h, n, rng)


def _nearest(
    setting: Setting, atoms: Floats, codes: Floats, eps: Floats | float, *, sharp: bool = False, outside: float = 0.0
) -> Evidence:
    """Norm of the code beside an end of its interval, for the draw that leaves least room.

    The inputs are the sums of ``atoms`` (draws, k, n) that ``codes`` (draws, k) stand for, scaled to length ``norm``;
    the share ``outside`` of its square is orthogonal to all atoms. Their codes are found again by least squares.
    """
    inputs = (codes[:, None, :] @ atoms)[:, 0]
    inputs *= setting.norm * np.sqrt(1 - outside) / np.linalg.norm(inputs, axis=1, keepdims=True)
    found = (inputs[:, None, :] @ np.linalg.pinv(atoms))[:, 0]
    measured = np.linalg.norm(found, axis=1)
    lower, upper = bounds.afa_interval(setting.norm, np.broadcast_to(eps, measured.shape), setting.atoms)
    is_upper = setting.end == "upper"
    bound = upper if is_upper else lower
    room = 1 - measured / upper if is_upper else measured / lower - 1
    worst = int((-np.abs(room) if sharp else room).argmin())
    relation: Relation = "==" if sharp else "<=" if is_upper else ">="
    return intervals.exact(measured[worst], relation, bound[worst], samples=len(measured))
