"""What T1's measurements say together: laws of growth, ceilings, and errors beside their floor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sasa_theory import bounds
from sasa_theory.bounds.validate import Floats

from .. import intervals
from ..contract import Evidence, Relation
from .counting import EPS, HALF
from .growth import Interval, fit_growth
from .t1_arms import Setting

Pair = tuple[Setting, Evidence]

_STEEPER = 0.15
"""By how much the rate may exceed the floor's: greedy choice among atoms that were trained for another end wastes more
of them the higher the dimension, up to a third at d = 7."""

_FLATTER = 0.05
"""By how much it may fall short: counts of two and three on a circle are known to a tenth."""

_TELLING = 3
"""Largest dimension over the smallest from which on the two laws are told apart: both fit 2 to 5 to a few percent."""


def counted(arm: Sequence[Pair]) -> tuple[Floats, Floats]:
    """Dimension and count for half of the sphere of each feature, of dimensions >= 2 at which every one has a count."""
    counts: dict[int, list[float]] = {}
    for setting, evidence in arm:
        counts.setdefault(setting.d, []).extend(_curve(evidence, "count_half"))
    whole = {d: values for d, values in counts.items() if d > 1 and np.isfinite(values).all()}
    dims = [float(d) for d, values in whole.items() for _ in values]
    return np.array(dims), np.array([count for values in whole.values() for count in values])


def laws(arm: Sequence[Pair], rng: np.random.Generator) -> list[Pair]:
    """With one atom a slice: exponential rather than a power, as steep as the floor, and at least as the limit."""
    about = arm[-1][0]
    dims, counts = counted(arm)
    growth = fit_growth(dims, counts, rng)
    floors = np.exp(bounds.log_atom_floor(dims.astype(int), 1, EPS, delta=1 - HALF, signed=about.signed))
    floor = fit_growth(dims, floors, rng).rate.value
    limit = float(bounds.rate_per_dimension(1, EPS))
    also: dict[str, float | tuple[float, ...]] = {
        "exponent": growth.exponent.value,
        "dims": tuple(np.unique(dims).tolist()),
    }
    rate = replace(_evidence(growth.rate, "==", floor, dims.size), below=_FLATTER, above=_STEEPER, also=also)
    said = [
        (replace(about, case=f"{about.case}: rate of the floor"), rate),
        (replace(about, case=f"{about.case}: rate at least its limit"), _evidence(growth.rate, ">=", limit, dims.size)),
    ]
    if dims.max() >= _TELLING * dims.min():
        misfit = _evidence(growth.misfit, "<=", 0.5, dims.size)
        said.append((replace(about, case=f"{about.case}: exponential fits better"), misfit))
    return said


def slower(arm: Sequence[Pair], one: Sequence[Pair], rng: np.random.Generator) -> list[Pair]:
    """Two atoms a slice: a smaller rate than with one, where counts at three dimensions allow a fit."""
    dims, counts = counted(arm)
    if np.unique(dims).size < 3:
        return []
    rate = fit_growth(*counted(one), rng).rate.value
    growth = fit_growth(dims, counts, rng)
    about = arm[-1][0]
    return [(replace(about, case=f"{about.case}: a smaller rate"), _evidence(growth.rate, "<=", rate, dims.size))]


def under_ceiling(arm: Sequence[Pair]) -> list[Pair]:
    """Counts for most of the sphere against a ceiling: of one atom a slice where there is a count, and for 1 < k < d.

    With k atoms it is k times the ceiling of one of k blocks. Where k = d that is d atoms, of which an orthogonal
    basis would consist, but which greedy choice among trained atoms misses by one.
    """
    said = []
    for setting, evidence in arm:
        count = max(_curve(evidence, "count_most"))
        if setting.k == 1 and np.isfinite(count):
            ceiling = bounds.atom_ceiling(setting.d, EPS, signed=setting.signed)
        elif 1 < setting.k < setting.d:
            ceiling = bounds.block_ceiling(setting.d, setting.k, EPS)
        else:
            continue
        about = replace(setting, case=f"{setting.case}: ceiling")
        said.append((about, intervals.exact(count, "<=", float(ceiling))))
    return said


def errors(arm: Sequence[Pair]) -> list[Pair]:
    """Mean squared residual with one atom a slice against the least that as many atoms can leave."""
    said = []
    for setting, evidence in (pair for pair in arm if pair[0].d > 1):
        mean, low, high, floor, samples = _curve(evidence, "distortion")
        about = replace(setting, case=f"{setting.case}: error")
        said.append((about, Evidence(">=", floor, mean, low, high, int(samples))))
    return said


def _curve(evidence: Evidence, name: str) -> tuple[float, ...]:
    values = evidence.also[name]
    assert isinstance(values, tuple)
    return values


def _evidence(found: Interval, relation: Relation, bound: float, samples: int) -> Evidence:
    return Evidence(relation, bound, found.value, found.low, found.high, samples)
