"""What limits a design, in one sentence: the first rule of a table that its gaps to truth, chance and theory meet.

The order of the rules is that of causes. Too small a budget spoils the geometry, wrong geometry the gates, and wrong
gates the amplitudes; what comes first explains what comes after.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

Limit = Literal["budget", "optimisation", "geometry", "gating", "nothing", "unknown"]

LARGE = 0.2
"""A gap of this share of the way from the truth to chance limits a design."""

SMALL = 0.1
"""A seed whose gap is smaller found the truth; a value that is nearer to its floor is at it."""

ENOUGH = 0.8
"""Share of the features in a row that must find a unit of their own among those that fire."""


class Standing(NamedTuple):
    """A metric's value for a design and what to compare it with.

    Attributes
    ----------
    value : float
        For the design, mean over seeds.
    null : float or None
        Of random dictionaries, mean of theirs.
    oracle : float or None
        Of the true subspaces.
    floor : float or None
        What theory says a design of this form cannot pass.
    seeds : tuple of float
        The design's values seed by seed, if they are known.
    """

    value: float
    null: float | None = None
    oracle: float | None = None
    floor: float | None = None
    seeds: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is known about a design in a world.

    Attributes
    ----------
    metrics : mapping of str to Standing
        By name, as many as were measured.
    units, columns : int
        Of the design.
    features, dimensions : int
        Of the world: number of features, and the sum of their dimensions.
    """

    metrics: Mapping[str, Standing]
    units: int
    columns: int
    features: int
    dimensions: int

    def value(self, name: str) -> float:
        """A metric's value; NaN if it was not measured."""
        return self.metrics[name].value if name in self.metrics else np.nan

    def oracle(self, name: str) -> float:
        """A metric's value for the truth; NaN if it was not measured."""
        return _number(self.metrics[name].oracle) if name in self.metrics else np.nan

    def gap(self, name: str) -> float:
        """``(oracle - value) / (oracle - null)``: 0 like the truth, 1 like chance, negative beyond the truth.

        NaN if one of them is missing or chance does no worse than the truth. For metrics of which more is better.
        """
        return self._way(name, self.oracle(name), self.value(name))

    def best_gap(self, name: str) -> float:
        """The gap of the best of the seeds; NaN if there are none."""
        seeds = self.metrics[name].seeds if name in self.metrics else ()
        return self._way(name, self.oracle(name), max(seeds)) if seeds else np.nan

    def left(self, name: str) -> float:
        """``(floor - value) / (oracle - null)``: 0 where theory allows no better; NaN if one of them is missing."""
        return self._way(name, _number(self.metrics[name].floor), self.value(name)) if name in self.metrics else np.nan

    @property
    def live(self) -> float:
        """Number of units that fire at all; all of them if ``dead`` was not measured."""
        dead = self.value("dead")
        return self.units if np.isnan(dead) else round(self.units * (1 - dead))

    def _way(self, name: str, goal: float, value: float) -> float:
        """Distance to a goal as a share of the way from chance to the truth."""
        way = self.oracle(name) - _number(self.metrics[name].null) if name in self.metrics else np.nan
        return (goal - value) / way if way > 0 else np.nan


class Rule(NamedTuple):
    """One line of the table.

    Attributes
    ----------
    limit : Limit
        What limits the design.
    applies : callable
        Whether the rule is met; comparisons with what was not measured (NaN) are not.
    sentence : callable
        What to say, with the numbers it follows from.
    """

    limit: Limit
    applies: Callable[[Case], bool]
    sentence: Callable[[Case], str]


class Diagnosis(NamedTuple):
    """What limits a design, and the sentence that says why."""

    limit: Limit
    sentence: str


def _number(value: float | None) -> float:
    return np.nan if value is None else value


def _against(case: Case, name: str) -> str:
    value, null, oracle, *_ = case.metrics[name]
    return f"{name} {value:.2f} (truth {oracle:.2f}, chance {null:.2f})"


_NEEDED = ("recovery", "support_f1", "ev")

RULES: tuple[Rule, ...] = (
    Rule(
        "budget",
        lambda c: c.units < c.features,
        lambda c: f"it has {c.units} units for {c.features} features",
    ),
    Rule(
        "budget",
        lambda c: c.columns < c.dimensions,
        lambda c: f"it has {c.columns} columns for features of {c.dimensions} dimensions in all",
    ),
    Rule(
        "budget",
        lambda c: c.live < c.features,
        lambda c: f"of {c.units} units only {c.live:g} ever fire, for {c.features} features",
    ),
    Rule(
        "budget",
        lambda c: c.value("l0_units") < ENOUGH * c.oracle("l0_units"),
        lambda c: (
            f"{c.value('l0_units'):.1f} units fire in a row where {c.oracle('l0_units'):.1f} features are present"
        ),
    ),
    Rule(
        "optimisation",
        lambda c: c.best_gap("recovery") < SMALL and c.gap("recovery") >= LARGE,
        lambda c: (
            f"its best seed finds the subspaces and others do not: recovery {min(c.metrics['recovery'].seeds):.2f} to "
            f"{max(c.metrics['recovery'].seeds):.2f} over seeds"
        ),
    ),
    Rule(
        "geometry",
        lambda c: c.left("recovery") < SMALL <= c.gap("recovery"),
        lambda c: (
            f"units of its form cannot hold the features: recovery {c.value('recovery'):.2f} is about what theory "
            f"allows ({c.metrics['recovery'].floor:.2f})"
        ),
    ),
    Rule(
        "geometry",
        lambda c: c.gap("recovery") >= LARGE and c.gap("capture") >= LARGE and not c.gap("purity") >= LARGE,
        lambda c: f"its units span too little of each feature: {_against(c, 'capture')}",
    ),
    Rule(
        "geometry",
        lambda c: c.gap("recovery") >= LARGE and c.gap("purity") >= LARGE and not c.gap("capture") >= LARGE,
        lambda c: f"its units span more than one feature: {_against(c, 'purity')}",
    ),
    Rule(
        "geometry",
        lambda c: c.gap("recovery") >= LARGE,
        lambda c: f"its units do not span the features: {_against(c, 'recovery')}",
    ),
    Rule(
        "gating",
        lambda c: c.gap("support_f1") >= LARGE,
        lambda c: f"its subspaces are right but fire in the wrong rows: {_against(c, 'support_f1')}",
    ),
    Rule(
        "optimisation",
        lambda c: c.gap("ev") >= LARGE,
        lambda c: f"its subspaces and gates are right, its amplitudes are not: {_against(c, 'ev')}",
    ),
    Rule(
        "nothing",
        lambda c: all(c.gap(name) < LARGE for name in _NEEDED),
        lambda c: f"it stands near the truth in {', '.join(_NEEDED)}; {_against(c, 'recovery')}",
    ),
)
"""In the order in which they are tried."""


def diagnose(case: Case) -> Diagnosis:
    """Say what limits a design: the first of :data:`RULES` that it meets.

    Where no rule is met because something was not measured, the answer says what. The limit is the first that shows,
    not the only one: mend it and measure again.
    """
    for rule in RULES:
        if rule.applies(case):
            return Diagnosis(rule.limit, f"{rule.limit.capitalize()}: {rule.sentence(case)}.")
    missing = [name for name in _NEEDED if np.isnan(case.gap(name))]
    return Diagnosis("unknown", f"Unknown: not measured beside truth and chance: {', '.join(missing)}.")
