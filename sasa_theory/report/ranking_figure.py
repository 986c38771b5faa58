"""Rankings of designs for a notebook: as tables, and as a figure beside truth, chance and theory."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from sasa_theory.benchmark.compared import title
from sasa_theory.benchmark.comparing import Estimate
from sasa_theory.benchmark.comparison import Standings
from sasa_theory.metrics import METRICS


def ranking_frame(standings: Standings) -> pd.DataFrame:
    """One row a design, one column a metric: mean over seeds and half its 95 % interval."""
    columns = {
        title(metric): {name: _cell(found) for name, found in ranking.values.items()}
        for metric, ranking in standings.rankings.items()
    }
    order = list(dict.fromkeys(name for ranking in standings.rankings.values() for name in ranking.order))
    return pd.DataFrame(columns).reindex(order).rename_axis("design").fillna("undefined")


def comparison_frame(standings: Standings, design: str, metric: str) -> pd.DataFrame:
    """One design against each other in one metric, over paired seeds.

    Columns: advantage of ``design`` in the metric's unit, the ends of its interval (all pairs hold together), and
    whether the two are told apart.

    Raises
    ------
    ValueError
        If the design is not ranked.
    """
    ranking = standings.rankings[metric]
    rows = {}
    for other in ranking.order:
        if other == design:
            continue
        pair = ranking.between(design, other)
        found = pair.difference
        ends = (found.mean, found.low, found.high) if pair.better == design else (-found.mean, -found.high, -found.low)
        rows[other] = [*(f"{value:+.3f}" for value in ends), "yes" if pair.apart else "no"]
    return pd.DataFrame.from_dict(rows, "index", columns=["advantage", "from", "to", "told apart"]).rename_axis("over")


def draw_ranking(standings: Standings, metric: str, ax: Axes) -> Axes:
    """Draw one metric: a point with its interval for each design, best first, beside truth, chance and theory."""
    ranking, around = standings.rankings[metric], standings.around[metric]
    blue, _, green, red, *_ = sns.color_palette("colorblind")
    found = [ranking.values[name] for name in ranking.order]
    means = [each.mean for each in found]
    ends = [[each.mean - each.low for each in found], [each.high - each.mean for each in found]]
    places = range(len(found))
    ax.errorbar(means, places, xerr=ends, fmt="o", color=blue, capsize=3, label="mean, 95 % interval")
    if around.null is not None:
        ax.axvspan(*around.null, color="0.85", zorder=0, label="chance")
    if around.oracle is not None:
        ax.axvline(around.oracle, color=green, ls="-", zorder=1, label="truth")
    if around.floor is not None:
        ax.axvline(around.floor[0], color=red, ls=":", zorder=1, label="theory's limit where it is lowest")
    ax.set_yticks(places, ranking.order)
    ax.invert_yaxis()
    ax.set_xlabel(f"{title(metric)} ({METRICS[metric].unit})" if metric in METRICS else title(metric))
    ax.set_title(f"{standings.arena.name}, {ranking.seeds} seeds", fontsize="medium")
    ax.legend(frameon=False, fontsize="small", ncol=2, loc="upper center", bbox_to_anchor=(0.5, -0.15))
    return ax


def _cell(found: Estimate) -> str:
    return f"{found.mean:.3f} ± {found.high - found.mean:.3f}"
