"""A concept in a model and in designs of its activations: its circle, the units that hold it, and what turning does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch

from sasa_theory.bounds.validate import Floats, count
from sasa_theory.designs.contract import Design
from sasa_theory.seeds import generator_for

from ..language_model import LanguageModel
from ..results import plain
from ..sites import Site
from .causal import Arm, Causal, causal
from .circle import CircleFit, circle
from .finding import Firing, Labelled, best_unit, class_means, strongest
from .lexicon import Concept, label_tokens
from .pieces import Piece, random_subspaces, span
from .prompts import echoes, lists

UNIT, RANDOM, MEANS = "unit", "random", "plane of the means"


@dataclass(frozen=True, kw_only=True)
class Held:
    """How some units of a design hold a concept; described on sentences that had no part in choosing them.

    Attributes
    ----------
    design : str
        Its name.
    how : str
        ``unit``: the one of the highest AUC. ``equal columns`` and ``equal energy``: the units that add most more at
        labels than elsewhere, as many as have the columns of the judged design's unit, or add as much energy.
    units : tuple of int
        Which.
    rank : int
        Dimension of their span.
    firing : Firing or None
        Of a single unit.
    energy : float
        Mean squared norm of what they add at labels.
    circle : CircleFit or None
        Of the mean of what they add at each label; None where these lie on a line, as those of a single column do.
    """

    design: str
    how: str
    units: tuple[int, ...]
    rank: int
    firing: Firing | None
    energy: float
    circle: CircleFit | None


@dataclass(frozen=True, kw_only=True)
class ConceptStudy:
    """All that was found of a concept at a site.

    Attributes
    ----------
    concept : str
        Its name.
    labels : tuple of str
        Those that are single tokens.
    cyclic : bool
        Whether they form a circle.
    activations : CircleFit
        Of the mean activation at each label, no design involved.
    held : tuple of Held
        The judged design's unit first.
    lists, echoes : Causal or None
        Effects on the next label of a list, and on the label that a sentence repeats; None if not asked for.
    """

    concept: str
    labels: tuple[str, ...]
    cyclic: bool
    activations: CircleFit
    held: tuple[Held, ...]
    lists: Causal | None
    echoes: Causal | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, arrays as lists."""
        values: dict[str, Any] = plain(asdict(self))
        return values


def study(
    language: LanguageModel,
    site: Site,
    what: Concept,
    seen: Labelled,
    designs: Mapping[str, Design],
    *,
    others: Mapping[str, Piece] | None = None,
    interventions: bool = True,
    draws: int = 5,
    repeated: int = 4,
    seed: int = 0,
) -> ConceptStudy:
    """Study a concept.

    Parameters
    ----------
    language, site : LanguageModel, Site
        Where.
    what : Concept
        The concept.
    seen : Labelled
        Its activations, by :func:`~real_models.concepts.finding.gather_labelled`.
    designs : mapping of str to Design
        By name; the first is judged, the others are its rivals.
    others : mapping of str to Piece, optional
        Units of other concepts, to be changed in the place of this one's; left out if they are the same unit.
    interventions : bool
        Whether to change activations and see what the model says.
    draws : int
        Random subspaces for each rank.
    repeated : int
        Sentences used in echoes.
    seed : int
        Of random subspaces, permutations and bootstrap.

    Raises
    ------
    ValueError
        If there is no design, widths differ, or labels are not single tokens.
    """
    if not designs:
        raise ValueError("a study needs at least one design, got none")
    labels, tokens = label_tokens(language, what)
    means = class_means(torch.cat(seen.x), torch.cat(seen.labels))
    (name, design), *rivals = designs.items()
    firing, unit = best_unit(design, seen)
    held = [_held(name, UNIT, unit, seen, what, firing)]
    pieces = {}
    for rival, other in rivals:
        fires, single = best_unit(other, seen)
        held.append(_held(rival, UNIT, single, seen, what, fires))
        for how, piece in (
            ("equal columns", strongest(other, seen, number=len(unit.columns))),
            ("equal energy", strongest(other, seen, energy=held[0].energy)),
        ):
            held.append(_held(rival, how, piece, seen, what))
            pieces[f"{rival}, {how}"] = piece
    pieces |= {f"unit of {other}": piece for other, piece in (others or {}).items() if piece.units != unit.units}
    found: dict[str, Causal | None] = {"lists": None, "echoes": None}
    if interventions:
        arms = _arms(unit, pieces, means, int(count("draws", draws)), seed)
        batteries = {"lists": lists(language, what), "echoes": echoes(language, what, 1, repeated)}
        neutral = torch.cat(seen.others).mean(dim=0)
        for battery, prompts in batteries.items():
            found[battery] = causal(
                language, site, prompts, tokens, arms, means=means, neutral=neutral, cyclic=what.cyclic, seed=seed
            )
    return ConceptStudy(
        concept=what.name,
        labels=labels,
        cyclic=what.cyclic,
        activations=circle(means, cyclic=what.cyclic, seed=seed),
        held=tuple(held),
        lists=found["lists"],
        echoes=found["echoes"],
    )


def _held(design: str, how: str, piece: Piece, seen: Labelled, what: Concept, firing: Firing | None = None) -> Held:
    added = piece.added(seen.x[1])
    return Held(
        design=design,
        how=how,
        units=piece.units,
        rank=len(piece.basis),
        firing=firing,
        energy=float(added.double().square().sum(dim=1).mean()),
        circle=_circle(class_means(added, seen.labels[1]), what),
    )


def _circle(means: Floats, what: Concept) -> CircleFit | None:
    """None where there is no plane: a piece that never fires, or has one column."""
    if len(span(torch.from_numpy(means - means.mean(axis=0)))) < 2:
        return None
    return circle(means, cyclic=what.cyclic)


def _arms(unit: Piece, pieces: Mapping[str, Piece], means: Floats, draws: int, seed: int) -> dict[str, Arm]:
    """The unit, the plane of the means as the most that a plane can do, other pieces, and random subspaces."""
    centred = torch.from_numpy(means - means.mean(axis=0))
    plane = torch.linalg.svd(centred, full_matrices=False).Vh[:2]
    arms = {UNIT: Arm((unit.basis,), unit), MEANS: Arm((plane,))}
    arms |= {name: Arm((piece.basis,), piece) for name, piece in pieces.items()}
    generator = generator_for("random subspaces", seed)
    for rank in sorted({len(arm.bases[0]) for arm in arms.values() if arm.piece is not None}):
        arms[f"{RANDOM}, rank {rank}"] = Arm(
            tuple(random_subspaces(rank, means.shape[1], draws, generator)), random=True
        )
    return arms
