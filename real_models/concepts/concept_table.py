"""Studies of concepts in a terminal: circles beside what permuted labels give, effects beside those of controls."""

from __future__ import annotations

from rich.table import Table

from .causal import Causal
from .circle import CircleFit, Tested
from .study import ConceptStudy

_HEADS = ("of", "units", "rank", "AUC", "recall", "precision", "in order", "predicted", "error", "R² (chance)")


def circle_table(found: ConceptStudy) -> Table:
    """A line for the activations and one for each piece of a design: how they hold the concept, and in which order."""
    labels = f"{len(found.labels)} labels on a {'circle' if found.cyclic else 'line'}"
    what = "in brackets: what permuted labels give, and the share of permutations that reach the value"
    table = Table(title=f"{found.concept}: {labels}; {what}", title_justify="left")
    for head in _HEADS:
        table.add_column(head, justify="left" if head == "of" else "right", no_wrap=head != "of")
    table.add_row("activations", *[""] * 5, *_fit(found.activations))
    for each in found.held:
        firing = each.firing
        named = str(each.units[0]) if len(each.units) == 1 else f"{len(each.units)} units"
        numbers = (
            ("",) * 3 if firing is None else tuple(f"{v:.3f}" for v in (firing.auc, firing.recall, firing.precision))
        )
        fit = ("-",) * 4 if each.circle is None else _fit(each.circle)
        table.add_row(f"{each.design}, {each.how}", named, str(each.rank), *numbers, *fit)
    return table


def causal_table(found: Causal, concept: str, battery: str) -> Table:
    """A line a change and subspace: what the model still says."""
    base = f"nothing changed: any label {found.mass.value:.3f}, the right one {found.right.value:.3f}"
    wiped = f"labels wiped out: {found.wiped_mass:.3f} and {found.wiped_right:.3f}"
    table = Table(title=f"{concept}, {battery}; {base}; {wiped}", title_justify="left")
    for head in ("change", "in", "rank", "any label", "right label, or moved as far", "less the first's"):
        table.add_column(head, justify="left" if head in ("change", "in") else "right")
    order = list(dict.fromkeys(effect.what for effect in found.effects))
    for effect in sorted(found.effects, key=lambda each: order.index(each.what)):
        right, lead = effect.right, effect.lead
        table.add_row(
            effect.what,
            effect.arm,
            str(effect.rank),
            f"{effect.mass.value:.3f}",
            f"{right.value:.3f} [{right.low:.3f}, {right.high:.3f}]",
            "" if lead is None else f"{lead.value:+.3f} [{lead.low:+.3f}, {lead.high:+.3f}]",
        )
    return table


def _fit(fit: CircleFit) -> tuple[str, ...]:
    return _tested(fit.score), _tested(fit.predicted), f"{fit.steps:.2f} labels", f"{fit.fit:.2f} ({fit.fit_null:.2f})"


def _tested(each: Tested) -> str:
    return f"{each.value:.2f} ({each.null:.2f}, {each.p:.2g})"
