"""D1: a subspace is learned from a number of samples that is polynomial in its dimension."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sasa_theory import bounds
from sasa_theory.bounds.validate import Floats

from . import intervals
from .contract import Chart, Claim, Effort, Evidence
from .measuring.subspaces import leading_subspace, random_bases, shared_energy


@dataclass(frozen=True)
class Setting:
    """PCA of ``samples`` inputs of a d-dimensional feature in white noise, ``runs`` times.

    ``signal`` and ``noise`` are variances per direction, ``usage`` the share of inputs on which the feature is active,
    ``gated`` whether the others are left out. ``lost`` is the share to be lost where the number of samples was
    computed for it, 0 where it was not.
    """

    case: str
    samples: int
    ambient: int
    d: int
    signal: float
    runs: int
    noise: float = 1.0
    usage: float = 1.0
    gated: bool = True
    lost: float = 0.0


class PolynomialSamples(Claim[Setting]):
    """PCA loses the predicted share of a feature's subspace, first of order ``d n / m``."""

    id = "D1"
    title = "samples for a subspace"
    statement = (
        r"E\left[\frac{1}{d} \Vert V' \hat V \Vert_F^2\right] \to \frac{1 - \gamma/\ell^2}{1 + \gamma/\ell}"
        r"\ \ (\ell > \sqrt{\gamma} = \sqrt{n/m}), \quad"
        r" E \Vert \sin\Theta \Vert_F^2 \approx \frac{d\,(n-d)\,\sigma^2 (\ell + \sigma^2)}{m\,\pi\,\ell^2}"
    )
    plain = "Learning the subspace of a d-dimensional feature takes polynomially many samples, not exp(d)."
    assumptions = (
        "Gaussian inputs, independent and of known mean",
        "equal signal variance in all directions of the feature",
        "white noise",
        "for the second form: many samples, and inactive inputs are left out",
    )
    reference = ("Johnstone & Lu (2009)", "Paul (2007)", "derived here (gating)")
    chart = Chart("samples", ("case", "ambient", "d", "signal"), "samples m", "share of the subspace lost", log_x=True)

    def grid(self, effort: Effort) -> list[Setting]:
        """The spiked model above and below its threshold, planned sample sizes, gating, and the noise-free slice."""
        quick = effort == "quick"
        runs, many, n = (80, 450, 200) if quick else (150, 3_000, 300)
        return [
            *(Setting("spiked", r * n, n, 4, ell, runs) for r, ell in ((1, 4.0), (2, 4.0), (2, 1.5), (5, 1.5))),
            *(Setting("below the threshold", m, n, 1, ell, runs) for m, ell in ((n // 2, 0.4), (4 * n, 0.26))),
            *(_planned("spiked", kept, n, 4, ell, runs) for kept, ell in ((0.6, 2.0), (0.8, 4.0))),
            *(Setting("many samples", 600, 16, d, 2.0, 4 * many // d, noise=0.5) for d in (1, 2, 4, 8)),
            *(_planned("many samples", kept, 12, d, 2.0, many) for kept, d in ((0.99, 3), (0.99, 6), (0.995, 6))),
            *(
                Setting(case, 3_000, 10, 4, 2.0, many, usage=0.3, gated=case == "gated")
                for case in ("gated", "ungated")
            ),
            *(Setting("noise-free", d, 2 * d, d, 1.0, 40, noise=0.0) for d in (2, 8, 32)),
        ]

    def falsifiers(self, effort: Effort) -> list[Setting]:
        """Inactive inputs mixed in, noise that is not white, repeated samples, and one sample less than d."""
        runs = 60 if effort == "quick" else 300
        return [
            Setting("inactive inputs mixed in", 3_000, 10, 3, 2.0, runs, usage=0.3),
            Setting("coloured noise", 600, 60, 4, 4.0, runs),
            Setting("each sample twice", 600, 60, 4, 4.0, runs),
            Setting("noise-free, d - 1 samples", 7, 16, 8, 1.0, runs, noise=0.0),
        ]

    def measure(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Average the lost share of fresh runs; the first-order form holds up to terms of order n / m."""
        lost = [_lost(setting, rng, gated=setting.gated) for _ in range(setting.runs)]
        return intervals.mean(lost, "==", _predicted(setting), tolerance=0.03)  # finite size: about 2.5 % at most here

    def falsify(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Average in the same way where the inputs are not what the prediction assumes."""
        lost = [
            _lost(
                setting,
                rng,
                gated=not setting.case.startswith("inactive"),
                coloured=setting.case.startswith("coloured"),
                copies=2 if setting.case.endswith("twice") else 1,
            )
            for _ in range(setting.runs)
        ]
        return intervals.mean(lost, "==", _predicted(setting), tolerance=0.03)


def _planned(case: str, kept: float, ambient: int, d: int, signal: float, runs: int) -> Setting:
    """As many samples as theory asks for to keep a share of the subspace; half of many samples are inactive."""
    if case == "spiked":
        noise, usage = 1.0, 1.0
        samples = bounds.spiked_samples(kept, signal, ambient)
    else:
        noise, usage = 0.5, 0.5
        samples = bounds.samples_for_error((1 - kept) * d, d, ambient, signal, noise=noise, usage=usage)
    return Setting(f"planned, {case}", round(float(samples)), ambient, d, signal, runs, noise, usage, lost=1 - kept)


def _predicted(setting: Setting) -> float:
    """Share of the subspace that theory says is lost."""
    if setting.lost:
        return setting.lost
    m, n, d, ell = setting.samples, setting.ambient, setting.d, setting.signal
    if setting.case in ("spiked", "below the threshold", "coloured noise", "each sample twice"):
        return 1 - float(bounds.spiked_cosine(ell, n, m))
    error = bounds.subspace_error(m, d, n, ell, noise=setting.noise, usage=setting.usage, gated=setting.gated)
    return float(error) / d


def _lost(setting: Setting, rng: np.random.Generator, *, gated: bool, coloured: bool = False, copies: int = 1) -> float:
    """Share of a random subspace that PCA of fresh inputs does not find: its mean squared sine."""
    n, d = setting.ambient, setting.d
    basis = random_bases(n, d, rng)[0]
    active = rng.random(setting.samples // copies) < setting.usage
    if gated:
        active = active[active]
    codes = np.sqrt(setting.signal) * rng.standard_normal((len(active), d)) * active[:, None]
    inputs: Floats = codes @ basis.T + np.sqrt(setting.noise) * rng.standard_normal((len(active), n))
    if coloured:
        inputs[:, 0] *= 4.0
    lost = 1 - float(shared_energy(basis, leading_subspace(np.repeat(inputs, copies, axis=0), d)))
    return lost if abs(lost) > 1e-12 else 0.0  # what is left of exact recovery is rounding
