"""An evaluation in a terminal: every number beside what chance gives."""

from __future__ import annotations

import math

from rich.table import Table

from .evaluation import Evaluation
from .spelling import Spelling

_TEXT = {True: "text that training has not read", False: "text that training has read", None: "text"}


def evaluation_table(found: Evaluation, title: str) -> Table:
    """A line a number, its value, that of chance, and what it is."""
    rows, chance = found.reconstruction, found.chance
    table = Table(title=f"{title}: {found.rows:,} activations of {_TEXT[found.unseen]}", title_justify="left")
    for head, justify in (("", "left"), ("value", "right"), ("chance", "right"), ("what it is", "left")):
        table.add_column(head, justify="right" if justify == "right" else "left")
    _add(
        table,
        "explained variance",
        rows.ev,
        chance.ev,
        "chance: a random dictionary of its sizes",
    )
    _add(table, "cosine", rows.cosine, chance.cosine, "of an activation and its reconstruction")
    _add(table, "relative norm", rows.relative_norm, chance.relative_norm, "of reconstructions; below 1: shrunk")
    _add(table, "active columns", rows.columns, chance.columns, "a token")
    _add(table, "active units", rows.units, chance.units, "a token")
    _add(table, "bits of the support", rows.bits, chance.bits, "a token: which units are active")
    _add(table, "dead units", rows.dead, chance.dead, "share that fires nowhere in these rows")
    _fidelity(table, found)
    clusters, by_chance = found.clusters, found.cluster_chance
    if clusters is not None and by_chance is not None:
        over = "over as many random directions; chance: clusters of a random dictionary"
        _add(table, "redundancy", clusters.over_null, by_chance.over_null, f"atoms a dimension in clusters, {over}")
        _add(table, "clusters", len(clusters.sizes), len(by_chance.sizes), "of more than 3 neighbouring atoms")
    if found.dimensions is not None:
        counts = ", ".join(f"{number} of {k}" for k, number in enumerate(found.dimensions.counts, 1) if number)
        most = f"units by dimensions in use: {counts}; at most {found.dimensions.most}"
        _add(table, "dimensions", found.dimensions.mean, None, most)
    if found.shapes is not None:
        what = f"(1 - M) S in bits, median of {found.shapes.number} {found.shapes.of}; chance: Gaussian points"
        _add(table, "irreducibility", found.shapes.score, found.shapes.chance, what)
        _add(
            table,
            "beyond Gaussian",
            found.shapes.above,
            0.0,
            f"share of these {found.shapes.of}",
        )
    if found.consistency is not None:
        both = found.consistency
        _add(
            table,
            "agreement of subspaces",
            both.subspaces,
            both.subspaces_null,
            "of units, with the other seed's",
        )
        _add(table, "agreement of directions", both.atoms, both.atoms_null, "of their strongest directions")
    if found.spelling is not None:
        _spelling(table, found.spelling)
    return table


def _spelling(table: Table, found: Spelling) -> None:
    absorbed, by_chance = found.absorption, found.absorption_chance
    if absorbed is not None and by_chance is not None:
        of = f"first letters of {found.words:,} words, {len(absorbed.units.classes)} letters scored"
        words = f"{of}; {absorbed.units.main:.1f} units a letter; chance: a random dictionary"
        _add(table, "absorption (units)", absorbed.units.fraction, by_chance.fraction, words)
        turned, low, high = absorbed.turned_fraction
        bases = f"; in other bases of the same units {turned:.3f} ({low:.3f} to {high:.3f})" if absorbed.turned else ""
        _add(table, "absorption (columns)", absorbed.columns.fraction, None, f"as in the literature{bases}")
    if found.probing is not None:
        for each in found.probing.budgets:
            what = f"accuracy on first letters, both answers weighing the same; columns seen: {each.columns:.3g}"
            number, unit = each.budget.number, each.budget.unit
            _add(table, f"probes, {number} {unit if number > 1 else unit[:-1]}", each.accuracy, each.null, what)
        _add(table, "probes, activations", found.probing.raw, None, "of all dimensions; chance: permuted letters")


def _fidelity(table: Table, found: Evaluation) -> None:
    if found.fidelity is None:
        return
    lost = found.fidelity
    words = f"nats a token; {lost.ce_clean.value:.3f} as it is; chance: activations set to their mean"
    _add(table, "cross-entropy", lost.ce_design.value, lost.mean.ce, words)
    for name, ablation in (("zero", lost.zero), ("mean", lost.mean)):
        value, low, high = ablation.ce_score
        interval = f"95 % interval {low:.3f} to {high:.3f} over sequences"
        _add(table, f"loss recovered ({name})", value, 0.0, interval)
    value, low, high = lost.mean.kl_score
    _add(table, "KL recovered (mean)", value, 0.0, f"95 % interval {low:.3f} to {high:.3f} over sequences")


def _add(table: Table, name: str, value: float, chance: float | None, what: str) -> None:
    table.add_row(name, _number(value), "" if chance is None else _number(chance), what)


def _number(value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:,d}" if isinstance(value, int) else f"{value:.4g}"
