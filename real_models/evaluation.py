"""What can be said of a design on a language model's activations, each beside what chance gives."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sasa_theory.designs.contract import Design
from sasa_theory.designs.layer_norm import LayerNormed
from sasa_theory.designs.references.grouping import group_by_neighbours
from sasa_theory.metrics.clustering import MORE_THAN, Redundancy, redundancy
from sasa_theory.metrics.consistency import Consistency, consistency
from sasa_theory.metrics.judge import random_like
from sasa_theory.metrics.observation import Observation
from sasa_theory.metrics.reconstruction import Reconstruction
from sasa_theory.metrics.units import like_parameters
from sasa_theory.seeds import generator_for

from .activations import Activations
from .corpora import Place
from .fidelity import Fidelity, fidelity
from .harvested import gather, look
from .results import plain, write_json
from .shapes import Dimensions, Shapes, dimensions, shapes
from .spelling import WORDS, Spelling, spelling

ROWS = 20_000
"""Activations looked at unless told otherwise."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Everything that was measured; what is None does not apply or was not asked for.

    Attributes
    ----------
    rows : int
        Activations looked at.
    unseen : bool or None
        Whether training has not read the text that they come from; None if that is not known.
    reconstruction, chance : Reconstruction
        Of the design, and of a random dictionary with as many units, of as many columns, as many of them active.
    clusters, cluster_chance : Redundancy or None
        Of decoder atoms that are neighbours; of the random dictionary's.
    dimensions : Dimensions or None
        None where no unit has more than one column.
    shapes : Shapes or None
        None where no unit or cluster fires often enough.
    fidelity : Fidelity or None
        What the language model loses.
    consistency : Consistency or None
        Agreement with a second design.
    spelling : Spelling or None
        Absorption and sparse probing of words' first letters.
    """

    rows: int
    unseen: bool | None
    reconstruction: Reconstruction
    chance: Reconstruction
    clusters: Redundancy | None
    cluster_chance: Redundancy | None
    dimensions: Dimensions | None
    shapes: Shapes | None
    fidelity: Fidelity | None
    consistency: Consistency | None
    spelling: Spelling | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold; what is not defined is None."""
        told = None if self.spelling is None else self.spelling.to_dict()
        values: dict[str, Any] = plain({**asdict(self), "spelling": told})
        return values

    def write(self, path: Path) -> None:
        """Write :meth:`to_dict` as JSON."""
        write_json(path, self.to_dict())


def evaluate(
    design: Design,
    source: Activations,
    *,
    rows: int = ROWS,
    sequences: int = 64,
    place: Place | None = None,
    unseen: bool | None = None,
    other: Design | None = None,
    absorption: bool = False,
    probing: bool = False,
    words: int = WORDS,
    seed: int = 0,
) -> Evaluation:
    """Measure a design on activations.

    Parameters
    ----------
    design : Design
        Of the source's width.
    source : Activations
        Model, site and text.
    rows : int
        Activations looked at, in the order of the text.
    sequences : int
        Sequences in which the language model reads reconstructions; 0 to leave that out.
    place : Place, optional
        Where in the text they begin.
    unseen : bool, optional
        What is known of the text from there on.
    other : Design, optional
        Trained alike from another seed, to be compared unit by unit.
    absorption, probing, words
        As in :func:`real_models.spelling.spelling`.
    seed : int
        Of random dictionaries, points and words.

    Raises
    ------
    ValueError
        If widths differ, the decoder is not affine, activations or codes are not finite, or there are no such words.
    """
    x = gather(source, rows, place).to(like_parameters(design))
    seen = look(design, x)
    # chance has the sizes of what was learnt: layer norm's two columns stay out of them
    learnt = look(design.inner, design.normalise(x).u) if isinstance(design, LayerNormed) else seen
    random = look(random_like(learnt, seed)[0].to(x.device), x)
    generator = generator_for("evaluation", seed)
    several = bool((seen.units.sizes > 1).any())
    shaped = seen if several else _clustered(design, x)
    spelt = None
    if absorption or probing:
        spelt = spelling(
            design,
            random.design,
            source.language,
            source.site,
            words=words,
            absorption=absorption,
            probing=probing,
            seed=seed,
        )
    return Evaluation(
        rows=rows,
        unseen=unseen,
        reconstruction=seen.reconstruction,
        chance=random.reconstruction,
        clusters=_clusters(design, generator),
        cluster_chance=_clusters(random.design, generator),
        dimensions=dimensions(seen) if several else None,
        shapes=None if shaped is None else shapes(shaped, "units" if several else "clusters", generator),
        fidelity=fidelity(design, source, sequences=sequences, place=place, seed=seed) if sequences else None,
        consistency=None if other is None else consistency([seen, look(other.to(x.device), x)], generator),
        spelling=spelt,
    )


def _clustered(design: Design, x: Tensor) -> Observation | None:
    return look(group_by_neighbours(design), x) if design.columns > MORE_THAN else None


def _clusters(design: Design, generator: torch.Generator) -> Redundancy | None:
    # layer norm's two columns are no atoms that were learnt
    inner = design.inner if isinstance(design, LayerNormed) else design
    if inner.columns <= MORE_THAN:
        return None
    return redundancy(inner, group_by_neighbours(inner).units(), generator=generator)
