"""Words of the command line as experiments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sasa_theory.bounds.validate import choice
from sasa_theory.training.recipes import recipe as published

from .cache_index import INDEX, Index
from .experiment import Experiment
from .presets import real_presets


def arm_from(text: str, preset: str | None, **options: Any) -> Experiment:
    """One design of a comparison: ``name[field=value,...]``, or a preset whose design, settings and recipe it takes.

    Options are those of :func:`experiment_from` but for design and settings.
    """
    if text in real_presets() and preset is None:
        return experiment_from(preset=text, **options)
    name, bracket, inside = text.partition("[")
    if bracket and not inside.endswith("]"):
        raise ValueError(f"settings must be given as in sasa/paper[groups=512,rank=4,active=8], got {text!r}")
    settings = inside.removesuffix("]").split(",") if bracket else []
    return experiment_from(preset=preset, design=name, settings=settings, **options)


def experiment_from(
    *,
    preset: str | None = None,
    model: str | None = None,
    site: str | None = None,
    corpus: str | None = None,
    design: str | None = None,
    settings: list[str] | None = None,
    recipe: list[str] | None = None,
    harvest: list[str] | None = None,
    tokens: int | None = None,
    batch: int | None = None,
    dtype: str | None = None,
    seed: int | None = None,
    cache: Path | None = None,
) -> Experiment:
    """The preset with what the options change; without a preset, they must name everything.

    A cache that is in its folder already keeps its size; a new one gets a row for each token.
    """
    values: dict[str, Any] = {}
    if preset is not None:
        values = real_presets()[choice("preset", preset, real_presets())].experiment.to_dict()
    chosen = {"model": model, "site": site, "corpus": corpus, "design": design, "dtype": dtype, "seed": seed}
    if design is not None and design != values.get("design"):
        values |= {"settings": {}, "recipe": published(design).to_dict()}
    values |= {name: value for name, value in chosen.items() if value is not None}
    for name in ("model", "site", "corpus", "design"):
        if name not in values:
            raise ValueError(f"give --{name}, or a --preset that has one")
    values["settings"] = {**values.get("settings", {}), **values_from(settings, "--set")}
    values["recipe"] = {**values["recipe"], **values_from(recipe, "--recipe")}
    values["harvest"] = {**values.get("harvest", {}), **values_from(harvest, "--harvest")}
    budget = {"batch_size": 4096, **values.get("budget", {})}
    budget |= {name: value for name, value in (("tokens", tokens), ("batch_size", batch)) if value is not None}
    if "tokens" not in budget:
        raise ValueError("give --tokens, or a --preset that has them")
    if cache is not None:
        folder = cache.expanduser()
        rows = Index.read(folder).rows if (folder / INDEX).exists() else budget["tokens"]
        values["cache"] = {"folder": str(folder), "rows": rows}
    return Experiment.from_dict({**values, "budget": budget})


def values_from(pairs: list[str] | None, option: str) -> dict[str, Any]:
    """Pairs NAME=VALUE as a dict; values are read as JSON where they are JSON, else as text."""
    found: dict[str, Any] = {}
    for pair in pairs or []:
        name, equals, text = pair.partition("=")
        if not (name and equals):
            raise ValueError(f"{option} must be NAME=VALUE, got {pair!r}")
        try:
            found[name] = json.loads(text)
        except ValueError:
            found[name] = text
    return found
