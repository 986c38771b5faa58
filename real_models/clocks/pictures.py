"""Pictures of the demonstration: how units tile one clock, and how far answers move with its circle."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
import torch
from matplotlib.figure import Figure
from torch import Tensor

from sasa_theory.designs.contract import Design

from .demo import Found
from .rotation import of_units, ranked
from .verdicts import over_seeds
from .world import ClockWorld

_DRAWN = 8  # units in a picture
_LEAST = 0.02  # share of the largest unit's energy below which a unit is not drawn


def tiling(found: Found, world: ClockWorld, i: int) -> Figure:
    """Clock i in the plane of its class means, and in it the units of each design that add most on its inputs.

    An atom is an arrow along its direction, as long as what it adds at most. A group spans the plane: drawn is what it
    makes of the class means.
    """
    clocks = world.taught.lesson.clocks
    x, basis = world.x[clocks.clock == i], world.basis(i)[:2]
    centre = x.mean(dim=0)
    points, hours = (x - centre) @ basis.mT, clocks.sum[clocks.clock == i]
    means = (world.means(i) - centre) @ basis.mT
    figure, axes = plt.subplots(1, len(found.designs), figsize=(4 * len(found.designs), 4.3), layout="constrained")
    for ax, (name, design) in zip(axes, found.designs.items(), strict=True):
        ax.scatter(*points.mT, c=hours, cmap="twilight", s=5, alpha=0.5, linewidths=0)
        ax.plot(*torch.cat([means, means[:1]]).mT, color="0.6", linewidth=0.8, zorder=1)
        for hour, point in enumerate(means.tolist()):
            ax.annotate(str(hour), point, ha="center", va="center", fontsize=8)
        for k, (colour, marker) in zip(_drawn(design, x), _styles(), strict=False):
            added = of_units(design, [k])(x) @ basis.mT
            if int((design.units() == k).sum()) == 1:
                tip = added[added.norm(dim=1).argmax()].tolist()
                ax.annotate(
                    "", tip, (0, 0), arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 1.8, "shrinkB": 0}
                )
            else:
                made = torch.stack([added[hours == hour].mean(dim=0) for hour in range(clocks.hours[i])])
                made = made - added.mean(dim=0)
                ax.plot(*torch.cat([made, made[:1]]).mT, color=colour, marker=marker, linewidth=1.8, markersize=6)
        ax.axhline(0, color="0.9", linewidth=0.6, zorder=0)
        ax.axvline(0, color="0.9", linewidth=0.6, zorder=0)
        needed = found.values[name]["units_90"][0][found.clocks.index(clocks.hours[i])]
        held = f"{needed:.0f} {'unit' if needed == 1 else 'units'} for 90 %"
        ax.set(title=f"{name}: {held}", xlabel="1st direction of the class means", aspect="equal")
    axes[0].set_ylabel("2nd direction of the class means")
    sns.despine(figure)
    return figure


def turning(found: Found) -> Figure:
    """Share of answers that moved by j hours when the circle was turned by j hours, by arm, with intervals."""
    rows = [
        {"arm": arm, "moved": sum(seed) / len(seed), "kind": _kind(arm)}
        for arm, seeds in found.moved.items()
        for seed in seeds
    ]
    frame = pd.DataFrame(rows)
    figure, ax = plt.subplots(figsize=(7.5, 0.42 * len(found.moved) + 1.2), layout="constrained")
    sns.barplot(
        frame, x="moved", y="arm", hue="kind", dodge=False, errorbar=None, palette="colorblind", ax=ax, legend=False
    )
    for place, (arm, values) in enumerate(found.moved.items()):
        mean, low, high = over_seeds(values, share=True)
        ax.plot([low, high], [place, place], color="0.15", linewidth=1.6)
        name = arm.removesuffix(": same energy")
        count = f" ({over_seeds(found.atoms[name]).mean:.1f} atoms)" if name != arm else ""
        ax.annotate(f"{mean:.2f}{count}", (high + 0.015, place), va="center", fontsize=9)
    ax.set(xlim=(0, 1.3), xlabel="answers moved by as many hours as the circle was turned, share", ylabel="")
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1])
    sns.despine(figure)
    return figure


def save_pictures(found: Found, world: ClockWorld, folder: Path) -> list[Path]:
    """Both pictures as PNG: the tiling of the largest clock of at most 16 hours, whose numbers can be read."""
    hours = world.taught.lesson.clocks.hours
    shown = max((p for p in found.clocks if p <= 16), default=found.clocks[0])
    paths = []
    for name, figure in (("tiling", tiling(found, world, hours.index(shown))), ("turning", turning(found))):
        paths.append(folder / f"{name}.png")
        figure.savefig(paths[-1], dpi=150)
        plt.close(figure)
    return paths


def _drawn(design: Design, x: Tensor) -> list[int]:
    """Units that add most on some rows."""
    order = ranked(design, x).order[:_DRAWN]
    sizes = [float((added := of_units(design, [k])(x)).sub(added.mean(dim=0)).square().sum()) for k in order]
    return [k for k, size in zip(order, sizes, strict=True) if size >= _LEAST * sizes[0]]


def _styles() -> list[tuple[tuple[float, float, float], str]]:
    return list(zip(sns.color_palette("colorblind", _DRAWN), "osD^v<>P", strict=True))


def _kind(arm: str) -> str:
    return arm.partition(":")[0]
