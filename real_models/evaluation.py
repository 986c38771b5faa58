"""What can be said of a design on a language model's activations without labels, each beside what chance gives."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
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
from sasa_theory.metrics.dimension import rank90, used_spectrum
from sasa_theory.metrics.evaluating import encoded, evaluating
from sasa_theory.metrics.irreducibility import DIMENSIONS, FEWEST, Irreducibility, irreducibility, principal_axes
from sasa_theory.metrics.judge import random_like
from sasa_theory.metrics.observation import Observation
from sasa_theory.metrics.reconstruction import Reconstruction
from sasa_theory.metrics.units import like_parameters
from sasa_theory.seeds import generator_for
from sasa_theory.training import checkpoints

from .activations import Activations
from .corpora import Place
from .fidelity import Fidelity, fidelity
from .harvested import gather, look, read_up_to

ROWS = 20_000
"""Activations looked at unless told otherwise."""

UNITS = 32
"""Units of most energy whose irreducibility is measured."""

_MOST_POINTS = 4000
"""Activations of a unit that its irreducibility is measured on."""


@dataclass(frozen=True, kw_only=True)
class Dimensions:
    """How many dimensions the units with several columns use: rank90 of ``D_k' E[z_k z_k'] D_k`` where they fire.

    Attributes
    ----------
    counts : tuple of int
        Units that use 1, 2, ... dimensions.
    mean : float
        Of the same.
    most : int
        What a unit gets whose columns are used equally.
    """

    counts: tuple[int, ...]
    mean: float
    most: int


@dataclass(frozen=True, kw_only=True)
class Shapes:
    """Irreducibility of the units of most energy, beside Gaussian points of the same covariances.

    Attributes
    ----------
    of : str
        ``units``, or ``clusters`` of decoder atoms where no unit has more than one column.
    number : int
        How many were measured: those that fire at least 64 times, at most 32.
    mixture, separability, score : float
        Medians over them of M, S in bits, and ``(1 - M) S`` (arXiv 2405.14860).
    chance : float
        Median of the score of the Gaussian points.
    above : float
        Share of the units whose score exceeds the highest of all Gaussian ones.
    """

    of: str
    number: int
    mixture: float
    separability: float
    score: float
    chance: float
    above: float


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

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold; what is not defined is None."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain

    def write(self, path: Path) -> None:
        """Write :meth:`to_dict` as JSON: under a temporary name, then renamed."""
        temporary = path.with_name(f".{path.name}")
        temporary.write_text(json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n", encoding="utf-8")
        temporary.replace(path)


def evaluate(
    design: Design,
    source: Activations,
    *,
    rows: int = ROWS,
    sequences: int = 64,
    place: Place | None = None,
    unseen: bool | None = None,
    other: Design | None = None,
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
    seed : int
        Of random dictionaries and points.

    Raises
    ------
    ValueError
        If widths differ, the decoder is not affine, or activations or codes are not finite.
    """
    x = gather(source, rows, place).to(like_parameters(design))
    seen = look(design, x)
    # chance has the sizes of what was learnt: layer norm's two columns stay out of them
    learnt = look(design.inner, design.normalise(x).u) if isinstance(design, LayerNormed) else seen
    random = look(random_like(learnt, seed)[0].to(x.device), x)
    generator = generator_for("evaluation", seed)
    several = bool((seen.units.sizes > 1).any())
    shaped = seen if several else _clustered(design, x)
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
    )


def dimensions(seen: Observation) -> Dimensions | None:
    """Dimensions in use, unit by unit; None if no unit of several columns fires."""
    units = seen.units
    chosen = (units.sizes > 1) & (seen.crowd.fired.often.to(units.sizes.device) > 0)
    if not chosen.any():
        return None
    parts = zip(units.decoder[chosen].split(256), seen.crowd.second[chosen].split(256), strict=True)
    ranks = torch.cat([rank90(used_spectrum(decoder, second)) for decoder, second in parts])
    most = int(rank90(torch.ones(units.rank)))
    counts = torch.bincount(ranks.long().cpu(), minlength=most + 1)[1:]
    return Dimensions(counts=tuple(counts.tolist()), mean=float(ranks.mean()), most=most)


@torch.no_grad()
def shapes(seen: Observation, of: str, generator: torch.Generator) -> Shapes | None:
    """Irreducibility of what the units of most energy add where they fire; None if none fires often enough."""
    units, crowd = seen.units, seen.crowd
    gram = units.decoder.double() @ units.decoder.double().mT
    energy = (gram * crowd.second).sum(dim=(1, 2))
    fit = (units.sizes > 1) & (crowd.fired.often.to(units.sizes.device) >= FEWEST)
    chosen = energy.masked_fill(~fit, -torch.inf).topk(min(UNITS, units.count)).indices
    chosen = chosen[fit[chosen]]
    if not len(chosen):
        return None
    kept: list[list[Tensor]] = [[] for _ in chosen]
    with evaluating(seen.design):
        for block in seen.rows:
            codes = encoded(seen.design, block.x.to(like_parameters(seen.design)))
            on = seen.design.presence(codes)[:, chosen] > 0
            inside = units.blocks(codes)[:, chosen]
            for k, points in enumerate(kept):
                points.append(inside[on[:, k], k])
    found, chance = [], []
    for unit, parts in zip(chosen.tolist(), kept, strict=True):
        added = torch.cat(parts)[:_MOST_POINTS].double() @ units.decoder[unit].double()
        axes = principal_axes(added, min(int(units.sizes[unit]), DIMENSIONS))
        planar = ((added - added.mean(dim=0)) @ axes.mT).cpu()
        found.append(irreducibility(planar))
        noise = torch.randn(planar.shape, generator=generator, dtype=torch.float64)
        chance.append(irreducibility(noise * planar.std(dim=0)).score)
    scores = torch.tensor([one.score for one in found])
    return Shapes(
        of=of,
        number=len(found),
        mixture=_median(found, "mixture"),
        separability=_median(found, "separability"),
        score=float(scores.median()),
        chance=float(torch.tensor(chance).median()),
        above=float((scores > max(chance)).double().mean()),
    )


def unseen_place(source: Activations, folder: Path) -> Place | None:
    """Where text begins that training in a folder has not read; None if there is none, or it came to the text's end.

    The last checkpoint says at which chunk each process' stream stood. One process: the text after that chunk; several:
    from the first document that none of them has come to.
    """
    found = checkpoints.latest(folder)
    if found is None or any("document" not in stream for stream in found.state["streams"]):
        return None
    after = [read_up_to(source, stream) for stream in found.state["streams"]]
    if any(place.epoch > 0 for place in after):
        return None
    return after[0] if len(after) == 1 else Place(0, (max(place.document for place in after) + 1) * len(after))


def _clustered(design: Design, x: Tensor) -> Observation | None:
    return look(group_by_neighbours(design), x) if design.columns > MORE_THAN else None


def _clusters(design: Design, generator: torch.Generator) -> Redundancy | None:
    # layer norm's two columns are no atoms that were learnt
    inner = design.inner if isinstance(design, LayerNormed) else design
    if inner.columns <= MORE_THAN:
        return None
    return redundancy(inner, group_by_neighbours(inner).units(), generator=generator)


def _median(found: list[Irreducibility], name: str) -> float:
    return float(torch.tensor([getattr(one, name) for one in found]).median())


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, Tensor):
        return _plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value
