"""Experiments carried out: a folder with the experiment, checkpoints and log, and at the end the trained design."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sasa_theory.designs.contract import Design
from sasa_theory.designs.saving.storage import load as load_design
from sasa_theory.designs.saving.storage import save
from sasa_theory.training.checkpoints import steps
from sasa_theory.training.processes import Processes
from sasa_theory.training.settings import flat
from sasa_theory.training.trainer import train
from sasa_theory.whole_files import write_text

from .activations import Activations
from .cache import plan_cache
from .cached import WINDOW
from .corpora import Corpus
from .experiment import Experiment, open_corpus
from .fetch import model_path
from .language_model import LanguageModel, load
from .resources import Memory, check_memory, memory, time_needed, told
from .stored import stored

EXPERIMENT, DESIGN = "experiment.json", "design"
"""Names in a run's folder: what was asked for, and what came out."""


@dataclass(frozen=True)
class Prepared:
    """An experiment with its parts loaded.

    Attributes
    ----------
    experiment : Experiment
        What was asked for.
    source : Activations
        The language model's activations.
    design : Design
        With fresh weights, on the model's device.
    """

    experiment: Experiment
    source: Activations
    design: Design


def prepare(experiment: Experiment, language: LanguageModel | None = None, corpus: Corpus | None = None) -> Prepared:
    """Load model and text and build the design; whatever cannot work is refused here.

    Parameters
    ----------
    experiment : Experiment
        What to do.
    language, corpus : optional
        In place of those that it names.

    Raises
    ------
    ValueError
        If the model, its site or the text cannot be had, a setting is impossible, or memory does not suffice.
    """
    source = source_of(experiment, language, corpus)
    device = source.language.device
    check_memory(_memory(experiment, source), device)  # before the design takes its part
    return Prepared(experiment, source, experiment.build(source.width).to(device))


def source_of(
    experiment: Experiment, language: LanguageModel | None = None, corpus: Corpus | None = None
) -> Activations:
    """The activations that an experiment names, or those of another model or text at the same site.

    Raises
    ------
    ValueError
        If the model, its site or the text cannot be had.
    """
    corpus = corpus or open_corpus(experiment.corpus)  # first, for it is quickly found missing
    language = language or load(model_path(experiment.model), dtype=experiment.dtype)
    return Activations(language, experiment.site, corpus, experiment.harvest)


def estimate(prepared: Prepared) -> str:
    """Memory, time and, with a cache, room on the disk that the run takes, in a few lines.

    Raises
    ------
    ValueError
        If there is something else where the cache shall be.
    """
    experiment, source = prepared.experiment, prepared.source
    plan = None if experiment.cache is None else plan_cache(source, experiment.cache.rows, experiment.cache.folder)
    gathered = None if plan is None else round(plan.rows * plan.missing / plan.bytes)
    time = time_needed(
        source.language, experiment.site, experiment.harvest, prepared.design, experiment.budget, gathered
    )
    lines = told(_memory(experiment, source), time)
    return lines if plan is None else f"{lines}\ncache: {plan}"


def _memory(experiment: Experiment, source: Activations) -> Memory:
    harvest, cache = experiment.harvest, experiment.cache
    rows = harvest.buffer * (harvest.length - harvest.skip) if cache is None else min(WINDOW, cache.rows)
    columns = experiment.columns(source.width)
    return memory(source.language, source.width, rows, columns, experiment.budget.batch_size)


def carry_out(
    prepared: Prepared, folder: Path, *, resume: bool = False, progress: bool = True, log_every: int = 50, **saving: Any
) -> Design:
    """Train, and leave the design in ``folder/design``; a cache that is missing is written first.

    Parameters
    ----------
    prepared : Prepared
        What to train on what.
    folder : Path
        New, empty, or that of the same experiment if ``resume``.
    resume : bool
        Continue from the last checkpoint; a run that is done already is left as it is.
    progress, log_every
        As in :func:`sasa_theory.training.train`.
    **saving
        ``checkpoint_steps`` and ``checkpoint_seconds``, as there.

    Raises
    ------
    ValueError, OSError, Diverged, KeyboardInterrupt
        As :func:`sasa_theory.training.train` and :func:`real_models.stored.stored`; ValueError also if the folder is
        another experiment's.
    """
    experiment, first = prepared.experiment, Processes().rank == 0
    fresh = claim(folder, experiment, resume=resume)
    if (folder / DESIGN).is_dir():
        return load_design(folder / DESIGN).to(prepared.source.language.device).eval()
    try:
        rows = prepared.source if experiment.cache is None else stored(experiment.cache, prepared.source)
        trained = train(
            prepared.design,
            rows,
            experiment.budget,
            experiment.recipe,
            seed=experiment.seed,
            folder=folder,
            resume=resume,
            progress=progress,
            log_every=log_every,
            **saving,
        )
    except (ValueError, OSError):
        if fresh and not steps(folder):  # nothing came of it that could be resumed
            (folder / EXPERIMENT).unlink(missing_ok=True)
        raise
    design = trained.average or trained.design
    if first:
        metadata = {"model_name": experiment.model, "hook_name": hook_name(experiment)}
        save(design, folder / DESIGN, metadata)
    return design


def hook_name(experiment: Experiment) -> str:
    """The site as TransformerLens spells it."""
    return f"blocks.{experiment.site.block}.hook_{experiment.site.stream}"


def claim(folder: Path, experiment: Experiment, *, resume: bool) -> bool:
    """Write the experiment into a new folder, or see that it is the one that is there; whether the folder was new.

    Raises
    ------
    ValueError
        If there is another one, or the same one is not to be resumed; the message names the first field that differs.
    """
    path = folder / EXPERIMENT
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        write_text(path, experiment.to_json())
        return True
    before, now = flat(Experiment.read(path).to_dict()), flat(experiment.to_dict())
    for name in {**before, **now}:
        if before.get(name) != now.get(name):
            raise ValueError(
                f"{folder} holds another experiment: {name} was {before.get(name)!r}, got {now.get(name)!r}; "
                "set it back, or name another folder"
            )
    if not resume and Processes().size == 1:
        raise ValueError(f"{folder} holds this experiment already; continue it with --resume, or name another folder")
    return False


def trained_design(folder: Path) -> Design:
    """The design that a finished run left.

    Raises
    ------
    ValueError
        If the run is not finished.
    """
    if not (folder / DESIGN).is_dir():
        raise ValueError(f"{folder} holds no trained design yet; finish it by: sasa-theory real train ... --resume")
    return load_design(folder / DESIGN).eval()
