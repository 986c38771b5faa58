"""Figures fit for a paper, as PDF, SVG and PNG: every world's ranking, and the margins of all claims."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sasa_theory.claims import Result

from .boards import Board
from .metric_notes import note

_ACROSS = 4
_FORMATS = ("pdf", "svg", "png")
_MOST = 24
"""Designs in a figure; more cannot be told apart in print."""


def paper_figures(boards: Mapping[str, Board], results: Sequence[Result]) -> dict[str, bytes]:
    """Bytes by file name: ``figures/<name>.<format>`` for each named board, and for the claims if there are any."""
    files: dict[str, bytes] = {}
    for name, board in boards.items():
        if board.metrics and len(board.entries) <= _MOST:
            files |= _formats(name, _ranking(board))
    finished = [result for result in results if result.records]
    return files | (_formats("claims", _margins(finished)) if finished else {})


def _ranking(board: Board) -> Figure:
    """A panel for each metric, a row for each design, in one order for all."""
    names = [entry.name for entry in board.entries]
    down, across = -(-len(board.metrics) // _ACROSS), min(_ACROSS, len(board.metrics))
    height = 0.9 + 0.2 * len(names)
    width, whole = 1.3 + 2.4 * across, height * down + 0.7
    figure = Figure(figsize=(width, whole))
    # by hand: to lay out by constraints would take longer than all the rest of the page
    figure.subplots_adjust(1.2 / width, 0.9 / whole, 0.99, 1 - 0.4 / whole, 0.12, 0.75 / (height - 0.6))
    axes = figure.subplots(down, across, squeeze=False, sharey=True).ravel()
    for ax, metric in zip(axes, board.metrics, strict=False):
        _panel(board, metric, names, ax)
    for ax in axes[len(board.metrics) :]:
        ax.set_axis_off()
    axes[0].set_yticks(range(len(names)), list(map(_literal, names)))
    axes[0].set_ylim(len(names) - 0.5, -0.5)
    found = [ax.get_legend_handles_labels() for ax in axes]
    handles = {label: handle for of in found for handle, label in zip(*of, strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="lower center", ncols=4, frameon=False, fontsize="small")
    figure.suptitle(
        _literal(f"{board.title}: mean over seeds and 95 % interval"), fontsize="medium", y=1 - 0.08 / whole
    )
    return figure


def _panel(board: Board, metric: str, names: Sequence[str], ax: Axes) -> None:
    """Means with intervals beside chance, truth and theory's limit."""
    ranking, around = board.compared.rankings[metric], board.compared.around[metric]
    blue, _, green, red, *_ = sns.color_palette("colorblind")
    found = [(ranking.values[name], row) for row, name in enumerate(names) if name in ranking.values]
    means = [each.mean for each, _ in found]
    ends = [[each.mean - each.low for each, _ in found], [each.high - each.mean for each, _ in found]]
    rows = [row for _, row in found]
    ax.errorbar(means, rows, xerr=ends, fmt="o", ms=4, color=blue, capsize=2, label="mean, 95 % interval")
    if around.null is not None:
        ax.axvspan(*around.null, color="0.87", zorder=0, label="chance")
    if around.oracle is not None:
        ax.axvline(around.oracle, color=green, lw=1.2, zorder=1, label="truth")
    if around.floor is not None:
        ax.axvline(around.floor[0], color=red, ls=":", zorder=1, label="theory's limit where it is lowest")
    ax.tick_params(labelsize="x-small")
    about = note(metric)
    ax.set_xlabel(_literal(f"{about.title} {about.arrow}".strip()), fontsize="x-small")


def _margins(results: Sequence[Result]) -> Figure:
    """A row for each claim: margins of its measurements and of its falsifiers."""
    blue, orange, *_ = sns.color_palette("colorblind")
    figure = Figure(figsize=(7, 0.6 + 0.22 * len(results)), layout="constrained")
    ax = figure.subplots()
    for name, colour, marker in (("measurements", blue, "o"), ("falsifiers", orange, "x")):
        points = [
            (np.clip(record.evidence.margin, -1, 1), row)
            for row, result in enumerate(results)
            for record in result.records
            if (record.task.kind == "falsify") == (name == "falsifiers")
        ]
        if points:
            x, y = zip(*points, strict=True)
            ax.scatter(x, y, s=12, color=colour, marker=marker, alpha=0.6, label=name)
    ax.axvline(0, color="0.4", lw=0.8)
    ax.set_yticks(
        range(len(results)), [f"{result.claim.id} {result.claim.title}" for result in results], fontsize="x-small"
    )
    ax.invert_yaxis()
    ax.tick_params(axis="x", labelsize="x-small")
    ax.set_xlabel("margin: relative distance from the bound, positive on its allowed side", fontsize="small")
    ax.legend(fontsize="x-small", frameon=False, loc="lower right")
    return figure


def _literal(text: str) -> str:
    """Text that matplotlib takes for no mathematics."""
    return text.replace("$", r"\$")


def _formats(name: str, figure: Figure) -> dict[str, bytes]:
    files = {}
    with mpl.rc_context({"svg.hashsalt": "sasa-theory", "pdf.fonttype": 42}):
        for kind in _FORMATS:
            held = io.BytesIO()
            dates = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {"Software": None}}
            figure.savefig(held, format=kind, dpi=150, metadata=dates[kind])
            files[f"figures/{name}.{kind}"] = held.getvalue()
    return files
