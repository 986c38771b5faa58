"""Labels in the plane of the first two principal components of their means, in activations and in pieces of designs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .circle import CircleFit
from .study import ConceptStudy


def draw_concepts(studies: Sequence[ConceptStudy], path: Path) -> None:
    """Draw a row of planes for each concept; PNG. Lines join labels that follow one another.

    Raises
    ------
    ImportError
        If seaborn is not installed.
    """
    import matplotlib.pyplot as plt
    import seaborn as sns

    rows = [[("activations", each.activations), *_pieces(each)] for each in studies]
    across = max(map(len, rows))
    with sns.axes_style("white"):
        figure, axes = plt.subplots(
            len(rows), across, figsize=(3.4 * across, 3.4 * len(rows)), squeeze=False, layout="constrained"
        )
    for line, study, found in zip(axes, studies, rows, strict=True):
        for ax in line[len(found) :]:
            ax.set_axis_off()
        for ax, (title, fit) in zip(line, found, strict=False):
            _draw(ax, fit, study)
            ax.set_title(f"{study.concept}: {title}\n{_told(fit)}", fontsize=8)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _pieces(found: ConceptStudy) -> list[tuple[str, CircleFit]]:
    return [(f"{each.design}, {each.how}", each.circle) for each in found.held if each.circle is not None]


def _told(fit: CircleFit) -> str:
    return f"{fit.score.value:.0%} in order (chance {fit.score.null:.0%}, p = {fit.score.p:.2g})"


def _draw(ax: Any, fit: CircleFit, found: ConceptStudy) -> None:
    import seaborn as sns

    scale = np.abs(fit.plane).max()
    x, y = (fit.plane / scale).T
    joined = [*range(len(x)), 0] if found.cyclic else [*range(len(x))]
    ax.plot(x[joined], y[joined], color="0.75", linewidth=1, zorder=1)
    hues = sns.husl_palette(len(x)) if found.cyclic else sns.color_palette("viridis", len(x))
    ax.scatter(x, y, c=hues, s=28, zorder=2, edgecolor="0.2", linewidth=0.5)
    for label, *place in zip(found.labels, x, y, strict=True):
        ax.annotate(label[:4], place, textcoords="offset points", xytext=(4, 4), fontsize=7)
    ax.set(xlim=(-1.3, 1.3), ylim=(-1.3, 1.3), xticks=[], yticks=[], aspect="equal")
    ax.set_xlabel("first component", fontsize=7)
    ax.set_ylabel(f"second; both hold {fit.share:.0%} of the energy", fontsize=7)
