"""Quality against tokens seen, drawn and as a table."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from rich.table import Table

from .curves import Comparison

_QUALITIES = {"ev": "explained variance", "recovered": "loss recovered"}


def comparison_table(found: Comparison) -> Table:
    """A line a design: where it ends, and after which share of the tokens it is as good as each other one's end."""
    text = "held-out text" if found.unseen else "text that was held out at first, but came round again"
    table = Table(title=f"after {_last(found):,} tokens, on {text}", title_justify="left")
    for head in ("design", "explained variance", "loss recovered", "columns", "units", "bits", "dead"):
        table.add_column(head, justify="left" if head == "design" else "right")
    table.add_column("share of the tokens to reach the end of ...")
    for name, points in found.curves.items():
        end = points[-1]
        lost = "-" if end.recovered is None else f"{end.recovered:.4f}"
        numbers = f"{end.ev:.4f}", lost, f"{end.columns:.1f}", f"{end.units:.1f}", f"{end.bits:.1f}", f"{end.dead:.1%}"
        others = [other for other in found.curves if other != name]
        table.add_row(name, *numbers, ", ".join(f"{other}: {_share(found, name, other)}" for other in others))
    return table


def draw_comparison(found: Comparison, path: Path) -> None:
    """Draw curves of explained variance, and of loss recovered if it was measured, against tokens; PNG.

    Raises
    ------
    ImportError
        If seaborn is not installed.
    """
    import matplotlib.pyplot as plt
    import seaborn as sns

    rows = [
        {"design": f"{name} ({points[-1].bits:.0f} bits a token)", "tokens": point.tokens, key: getattr(point, key)}
        for name, points in found.curves.items()
        for point in points
        for key in _QUALITIES
        if getattr(point, key) is not None
    ]
    frame = pd.DataFrame(rows)
    shown = [key for key in _QUALITIES if key in frame]
    figure, axes = plt.subplots(1, len(shown), figsize=(5.2 * len(shown), 4), squeeze=False, layout="constrained")
    for ax, key in zip(axes[0], shown, strict=True):
        part = frame.dropna(subset=[key])
        sns.lineplot(part, x="tokens", y=key, hue="design", style="design", markers=True, palette="colorblind", ax=ax)
        ax.set(xscale="log", xlabel="tokens seen", ylabel=f"{_QUALITIES[key]}, held-out text")
        ax.get_legend().set_title("")
        if ax is not axes[0][0]:
            ax.get_legend().remove()
    sns.despine(figure)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _last(found: Comparison) -> int:
    return max(points[-1].tokens for points in found.curves.values())


def _share(found: Comparison, name: str, other: str) -> str:
    share = found.share_needed(name, other)
    return "never" if share is None else f"{share:.0%}"
