"""T2: l1 training leaves the true basis along the lower-risk path, but not with an encoder that has no bias."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast, get_args

import numpy as np

from sasa_theory import bounds
from sasa_theory.bounds.validate import Floats
from sasa_theory.claims import intervals
from sasa_theory.claims.contract import Chart, Claim, Effort, Evidence
from sasa_theory.claims.measuring.exact_lasso import lasso_value
from sasa_theory.claims.measuring.geometry import even_lines, sphere
from sasa_theory.claims.measuring.true_basis import basis_with_spare, signed_basis
from sasa_theory.tolerances import SOLVER

from .amortised import amortised_risk, best_along_path, best_encoder, bias_free_floor
from .path_descent import Coder, Descent, descend
from .slice_laws import Law, LawName, slice_law

_NEAR = 0.005  # angle at which the slope at 0 is read off
_ANGLES = (0.0, _NEAR, 0.1, 0.25, 0.5, np.pi / 4, 1.05, 1.3, np.pi / 2)
_STEP = 3e-3  # angle of the finite difference for the optimal codes' slope
_COARSE = 0.02  # error of that difference: a share of _STEP / lam of the points change support within it
_NO_SLOPE = 0.1  # of the optimal codes' fall at _NEAR: the amortised fall is of higher order, so its share tends to 0
_SOME_GAIN = 0.002  # of the optimal codes' fall at pi/4: a hundred times what the optimiser leaves undone
_ENDED = 0.002  # risk above its floor that training with a learning rate falling to 0 leaves
_DRIFT = 0.25  # of the way to even atoms that the spares drift without bias: there, splitting costs and gains nothing
_RATE = 0.01


@dataclass(frozen=True)
class Setting:
    """A law of z in d dimensions, penalty ``lam``, a dictionary of ``atoms`` atoms, ``steps`` of training."""

    case: str
    d: int
    law: str
    lam: float
    atoms: int = 0
    steps: int = 0


class LowerRiskPath(Claim[Setting]):
    """What spare atoms do to the risk of the true basis: by scan of the path, and under descent from its start."""

    id = "T2"
    tags = frozenset({"trained"})
    title = "who follows the lower-risk path"
    statement = (
        r"\min_{W} E\,\frac{1}{2}\Vert x - A\,\mathrm{ReLU}(Wx) \Vert^2 + \lambda\, 1^T \mathrm{ReLU}(Wx) \geq"
        r" d\left(\frac{\sigma^2}{2}(1-s)^2 + \lambda\kappa s\right)\ \forall A,"
        r"\; s = \left(1 - \frac{\lambda\kappa}{\sigma^2}\right)_+;"
        r"\quad \frac{R_{W,b}(t) - R(0)}{R(t) - R(0)} \to 0\ (t \to 0^+),\; > 0\ (t = \frac{\pi}{4})"
    )
    plain = (
        "Optimal codes leave the true basis at first order; a ReLU encoder with bias leaves it at higher order, and"
        " training splits the feature over more directions; without bias no dictionary of any size beats the true"
        " basis, and training stays there."
    )
    assumptions = (
        "the law of z is rotation invariant; for the encoder's missing slope, even in each coordinate",
        "the atoms have length 1, the decoder has no bias",
        "the penalty is below the norm of z",
        "encoders for fixed atoms: the best that L-BFGS finds from several starts",
        "descent: full-batch Adam from copies of the true basis, moved by 0.001, learning rate 0.01 falling to 0",
    )
    reference = ("derived here", "arXiv 2606.06333")
    chart = Chart("lam", ("d", "law", "atoms"), "penalty lam", "risk, slope, or mean gauge")

    def grid(self, effort: Effort) -> list[Setting]:
        """The optimal codes' slope, scans of the path, other dictionaries without bias, descent with each coder."""
        ball, gauss = "unit sphere", "Gaussian radii"
        if effort == "fast":
            return [
                Setting("optimal codes, slope", 3, gauss, 0.3, 7),
                *(Setting("path", 2, law, 0.1, 5) for law in (ball, gauss)),
                Setting("random atoms, bias-free", 2, ball, 0.1, 12),
                Setting("even rays, bias-free", 2, ball, 0.1, 8),
                *(Setting(f"descent, {coder}", 2, ball, 0.3, 8, 500) for coder in get_args(Coder)),
            ]
        lams = (0.03, 0.1, 0.3) if effort == "quick" else (0.03, 0.1, 0.2, 0.3, 0.5)
        spares = {2: (8,), 3: (12,)} if effort == "quick" else {2: (8, 12, 16), 3: (12, 18)}
        steps = 1000 if effort == "quick" else 4000
        laws = (ball, gauss)
        return [
            *(Setting("optimal codes, slope", d, law, lam, 2 * d + 1) for d, law in ((2, gauss), (3, ball), (3, gauss))
              for lam in (0.1, 0.3, 0.6)),
            *(Setting("path", d, law, lam, 2 * d + 1) for d in (2, 3) for law in laws for lam in lams),
            *(Setting("random atoms, bias-free", d, law, 0.1, n) for d in (2, 3) for law in laws for n in (8, 24)),
            *(Setting("even rays, bias-free", 2, law, lam, n) for law in laws for lam in lams for n in (6, 12)),
            *(Setting(f"descent, {coder}", d, law, lam, n, steps) for coder in get_args(Coder) for d in (2, 3)
              for n in spares[d] for law, lam in ((ball, 0.1), (ball, 0.3), (gauss, 0.1))),
        ]  # fmt: skip

    def falsifiers(self, effort: Effort) -> list[Setting]:
        """Descent without its reasons; encoders where coordinates depend on each other; biases against the floor."""
        steps = 200 if effort == "fast" else 500
        return [
            *(Setting("no spare atom", d, "unit sphere", 0.1, 2 * d, steps) for d in (2, 3)),
            *(Setting("one-hot z", d, "one-hot", 0.1, 4 * d, steps) for d in (2, 3)),
            Setting("penalty above the norm", 2, "unit sphere", 1.2, 8, steps),
            Setting("dependent coordinates, slope", 2, "dependent", 0.1, 5),
            Setting("dependent coordinates, bias-free", 2, "dependent", 0.1, 5),
            Setting("even rays, with bias", 2, "unit sphere", 0.1, 8),
        ]

    def measure(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Scan, search for the best encoder, or train; the case says which."""
        if setting.case == "optimal codes, slope":
            return _slope_of_optimal_codes(setting)
        if setting.case == "path":
            return _scan(setting, rng)
        if setting.case.endswith("rays, bias-free"):
            return _fitted(setting, even_lines(setting.atoms, signed=False), rng, bias=False)
        if setting.case == "random atoms, bias-free":
            return replace(_fitted(setting, sphere(setting.atoms, setting.d, rng), rng, bias=False), relation=">=")
        coder = cast(Coder, setting.case.removeprefix("descent, "))
        found = _descent(setting, coder, rng)
        if coder == "bias-free":
            floor = bias_free_floor(_law(setting), setting.lam)
            evidence = intervals.exact(found.risk[-1], "==", floor, samples=setting.steps, tolerance=SOLVER)
            return replace(evidence, above=_ENDED, also=_curves(found))
        return _left_the_basis(setting, found)

    def falsify(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Ask the same of the same quantities where one reason is missing."""
        if setting.case.startswith("dependent"):
            scan = _scan(setting, rng)
            return _no_slope(scan) if setting.case.endswith("slope") else scan
        if setting.case == "even rays, with bias":
            return _fitted(setting, even_lines(setting.atoms, signed=False), rng, bias=True)
        return _left_the_basis(setting, _descent(setting, "optimal codes", rng))

    def conclude(
        self, found: Sequence[tuple[Setting, Evidence]], rng: np.random.Generator
    ) -> list[tuple[Setting, Evidence]]:
        """What each scan says of encoders with bias, and each descent of the risk, the gauge and the atoms."""
        said: list[tuple[Setting, Evidence]] = []
        for setting, evidence in found:
            if setting.case == "path":
                said.append((replace(setting, case="with bias, above optimal codes"), _above_optimal(evidence)))
                said.append((replace(setting, case="with bias, no slope"), _no_slope(evidence)))
                said.append((replace(setting, case="with bias, fall at pi/4"), _gain(evidence)))
            elif setting.case.startswith("descent"):
                said += _after(setting, evidence)
        return said


def _law(setting: Setting, *, fine: bool = False) -> Law:
    return slice_law(cast(LawName, setting.law), setting.d, fine=fine)


def _lasso_risk(law: Law, atoms: Floats, lam: float) -> float:
    return law.mean(lasso_value(law.points, atoms, lam))


def _slope_of_optimal_codes(setting: Setting) -> Evidence:
    """One-sided difference of the lasso risk against ``-E[(z_1 - lam)_+ min((z_2)_+, lam)]``, both per lam."""
    law, lam, d = _law(setting, fine=True), setting.lam, setting.d
    base, near, far = (_lasso_risk(law, basis_with_spare(d, t), lam) for t in (0.0, _STEP, 2 * _STEP))
    slope = (2 * (near - base) / _STEP - (far - base) / (2 * _STEP)) / lam
    first, second = law.points[:, 0], law.points[:, 1]
    bound = -law.mean(np.maximum(first - lam, 0) * np.clip(second, 0, lam)) / lam
    return intervals.exact(slope, "==", bound, samples=len(law.points), tolerance=_COARSE)


def _scan(setting: Setting, rng: np.random.Generator) -> Evidence:
    """Least risk of bias-free encoders on the path against their floor; ``also`` holds all three curves.

    Encoders are fitted on the coarse rule and judged on the fine one. Risks in ``also`` are per lam.
    """
    d, lam = setting.d, setting.lam
    law, fine = _law(setting), _law(setting, fine=True)
    paths = [basis_with_spare(d, t) for t in _ANGLES]
    risks = {
        name: [amortised_risk(fine, atoms, encoder, lam) for atoms, encoder in zip(paths, encoders, strict=True)]
        for name, encoders in (
            ("with_bias", best_along_path(law, d, _ANGLES, lam, rng, bias=True)),
            ("bias_free", best_along_path(law, d, _ANGLES, lam, rng, bias=False)),
        )
    }
    curves = {name: tuple(risk / lam for risk in values) for name, values in risks.items()}
    optimal = tuple(_lasso_risk(fine, atoms, lam) / lam for atoms in paths)
    evidence = intervals.exact(
        min(risks["bias_free"]), "==", bias_free_floor(fine, lam), samples=len(paths), tolerance=SOLVER
    )
    return replace(evidence, also={"t": _ANGLES, "optimal": optimal, **curves})


def _fitted(setting: Setting, atoms: Floats, rng: np.random.Generator, *, bias: bool) -> Evidence:
    """Risk of the best encoder for these atoms against the floor of those without bias."""
    law, fine = _law(setting), _law(setting, fine=True)
    encoder = best_encoder(law, atoms, setting.lam, rng, bias=bias)
    risk = amortised_risk(fine, atoms, encoder, setting.lam)
    return intervals.exact(risk, "==", bias_free_floor(fine, setting.lam), tolerance=SOLVER)


def _curve(evidence: Evidence, name: str) -> Floats:
    return np.asarray(evidence.also[name], dtype=float)


def _above_optimal(scan: Evidence) -> Evidence:
    ratio = float((_curve(scan, "with_bias") / _curve(scan, "optimal")).min())
    return intervals.exact(ratio, ">=", 1.0, samples=len(_ANGLES))


def share_of_fall(scan: Evidence) -> Floats:
    """Fall of the risk with bias from its value at angle 0, as a share of the optimal codes'; NaN at the ends."""
    fall, most = (curve[0] - curve for curve in (_curve(scan, "with_bias"), _curve(scan, "optimal")))
    inside = np.arange(len(most)) % (len(most) - 1) > 0  # at both ends the spare is a copy and nothing falls
    return np.divide(fall, most, out=np.full_like(fall, np.nan), where=inside)


def _no_slope(scan: Evidence) -> Evidence:
    return intervals.exact(float(share_of_fall(scan)[_ANGLES.index(_NEAR)]), "<=", _NO_SLOPE)


def _gain(scan: Evidence) -> Evidence:
    return intervals.exact(float(share_of_fall(scan)[_ANGLES.index(np.pi / 4)]), ">=", _SOME_GAIN)


def _descent(setting: Setting, coder: Coder, rng: np.random.Generator) -> Descent:
    return descend(_law(setting), setting.atoms, setting.lam, coder, rng, steps=setting.steps, lr=_RATE)


def _curves(found: Descent) -> dict[str, float | tuple[float, ...]]:
    """A descent for ``also``; in the plane with the atoms' directions at the end, in degrees."""
    curves: dict[str, float | tuple[float, ...]] = {
        name: getattr(found, name) for name in found._fields if name != "dictionary"
    }
    if found.dictionary.shape[1] == 2:
        curves["ends"] = tuple(np.degrees(np.arctan2(*found.dictionary.T[::-1])).tolist())
    return curves


def _reach(d: int, atoms: int) -> float:
    """Least mean gauge of any dictionary of this size: even rays in the plane, a floor on the sphere."""
    return float(bounds.polygon_gauge(atoms) if d == 2 else bounds.gauge_floor(atoms, d))


def _left_the_basis(setting: Setting, found: Descent) -> Evidence:
    """Mean gauge at the end against the middle between the true basis and the least that twice as many atoms reach."""
    d, end = setting.d, found.gauge[-1]
    basis = float(bounds.true_basis_gauge(d))
    middle = (basis + _reach(d, 4 * d)) / 2
    # share of the way from the true basis to the least that as many atoms can have
    way = (basis - end) / (basis - _reach(d, setting.atoms)) if setting.atoms > 2 * d else 0.0
    return replace(intervals.exact(end, "<=", middle, samples=setting.steps), also={**_curves(found), "way": way})


def _after(setting: Setting, evidence: Evidence) -> list[tuple[Setting, Evidence]]:
    """What else a descent must show: gauge above its floor, a risk that fell, more directions than the basis has."""
    d, lam, kind = setting.d, setting.lam, setting.case.removeprefix("descent, ")
    basis, reach = float(bounds.true_basis_gauge(d)), _reach(d, setting.atoms)
    gauge, risk, directions = (float(_curve(evidence, name)[-1]) for name in ("gauge", "risk", "directions"))
    if kind == "bias-free":
        stays = intervals.exact(gauge, ">=", basis - _DRIFT * (basis - reach))
        return [(replace(setting, case="stays at the true basis, bias-free"), stays)]
    start = _lasso_risk(_law(setting), signed_basis(d), lam)
    return [
        (replace(setting, case=f"least gauge, {kind}"), intervals.exact(gauge, ">=", reach)),
        (replace(setting, case=f"risk falls, {kind}"), intervals.exact(risk, "<=", start)),
        (replace(setting, case=f"directions in use, {kind}"), intervals.exact(directions, ">=", 2 * d + 1)),
    ]
