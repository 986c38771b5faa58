"""The learning rate, and the coefficient of a design that has one, by the same small search for every design.

All trials of a design in a world run on one held-out seed, of which no ranked run sees anything. Among those that keep
to the budget of active columns (units, bits), the one that is best by the tier's metric is chosen; of those that are as
good as the best, for all that one run can tell, the one nearest to the middle of the search. The search is the same for
all, not exhaustive: a choice at its edge may lie short of the design's best, and a design with a coefficient gets a
trial for each pair of rate and factor (12 in the tiers of this package), others one for each rate (4). Trials stay in
the records of the runs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

from sasa_theory.metrics import METRICS

from .budgets import Match, Size
from .entrants import Entrant
from .records import Record
from .suites import Tier

SLACK = 1.1
"""How many times its budget a design may spend and still count as keeping to it."""

AS_GOOD = 0.005
"""Loss against the best trial, as a share of it, that one run cannot tell from none."""

_SPENT = {"columns": "l0_columns", "units": "l0_units", "bits": "l0_bits"}
"""Metric of what a design spends, by what sizes agree in."""


class Choice(NamedTuple):
    """A learning rate and a multiple of the coefficient; None where there is nothing to choose."""

    lr: float | None
    factor: float | None


def grid(entered: Entrant, tier: Tier) -> tuple[Choice, ...]:
    """What is tried; nothing where nothing is trained."""
    if not entered.trains:
        return ()
    factors = tier.factors if entered.coefficient is not None else (None,)
    return tuple(Choice(lr, factor) for lr, factor in product(tier.rates, factors))


def needed(tier: Tier, match: Match) -> tuple[str, ...]:
    """Metrics by which is chosen."""
    return tier.chosen_by, _SPENT[match]


def choose(trials: Mapping[Choice, Record], size: Size, tier: Tier, match: Match) -> Choice:
    """The best of those within the budget, or as good and nearer the middle of the search.

    If none is within it, the one that spends least; if all failed, the lowest rate.
    """
    alive = {tried: record for tried, record in trials.items() if not record.failed}
    if not alive:
        return min(trials, key=lambda tried: (tried.lr or 0.0, tried.factor or 0.0))
    within = [tried for tried in alive if spent(alive[tried], size, match) <= SLACK]
    if not within:
        return min(alive, key=lambda tried: spent(alive[tried], size, match))
    best = max(_goodness(alive[tried], tier.chosen_by) for tried in within)
    least = best - AS_GOOD * abs(best) if math.isfinite(best) else best
    return min(
        (tried for tried in within if _goodness(alive[tried], tier.chosen_by) >= least),
        key=lambda tried: (_off_centre(tried, tier), -_goodness(alive[tried], tier.chosen_by)),
    )


def spent(record: Record, size: Size, match: Match) -> float:
    """Active columns (units, bits) of a design over those of a size: 1 keeps to it exactly; NaN if not measured."""
    budget = {"columns": float(size.active_columns), "units": float(size.active), "bits": size.bits}[match]
    value = record.value(_SPENT[match])
    if budget:
        return value / budget
    return 1.0 if value == 0 else value * math.inf


def outcome(trials: Mapping[Choice, Record], size: Size, tier: Tier, match: Match) -> str:
    """What was chosen among how many, and what is doubtful about it: the edge of the search, the budget, failures."""
    chosen = choose(trials, size, tier, match)
    found = [_place("lr", chosen.lr, tier.rates)]
    if chosen.factor is not None:
        found.append(_place("factor", chosen.factor, tier.factors))
    said = f"{', '.join(found)}, chosen among {len(trials)} trials"
    if trials[chosen].failed:
        return f"{said}, of which every one failed"
    return f"{said}, of which none keeps to the budget" if spent(trials[chosen], size, match) > SLACK else said


def report(trials: Mapping[Choice, Record], metrics: Sequence[str]) -> tuple[dict[str, Any], ...]:
    """What came of each trial, for the records of the runs."""
    return tuple(
        {**tried._asdict(), **{name: record.value(name) for name in metrics}} for tried, record in trials.items()
    )


def _place(name: str, value: float | None, tried: Sequence[float]) -> str:
    edge = len(tried) > 1 and value in (min(tried), max(tried))
    return f"{name} {value:.3g}{' (at the edge of the search)' if edge else ''}"


def _off_centre(tried: Choice, tier: Tier) -> float:
    """Steps of the search away from its middle, rate and factor together."""
    along = ((tier.rates, tried.lr), (tier.factors, tried.factor))
    return sum(abs(values.index(value) - (len(values) - 1) / 2) for values, value in along if value in values)


def _goodness(record: Record, metric: str) -> float:
    value = record.value(metric)
    if math.isnan(value):
        return -math.inf
    return -value if METRICS[metric].direction == "lower" else value
