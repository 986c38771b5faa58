"""What the demonstration found, as tables and verdicts: each number beside chance and truth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from rich.table import Table
from scipy import stats

from .demo import Found

CHANCE = 0.01
"""p below which units count as lying along circles."""

LEVEL = 0.95
"""Of intervals over seeds."""

SHOWN = {
    "units_90": "units a clock",
    "units_entropy": "units a clock, by energy",
    "units_at_once": "units at once",
    "capture": "capture of the clock's subspace",
    "recovery": "recovery of it",
    "exact_dimension": "dimension found",
    "mixture": "mixture index",
    "separability": "separability, bits",
    "irreducibility": "irreducibility, bits",
    "served": "clocks served",
    "ev": "explained variance",
    "l0_columns": "active columns",
    "l0_bits": "bits of the support",
}
"""Metrics in the table, by name."""


class Interval(NamedTuple):
    """A mean over seeds with Student's interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.2f} [{self.low:.2f}, {self.high:.2f}]" if not math.isnan(self.mean) else "-"


class Verdict(NamedTuple):
    """An expectation and what was found.

    Attributes
    ----------
    claim, measured, expected : str
        In words and numbers.
    holds : bool
        Whether it does.
    """

    claim: str
    measured: str
    expected: str
    holds: bool


def over_seeds(values: Sequence[Sequence[float]]) -> Interval:
    """Mean over seeds of the mean over clocks, undefined ones left out, with an interval at :data:`LEVEL`."""
    means = np.array([_mean(one) for one in values])
    means = means[~np.isnan(means)]
    if len(means) < 2:
        return Interval(_mean(means.tolist()), math.nan, math.nan)
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(means) - 1) * means.std(ddof=1) / math.sqrt(len(means)))
    centre = float(means.mean())
    return Interval(centre, centre - half, centre + half)


def alone(found: Found, name: str) -> float:
    """Share of clocks, over all seeds, that one unit of a design holds: that it serves with ``units_90`` of 1."""
    return _mean([float(one == 1) for seed in found.values[name]["units_90"] for one in seed])


def verdicts(found: Found) -> list[Verdict]:
    """The expectations, in order."""
    sasa, *others = found.values
    group, *arms = found.moved
    units = over_seeds(found.values[sasa]["units_90"])
    fewest = min((min(_mean(seed) for seed in found.values[name]["units_90"]), name) for name in others)
    turned = over_seeds(found.moved[group])
    rivals = [arm for arm in arms if arm == "random subspace" or (arm.startswith("TopK") and "same energy" not in arm)]
    best = max((max(_mean(seed) for seed in found.moved[arm]), arm) for arm in rivals)
    worst = min(_mean(seed) for seed in found.moved[group])
    capture = over_seeds(found.values[sasa]["capture"])
    dimension = over_seeds(found.values[sasa]["exact_dimension"])
    apart = found.separated[sasa]
    found_verdicts = [
        Verdict(
            "the transformer adds on all clocks",
            f"{found.accuracy:.3f} of unseen sums",
            ">= 0.98",
            found.accuracy >= 0.98,
        ),
        Verdict(
            f"{sasa} holds a clock in one group",
            f"{units} groups, one in {alone(found, sasa):.0%}",
            "<= 1.1 groups",
            units.mean <= 1.1,
        ),
        Verdict(
            "vector designs split it, in each seed",
            f"{fewest[0]:.2f} atoms ({fewest[1]})",
            ">= 2 atoms",
            fewest[0] >= 2,
        ),
        Verdict("the group captures the clock's subspace", str(capture), ">= 0.95", capture.mean >= 0.95),
        Verdict("the group has the clock's dimension", f"{dimension} of clocks", ">= 0.9", dimension.mean >= 0.9),
        Verdict(
            "turning the circle in the group turns the answer", f"{turned} of answers", ">= 0.9", turned.mean >= 0.9
        ),
        Verdict(
            "in each seed more than as many TopK atoms or a random subspace",
            f"{worst:.2f} against {best[0]:.2f} ({best[1]})",
            "more",
            worst > best[0],
        ),
        Verdict(
            "groups lie along circles that are active one at a time",
            f"{apart.score:.2f}, turned at random {apart.null[0]:.2f} (p = {apart.p:.3f})",
            f"p <= {CHANCE:g}",
            apart.p <= CHANCE,
        ),
    ]
    for name, one in found.falsified.items():
        found_verdicts.append(
            Verdict(
                f"falsifier: {name} does not separate circles that are always active together",
                f"{one.score:.2f}, turned at random {one.null[0]:.2f} (p = {one.p:.3f})",
                f"p > {CHANCE:g}",
                one.p > CHANCE,
            )
        )
    return found_verdicts


def verdict_frame(found: Found) -> pd.DataFrame:
    """The verdicts for a notebook: one row an expectation."""
    rows = [one._asdict() | {"holds": "yes" if one.holds else "NO"} for one in verdicts(found)]
    return pd.DataFrame(rows).set_index("claim")


def verdict_table(found: Found) -> Table:
    """The verdicts for a terminal."""
    table = Table("expectation", "measured", "expected", "holds", title="Verdicts", title_justify="left")
    for claim, measured, expected, holds in verdicts(found):
        table.add_row(claim, measured, expected, "yes" if holds else "NO", style="" if holds else "bold red")
    return table


def metric_frame(found: Found) -> pd.DataFrame:
    """Metrics by design: mean over seeds and interval, a random dictionary of the same shape, the true subspaces."""
    rows = []
    for metric, title in SHOWN.items():
        row = {"metric": title}
        for name in found.values:
            row[name] = str(over_seeds(found.values[name][metric]))
            row[f"{name}, null"] = _number(_mean(found.null[name][metric]))
        row["truth"] = _number(_mean(found.oracle[metric]))
        rows.append(row)
    return pd.DataFrame(rows).set_index("metric")


def metric_table(found: Found) -> Table:
    """The same for a terminal."""
    hours = ", ".join(map(str, found.clocks))
    seeds = found.plan.seeds
    table = Table(title=f"Clocks of {hours} hours; mean of {seeds} seeds, {LEVEL:.0%} interval", title_justify="left")
    frame = metric_frame(found)
    for head in ("", *frame.columns):
        table.add_column("null" if head.endswith(", null") else head, justify="right" if head else "left")
    for title, row in frame.iterrows():
        table.add_row(str(title), *row)
    table.caption = "null: a random dictionary of the same shape. Two columns a row carry its deviation and its mean."
    return table


def moved_table(found: Found) -> Table:
    """Share of answers that moved with the circle, by arm."""
    table = Table("circle turned in", "answers moved", title="Causal test, unseen sums", title_justify="left")
    for arm, moved in found.moved.items():
        name = arm.removesuffix(": same energy")
        count = f" ({over_seeds(found.atoms[name]).mean:.1f} atoms)" if name != arm else ""
        table.add_row(arm + count, str(over_seeds(moved)))
    return table


def _mean(values: Sequence[float]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return sum(defined) / len(defined) if defined else math.nan


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"
