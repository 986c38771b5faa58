"""What ``sasa-theory real concepts`` loads, studies and writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sasa_theory.designs.contract import Design

from ..experiment import Experiment
from ..harvested import gather
from ..results import write_json
from ..training import EXPERIMENT, source_of, trained_design
from .finding import best_unit, gather_labelled
from .lexicon import concept, label_tokens
from .study import ConceptStudy, study

RESULT, FIGURE = "concepts.json", "concepts.png"


def study_runs(
    folders: Sequence[Path],
    names: Sequence[str],
    *,
    corpus: str | None = None,
    background: int = 4000,
    interventions: bool = True,
    draws: int = 5,
    seed: int = 0,
) -> Iterator[ConceptStudy]:
    """Study concepts in runs of ``sasa-theory real train``: the first is judged, the others are its rivals.

    Parameters
    ----------
    folders : sequence of Path
        Of runs on one model and site.
    names : sequence of str
        Concepts.
    corpus : str, optional
        Where running text comes from, in place of the first run's.
    background : int
        Activations of it.
    interventions, draws, seed
        As in :func:`~real_models.concepts.study.study`.

    Raises
    ------
    ValueError
        If a run is not finished or of another model or site than the first, or a concept is unknown or has labels that
        are not single tokens.
    """
    wanted = [concept(name) for name in names]
    experiments = [Experiment.read(folder / EXPERIMENT) for folder in folders]
    first = experiments[0]
    for folder, other in zip(folders, experiments, strict=True):
        if (other.model, other.site) != (first.model, first.site):
            raise ValueError(
                f"{folder} is of {other.model} at {other.site}, {folders[0]} of {first.model} at {first.site}; "
                "rivals must share model and site"
            )
    names_of = [each.design for each in experiments]
    called = [name if names_of.count(name) == 1 else f"{name} ({k})" for k, name in enumerate(names_of, 1)]
    designs: Mapping[str, Design] = {name: trained_design(folder) for name, folder in zip(called, folders, strict=True)}
    source = source_of(first if corpus is None else replace(first, corpus=corpus))
    language = source.language
    designs = {name: design.to(language.device) for name, design in designs.items()}
    for each in wanted:
        label_tokens(language, each)
    text = gather(source, background)
    seen = {each.name: gather_labelled(language, first.site, each, text) for each in wanted}
    judged = next(iter(designs.values()))
    units = {name: best_unit(judged, labelled)[1] for name, labelled in seen.items()}
    for each in wanted:
        others = {name: piece for name, piece in units.items() if name != each.name}
        yield study(
            language,
            first.site,
            each,
            seen[each.name],
            designs,
            others=others,
            interventions=interventions,
            draws=draws,
            seed=seed,
        )


def write(found: Sequence[ConceptStudy], path: Path) -> None:
    """Write studies as JSON."""
    write_json(path, [each.to_dict() for each in found])
