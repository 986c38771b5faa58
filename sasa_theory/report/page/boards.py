"""From records alone to one ranking a world: which runs may be compared, and on which seeds."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sasa_theory.benchmark.budgets import Size
from sasa_theory.benchmark.compared import Compared, compare, mean, standing
from sasa_theory.benchmark.comparison import HEADLINES
from sasa_theory.benchmark.diagnosis import Case, Diagnosis, Standing, diagnose
from sasa_theory.benchmark.records import Record
from sasa_theory.designs import presets
from sasa_theory.designs.config import GroupConfig
from synthetic import WorldConfig

from .metric_notes import note
from .wording import counted, number

_SETTING = ("format", "world", "rows", "calibrated", "metrics", "twins")
"""Parts of a record's identity that two runs must share to be compared, besides the budget of those that train."""

_FEWEST = 3
"""Seeds that a design must share with the others to be ranked; ``bench`` runs no fewer."""

_COLUMNS = 8
"""Metrics shown of records that have none of the headlines, such as those of suites."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One design in one world.

    Attributes
    ----------
    name : str
        What it is called here.
    family : str
        ``groups``, ``atoms``, or ``references``, which train nothing.
    design : dict
        What determines it, as its records say.
    size : Size
        Units, columns of each, active ones.
    runs : tuple of Record
        By seed.
    setup : str
        Size and learning rate in words.
    spent : float
        Active columns over those of its size, mean over seeds; NaN if not measured.
    standings : mapping of str to Standing
        Each metric beside chance, truth and theory's limit.
    diagnosis : Diagnosis or None
        What limits it; None where that cannot be said of it.
    """

    name: str
    family: str
    design: dict[str, Any]
    size: Size
    runs: tuple[Record, ...]
    setup: str
    spent: float
    standings: Mapping[str, Standing]
    diagnosis: Diagnosis | None

    def values(self, metric: str) -> tuple[float, ...]:
        """Of each run; NaN where it lacks the metric."""
        return tuple(run.value(metric) for run in self.runs)


@dataclass(frozen=True, kw_only=True)
class Board:
    """All designs that were run alike in one world.

    Attributes
    ----------
    world : str
        Its name.
    title : str
        The same, with the budget where several boards have one name.
    about : str
        World, budget and seeds in words.
    entries : tuple of Entry
        Best first by the first metric, those that are not ranked last.
    metrics : tuple of str
        Names of the columns.
    compared : Compared
        Rankings of the designs that are ranked.
    unranked : mapping of str to str
        Why others are not.
    """

    world: str
    title: str
    about: str
    entries: tuple[Entry, ...]
    metrics: tuple[str, ...]
    compared: Compared
    unranked: Mapping[str, str]


def boards(records: Iterable[Record]) -> tuple[Board, ...]:
    """Group runs that may be compared, and rank the designs of each group.

    Two runs may be compared if worlds, rows, versions of all metrics, and budget and recipe but for the learning rate
    agree; truth and chance, which train nothing, take part beside every budget. Designs are ranked on the seeds that
    they share; one that shares fewer than three with the others is shown, and not ranked.
    """
    settings: dict[str, dict[str | None, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        if record.purpose == "run":
            setting, budget = comparable(record)
            settings[setting][budget].append(record)
    groups = []
    for budgets in settings.values():
        references = budgets.pop(None, [])
        groups += [[*trained, *references] for trained in budgets.values()] or [references]
    names = [group[0].world for group in groups]
    titles = [_title(group[0], several=names.count(group[0].world) > 1) for group in groups]
    numbered = [f"{t} ({titles[: k + 1].count(t)})" if titles.count(t) > 1 else t for k, t in enumerate(titles)]
    return tuple(_board(group, title) for group, title in zip(groups, numbered, strict=True))


def comparable(run: Record) -> tuple[str, str | None]:
    """What compared runs share: world, rows and metrics; and budget and recipe, None where nothing is trained."""
    setting = _canonical({name: run.identity.get(name) for name in _SETTING})
    recipe = run.identity["recipe"]
    if recipe is None:
        return setting, None
    others = {name: value for name, value in recipe.items() if name != "lr"}
    return setting, _canonical([run.identity["budget"], others])


def _board(records: Sequence[Record], title: str) -> Board:
    first = records[0]
    config = _config(first)
    designs = _variants(records)
    seeds, ranked = _shared_seeds(designs)
    unranked = {
        name: f"{counted(len(runs), 'run')} recorded, of which too few share their seeds with the other designs"
        for name, runs in designs.items()
        if name not in ranked
    }
    shown = {name: [runs[seed] for seed in seeds] for name, runs in designs.items() if name in ranked}
    metrics = _metrics(records)
    compared = compare(shown, metrics)
    entries = {
        name: _entry(name, shown.get(name) or [runs[seed] for seed in sorted(runs)], config)
        for name, runs in designs.items()
    }
    order = dict.fromkeys(name for ranking in compared.rankings.values() for name in ranking.order)
    return Board(
        world=first.world,
        title=title,
        about=_about(records, config, len(seeds)),
        entries=tuple(entries[name] for name in dict.fromkeys((*order, *entries))),
        metrics=tuple(compared.rankings),
        compared=compared,
        unranked=unranked,
    )


def _variants(records: Sequence[Record]) -> dict[str, dict[int, Record]]:
    """Runs by design and seed; a name that stands for several designs, sizes or recipes is numbered."""
    kinds: dict[str, dict[str, dict[int, Record]]] = defaultdict(lambda: defaultdict(dict))
    for record in records:
        own = {name: record.identity.get(name) for name in ("design", "size", "recipe", "factor")}
        kinds[record.design][_canonical(own)][record.seed] = record
    return {
        name if len(variants) == 1 else f"{name} ({k})": runs
        for name, variants in kinds.items()
        for k, runs in enumerate(variants.values(), 1)
    }


def _shared_seeds(designs: Mapping[str, Mapping[int, Record]]) -> tuple[list[int], set[str]]:
    """Seeds to rank on, and the designs that have them all, from that with most seeds on while enough are shared."""
    order = sorted(designs, key=lambda name: -len(designs[name]))
    shared = set(designs[order[0]])
    fewest = min(_FEWEST, len(shared))
    ranked = set()
    for name in order:
        if len(shared & designs[name].keys()) >= fewest:
            shared &= designs[name].keys()
            ranked.add(name)
    return sorted(shared), ranked


def _entry(name: str, runs: Sequence[Record], config: WorldConfig | None) -> Entry:
    first = runs[0]
    size = Size(**first.identity["size"])
    trains = first.identity["recipe"] is not None
    failed = any(run.failed for run in runs)
    metrics = dict.fromkeys(metric for run in runs for metric in run.metrics)
    standings = {metric: standing(metric, runs) for metric in metrics}
    case = None
    if config is not None and trains and not failed:
        case = Case(
            metrics=standings,
            units=size.units,
            columns=size.columns,
            features=config.size,
            dimensions=sum(config.dims),
        )
    return Entry(
        name=name,
        family=_family(first, size),
        design=first.identity["design"],
        size=size,
        runs=tuple(runs),
        setup=_setup(first, size),
        spent=mean([run.value("l0_columns") / size.active_columns for run in runs]),
        standings=standings,
        diagnosis=None if case is None else diagnose(case),
    )


def _family(record: Record, size: Size) -> str:
    if record.identity["recipe"] is None:
        return "references"
    preset = presets().get(str(record.identity["design"].get("name")).partition("[")[0])
    grouped = size.rank > 1 if preset is None else issubclass(preset.config, GroupConfig)
    return "groups" if grouped else "atoms"


def _setup(record: Record, size: Size) -> str:
    recipe = record.identity["recipe"]
    if recipe is None:
        return f"{size}; nothing is trained"
    factor = record.identity["factor"]
    chosen = f"lr {recipe['lr']:.3g}{'' if factor is None else f', coefficient × {factor:.3g}'}"
    trials = f", chosen among {counted(len(record.trials), 'trial')}" if record.trials else ""
    return f"{size}; {chosen}{trials}"


def _metrics(records: Sequence[Record]) -> tuple[str, ...]:
    found = dict.fromkeys(name for record in records for name in record.metrics)
    known = [name for name in found if note(name).direction is not None]
    return tuple(name for name in HEADLINES if name in found) or tuple(known[:_COLUMNS])


def _about(records: Sequence[Record], config: WorldConfig | None, seeds: int) -> str:
    parts = []
    if config is not None:
        dims = sorted(set(config.dims))
        of = f"{dims[0]}" if len(dims) == 1 else f"{dims[0]} to {dims[-1]}"
        plural = "" if dims == [1] else "s"
        parts.append(f"{counted(config.size, 'feature')} of {of} dimension{plural} in {config.width} dimensions")
    budget = next((record.identity["budget"] for record in records if record.identity["budget"]), None)
    if budget is not None:
        parts.append(f"{budget['tokens']:,} training rows each")
    parts += [f"judged on {records[0].identity['rows']:,} rows", counted(seeds, "seed")]
    return ", ".join(parts)


def _title(record: Record, *, several: bool) -> str:
    budget = record.identity["budget"]
    return f"{record.world}, {number(budget['tokens'])} rows" if several and budget else record.world


def _config(record: Record) -> WorldConfig | None:
    """The world's declaration; None if it is of another version."""
    try:
        return WorldConfig.from_dict(record.identity["world"])
    except ValueError:
        return None


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
