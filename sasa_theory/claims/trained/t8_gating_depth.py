"""T8: three factors against two: shrinkage is less and the fall of a direction is a jump, but it does not come back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from sasa_theory import bounds, designs
from sasa_theory.bounds.validate import Floats
from sasa_theory.claims.contract import Chart, Claim, Effort, Evidence
from sasa_theory.claims.intervals import exact
from sasa_theory.designs.groups.d_gating import GatedSpectra

from .fitting import new_seed
from .planted_slices import decaying, orthogonal
from .spectra import KEPT, bracket, trained_spectra

_WIDTH = 8
_ROWS = 256
_LAST = 0.25  # singular value at which the minimum other than 0 ends
_SPINODAL = 3 * _LAST ** (1 / 3) * (1 - _LAST)  # lam / s there, 1.417
_RATIOS = {  # lam / s_1
    3: (0.1, 0.3, 0.5, 0.7, 0.9, 1.1, 1.25, 1.35, 1.46, 1.6, 1.8, 2.1),
    2: (0.1, 0.3, 0.5, 0.7, 0.9, 1.1, 1.3, 1.5, 1.7, 1.9, 2.1, 2.4),
}
_SHRINKAGE_AT = 0.5  # lam / s
_SMALL = 0.02  # by how much a trained singular value may differ from theory: a step of Adam at its full rate


@dataclass(frozen=True)
class Setting:
    """An isotropic slice of dimension d and a group of ``depth`` factors, whose singular values start at ``start``."""

    case: str
    d: int
    depth: int
    steps: int
    start: float = 1.0


class GatingDepth(Claim[Setting]):
    """A third factor trades shrinkage for a jump: where nuclear norms shrink to 0, Schatten-2/3 falls from 1/4."""

    id = "T8"
    tags = frozenset({"trained"})
    title = "three factors against two"
    statement = (
        r"\min_w\ s(1-w)^2 + \lambda w^{2/3}:\quad w^{1/3}(1-w) = \frac{\lambda}{3 s},\ w \geq \frac{1}{4},"
        r"\quad \mathrm{lost\ above\ } \lambda = 3 s \left(\frac{1}{4}\right)^{1/3} \frac{3}{4} \approx 1.417\, s"
    )
    plain = (
        "Weight decay on three factors shrinks kept directions less than a nuclear norm and drops them with a jump, in"
        " place of a slow fade."
    )
    assumptions = (
        "one group serves the slice alone, with encoder, one square factor and decoder",
        "factors start balanced, in the slice, with the map a projection: from small maps three factors fall to 0,"
        " which is a minimum at every penalty",
        "Adam at rate 0.02 falling to 0, full batches of 256 rows, 500 steps or more",
    )
    reference = ("derived here", "arXiv 2509.23898 (D-Gating)")
    chart = Chart("d", ("case", "depth"), "intrinsic dimension d", "lam / s at which a direction is lost")

    def grid(self, effort: Effort) -> list[Setting]:
        """Three factors, and two beside them, on isotropic slices."""
        steps = {"fast": 500, "quick": 600, "full": 2000}[effort]
        dims = {"fast": (2,), "quick": (1, 2, 4), "full": (1, 2, 4, 8)}[effort]
        return [Setting("isotropic", d, depth, steps) for depth in (3, 2) for d in dims]

    def falsifiers(self, effort: Effort) -> list[Setting]:
        """The curve of two factors for three; three factors from a small start."""
        steps = {"fast": 300, "quick": 500, "full": 2000}[effort]
        return [Setting("curve of two factors", 2, 3, steps), Setting("small start", 2, 3, steps, start=0.2)]

    def measure(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Train at penalties on both sides of the loss of directions, and bracket it."""
        return _lost(setting, rng, depth=setting.depth)

    def falsify(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Compare in the same way with the threshold of another depth, or from a start out of reach."""
        return _lost(setting, rng, depth=2 if setting.case == "curve of two factors" else setting.depth)

    def conclude(
        self, found: Sequence[tuple[Setting, Evidence]], rng: np.random.Generator
    ) -> list[tuple[Setting, Evidence]]:
        """Singular values against the curve; the least that is kept; shrinkage of three factors over that of two."""
        said, shrinkage = [], {}
        for setting, evidence in found:
            ratios = np.array(evidence.also["lam / s"])
            trained = np.reshape(evidence.also["singular values"], (len(ratios), -1))
            error = float(np.abs(trained - kept(ratios, setting.depth)[:, None]).max())
            curve = exact(error, "<=", _SMALL, samples=trained.size)
            said.append((replace(setting, case=f"{setting.case}: largest error of a singular value"), curve))
            if setting.depth == 3:
                least = exact(float(trained[trained > KEPT].min()), ">=", _LAST, samples=trained.size)
                said.append((replace(setting, case=f"{setting.case}: least singular value kept"), least))
            shrinkage[setting.depth] = 1 - trained[ratios == _SHRINKAGE_AT].mean()
        about = replace(found[0][0], case=f"shrinkage of three factors over that of two, lam = {_SHRINKAGE_AT:g} s")
        theory = (1 - kept(_SHRINKAGE_AT, 3)) / (1 - kept(_SHRINKAGE_AT, 2))
        ratio = exact(shrinkage[3] / shrinkage[2], "==", float(theory), samples=len(found), tolerance=_SMALL)
        return [*said, (about, ratio)]


def kept(ratio: ArrayLike, depth: int) -> Floats:
    """Singular value at the minimum that training from above ends in, by ``lam / s``; 0 where there is none but 0.

    For two factors ``1 - lam / 2s``, the soft threshold; for three the root of ``w^(1/3) (1 - w) = lam / 3s`` on
    [1/4, 1], found numerically.
    """
    ratios = np.asarray(ratio, dtype=float)
    if depth == 2:
        return np.asarray(bounds.single_group_optimum(1 / ratios.ravel(), 1.0).shrinkage.reshape(ratios.shape))
    roots = [brentq(_pull, _LAST, 1.0, args=(r,)) if r < _SPINODAL else 0.0 for r in ratios.flat]
    return np.reshape(np.array(roots, dtype=float), ratios.shape)


def _pull(w: float, ratio: float) -> float:
    return w ** (1 / 3) * (1 - w) - ratio / 3


def _lost(setting: Setting, rng: np.random.Generator, depth: int) -> Evidence:
    """``lam / s`` at which the last direction goes, against the threshold of this depth."""
    spectrum = decaying(setting.d, 0.0)
    slices = orthogonal([spectrum], [1.0], _WIDTH, rng)
    ratios = np.array(_RATIOS[setting.depth])
    members = []
    for ratio in ratios:  # the energy of the rows is d: lam = coefficient * 2 d / d
        design = designs.get(
            f"d-gating/spectra/{setting.depth}", seed=new_seed(rng), width=_WIDTH, groups=1, rank=setting.d, active=1,
            coefficient=float(ratio) / 2,
        )  # fmt: skip
        members.append(_begin(cast(GatedSpectra, design), slices.bases[0], setting.start, rng))
    rows, _ = slices.rows(_ROWS, rng)
    values = trained_spectra(members, rows, steps=setting.steps, seed=new_seed(rng))[:, 0]
    low, high = bracket(ratios, (values > KEPT).sum(axis=1).astype(float), float(setting.d))
    bound = _SPINODAL if depth == 3 else 2.0
    also = {"lam / s": tuple(ratios.tolist()), "singular values": tuple(values.ravel().tolist())}
    high = min(high, float(ratios[-1]))
    return Evidence("==", bound, float(np.sqrt(max(low, ratios[0]) * high)), low, high, len(ratios), also=also)


@torch.no_grad()
def _begin(design: GatedSpectra, basis: Floats, start: float, rng: np.random.Generator) -> GatedSpectra:
    """Put encoder and decoder into the slice with a common random turn; every factor has singular values ``start``."""
    turn = np.linalg.qr(rng.standard_normal((len(basis), len(basis))))[0]
    rows = torch.from_numpy(start * turn @ basis).to(design.encoder)
    design.encoder.copy_(rows)
    design.decoder.copy_(rows)
    for factor in design.middle:
        factor.copy_(start * torch.eye(len(basis)))
    return design
