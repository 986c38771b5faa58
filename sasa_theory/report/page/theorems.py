"""The theorem board: what the evidence of ``verify`` says of each claim."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from latex2mathml.converter import convert
from markupsafe import Markup

from sasa_theory.claims import Claim, Result
from sasa_theory.claims.registry import find, select
from sasa_theory.claims.runner import Record

from .histogram import histogram
from .inputs import Evidence
from .wording import counted, number, settings

_EFFORTS = ("fast", "quick", "full")
_SIGNS = {"<=": "≤", ">=": "≥", "==": "="}


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One claim.

    Attributes
    ----------
    id, title, plain : str
        As in tables, and in one sentence.
    statement : Markup
        MathML.
    outcome : str
        ``verified``, ``violated``, ``vacuous``, ``inconclusive``; ``unfinished`` without measurements or falsifiers.
    margin : float or None
        Relative distance from the bound of the measurement to look at; None if unfinished.
    attained : float or None
        Largest relative deviation where theory says that the bound is met; None if it never is.
    worst, falsifier : str
        That measurement, and the falsifier that comes closest to passing, in words.
    counts : str
        How much was measured.
    margins : Markup
        Their histogram, as SVG.
    assumptions, reference : tuple of str
        Of the claim.
    run : str
        Effort and seed.
    """

    id: str
    title: str
    plain: str
    statement: Markup
    outcome: str
    margin: float | None
    attained: float | None
    worst: str
    falsifier: str
    counts: str
    margins: Markup
    assumptions: tuple[str, ...]
    reference: tuple[str, ...]
    run: str


def results(files: Sequence[Evidence]) -> tuple[list[tuple[Result, str]], list[str]]:
    """Every claim of the files in the order of the theory, with the run that it is from, and what was passed over.

    Of several runs of one claim the one with the most effort counts; among such, the first.
    """
    found: dict[str, tuple[int, list[Record], str]] = {}
    notes = []
    for file in files:
        by_claim: dict[str, list[Record]] = defaultdict(list)
        for record in file.records:
            by_claim[record.task.claim].append(record)
        for name, records in by_claim.items():
            task = records[0].task
            effort = _EFFORTS.index(task.effort) if task.effort in _EFFORTS else -1
            if name not in found or effort > found[name][0]:
                found[name] = (effort, records, f"{task.effort}, seed {task.seed}")
    order = [claim.id for trained in (False, True) for claim in select(trained=trained)]
    unknown = sorted(found.keys() - set(order))
    if unknown:
        notes.append(f"claims that this version does not have are left out: {', '.join(unknown)}")
    known = [name for name in order if name in found]
    return [(Result(find(name), tuple(found[name][1])), found[name][2]) for name in known], notes


def tiles(judged: Sequence[tuple[Result, str]]) -> tuple[Tile, ...]:
    """One tile a claim."""
    return tuple(_tile(result, run) for result, run in judged)


def _tile(result: Result, run: str) -> Tile:
    claim = result.claim
    inside = [r for r in result.records if r.task.kind != "falsify"]
    outside = [r for r in result.records if r.task.kind == "falsify"]
    finished = bool(inside and outside)
    deviation = result.deviation
    margins = [r.evidence.margin for r in inside], [r.evidence.margin for r in outside]
    return Tile(
        id=claim.id,
        title=claim.title,
        plain=claim.plain,
        statement=mathml(claim),
        outcome=result.outcome if finished else "unfinished",
        margin=result.closest.evidence.margin if inside else None,
        attained=None if deviation != deviation else deviation,
        worst=_words(result.closest) if inside else "nothing is measured",
        falsifier=_words(result.weakest_falsifier) if outside else "no falsifier is measured",
        counts=f"{counted(len(inside), 'measurement')}, {counted(len(outside), 'falsifier')}",
        margins=histogram(*margins),
        assumptions=claim.assumptions,
        reference=claim.reference,
        run=run,
    )


def mathml(claim: Claim[Any]) -> Markup:
    """A claim's statement as MathML, which browsers draw without a script; statements are the program's own text."""
    return Markup(convert(claim.statement, display="block"))


def _words(record: Record) -> str:
    """Where, what was measured, and the bound that it was compared with."""
    evidence = record.evidence
    where = {name: value for name, value in record.setting.items() if name != "case"}
    bound = f"{_SIGNS[evidence.relation]} {number(evidence.bound)}"
    compared = f"measured {number(evidence.measured)}, bound {bound}, {evidence.verdict}"
    return f"{record.setting.get('case', '')} ({settings(where)}): {compared}"
