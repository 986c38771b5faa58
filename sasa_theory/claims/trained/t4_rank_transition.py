"""T4: the rank of a trained group falls where theory says, and what is kept is shrunk by the known factor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch

from sasa_theory import bounds, designs
from sasa_theory.bounds.validate import Floats
from sasa_theory.claims.contract import Chart, Claim, Effort, Evidence
from sasa_theory.claims.intervals import exact
from sasa_theory.designs.groups.top_groups import TopGroups

from .fitting import new_seed
from .planted_slices import decaying, orthogonal
from .spectra import KEPT, bracket, trained_spectra

_WIDTH = 8
_ROWS = 256
_RATIOS = (0.2, 0.4, 0.6, 0.8, 0.9, 0.96, 1.04, 1.1, 1.25, 1.5)  # lam in units of lam*, that of the strongest direction
_SMALL = 0.01  # by how much a trained singular value may differ from theory: half a step of Adam at its full rate


@dataclass(frozen=True)
class Setting:
    """A slice of dimension d and this energy that fires with probability ``usage``, and one group of rank d.

    Variances along its directions are proportional to ``1/j^power``.
    """

    case: str
    d: int
    usage: float
    energy: float
    steps: int
    power: float = 0.0
    penalty: str = "map"
    unit: str = "sum"


class RankTransition(Claim[Setting]):
    """Trained groups keep direction j, shrunk by ``1 - lam / (2 pi sigma_j^2)``, exactly if that is positive."""

    id = "T4"
    tags = frozenset({"trained"})
    title = "rank by nuclear norm, trained"
    statement = (
        r"\sigma_j(M_{\mathrm{trained}}) = \left(1 - \frac{\lambda}{2 \pi \sigma_j^2}\right)_+,"
        r" \quad \mathrm{rank\ drops\ at\ } \lambda^* = \frac{2 \pi t^2}{d}"
    )
    plain = (
        "A trained group loses its directions at the penalty that theory names, and rare features lose theirs first."
    )
    assumptions = (
        "one group serves the slice alone from the start",
        "the penalty is on the end-to-end map, or on both factors alike; rows are free",
        "Adam at rate 0.02 falling to 0, full batches of 256 rows, 500 steps or more, from the design's random start",
        f"a direction counts as kept where its singular value exceeds {KEPT:g}",
    )
    reference = ("derived here", "arXiv 2606.06333 (objective)")
    chart = Chart("usage", ("case", "d", "energy", "penalty"), "usage pi", "lam at which the rank drops, or spectrum",
                  log_x=True, log_y=True)  # fmt: skip

    def grid(self, effort: Effort) -> list[Setting]:
        """Usages, dimensions and energies; decaying spectra; weight decay on factors; the mean over groups."""
        steps = {"fast": 500, "quick": 500, "full": 2000}[effort]
        shapes: list[tuple[int, float, float]] = [(4, 0.25, 1.0)]
        if effort != "fast":
            shapes += [(d, usage, energy) for d, energy in ((2, 1.0), (4, 4.0)) for usage in (0.0625, 0.25, 1.0)]
        if effort == "full":
            shapes += [(8, usage, energy) for usage in (0.05, 0.2, 1.0) for energy in (1.0, 9.0)]
        return [
            *(Setting("isotropic", d, usage, energy, steps) for d, usage, energy in shapes),
            Setting("decaying", 3, 0.5, 1.0, steps, power=1.0),
            *([Setting("factors", 4, 0.25, 1.0, steps, penalty="factors"),
               Setting("mean over groups", 2, 0.5, 1.0, steps, unit="mean")] if effort != "fast" else []),
        ]  # fmt: skip

    def falsifiers(self, effort: Effort) -> list[Setting]:
        """The release's penalty on the decoder alone; usage left out of lam*."""
        steps = {"fast": 300, "quick": 500, "full": 2000}[effort]
        return [
            Setting("decoder alone, unit rows", 4, 0.25, 1.0, steps, penalty="decoder"),
            Setting("usage left out", 2, 0.25, 1.0, steps),
        ]

    def measure(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Train at penalties on both sides of ``lam*`` and bracket where the last direction goes."""
        return _drop(setting, rng, usage=setting.usage)

    def falsify(self, setting: Setting, rng: np.random.Generator) -> Evidence:
        """Bracket in the same way."""
        return _drop(setting, rng, usage=1.0 if setting.case == "usage left out" else setting.usage)

    def conclude(
        self, found: Sequence[tuple[Setting, Evidence]], rng: np.random.Generator
    ) -> list[tuple[Setting, Evidence]]:
        """At how many penalties (but for those within 5 % of lam*) the rank is as predicted; how far off values are."""
        ratios = np.array(_RATIOS)
        slow = np.abs(ratios - 1) < 0.05  # so near to lam* the minimum is flat, and training still on its way
        said = []
        for setting, evidence in found:
            trained = np.reshape(evidence.also["singular values"], (len(ratios), -1))
            theory = np.reshape(evidence.also["theory"], trained.shape)
            alike = ((trained > KEPT).sum(axis=1) == (theory > KEPT).sum(axis=1))[~slow].sum()
            error = np.abs(trained - theory)[~slow].max()
            ranks = exact(float(alike), "==", float((~slow).sum()), samples=int((~slow).sum()))
            spectrum = exact(float(error), "<=", _SMALL, samples=int((~slow).sum()))
            said.append((replace(setting, case=f"{setting.case}: penalties with the predicted rank"), ranks))
            said.append((replace(setting, case=f"{setting.case}: largest error of a singular value"), spectrum))
        return said


def _drop(setting: Setting, rng: np.random.Generator, usage: float) -> Evidence:
    """Penalty at which the strongest direction goes, between the last at which it is kept and the first at which not.

    The bound is told this usage.
    """
    d, groups = setting.d, 1 if setting.unit == "sum" else 2
    spectrum = setting.energy / d * decaying(d, setting.power)
    slices = orthogonal([spectrum] * groups, [setting.usage] * groups, _WIDTH, rng)
    strongest = float(spectrum.max())
    actual = 2 * setting.usage * strongest
    lams = actual * np.array(_RATIOS)
    members = [_member(setting, float(lam) * groups if setting.unit == "mean" else float(lam), groups, rng)
               for lam in lams]  # fmt: skip
    rows, _ = slices.rows(_ROWS, rng)
    if groups > 1:
        _assign(members, slices.bases)
    values = trained_spectra(members, rows, steps=setting.steps, seed=new_seed(rng))[:, 0, :d]
    theory = np.stack([bounds.single_group_optimum(setting.usage * spectrum, lam).shrinkage for lam in lams])
    kept = (values > KEPT).sum(axis=1)
    low, high = bracket(lams, (kept > 0).astype(float), 1.0)
    high = min(high, float(lams[-1]))  # not gone at the largest penalty: at least that
    bound = float(bounds.critical_lambda(strongest, 1, usage))
    return Evidence(
        "==", bound, float(np.sqrt(max(low, lams[0]) * high)), low, high, len(lams),
        also={"lam": tuple(lams.tolist()), "rank": tuple(kept.astype(float).tolist()),
              "singular values": tuple(values.ravel().tolist()), "theory": tuple(theory.ravel().tolist())},
    )  # fmt: skip


def _member(setting: Setting, coefficient: float, groups: int, rng: np.random.Generator) -> TopGroups:
    common: dict[str, Any] = {"seed": new_seed(rng), "width": _WIDTH, "groups": groups, "rank": setting.d, "active": 1}
    common |= {"penalty": setting.penalty, "penalty_unit": setting.unit, "penalty_coefficient": coefficient}
    if setting.penalty == "decoder":  # the release's model but for its bias, which a centred slice does not need
        return cast(TopGroups, designs.get("sasa/release", **common, encoder_bias=False, auxiliary="none"))
    return cast(TopGroups, designs.get("sasa/paper", **common, balance=0.0, auxiliary="none"))


@torch.no_grad()
def _assign(members: Sequence[TopGroups], bases: tuple[Floats, ...]) -> None:
    """Turn each group's random rows into its own feature's subspace."""
    for member in members:
        for weights in (member.encoder, member.decoder):
            blocks = weights.unflatten(0, (len(bases), -1))
            turned = [block @ torch.linalg.qr(block.T)[0] @ torch.from_numpy(basis).to(block)
                      for block, basis in zip(blocks, bases, strict=True)]  # fmt: skip
            weights.copy_(torch.cat(turned))
