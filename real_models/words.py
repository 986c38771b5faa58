"""Words of the command line as experiments."""

from __future__ import annotations

import json
from typing import Any

from sasa_theory.bounds.validate import choice
from sasa_theory.training.recipes import recipe as published

from .experiment import Experiment
from .presets import real_presets


def arm_from(
    text: str, common: tuple[str | None, str | None, str | None, str | None], rest: tuple[Any, ...]
) -> Experiment:
    """One design of a comparison: ``name[field=value,...]``, or a preset whose design, settings and recipe it takes."""
    preset, model, site, corpus = common
    if text in real_presets() and preset is None:
        return experiment_from(text, model, site, corpus, None, None, *rest)
    name, bracket, inside = text.partition("[")
    if bracket and not inside.endswith("]"):
        raise ValueError(f"settings must be given as in sasa/paper[groups=512,rank=4,active=8], got {text!r}")
    settings = inside.removesuffix("]").split(",") if bracket else []
    return experiment_from(preset, model, site, corpus, name, settings, *rest)


def experiment_from(
    preset: str | None,
    model: str | None,
    site: str | None,
    corpus: str | None,
    design: str | None,
    settings: list[str] | None,
    recipe: list[str] | None,
    harvest: list[str] | None,
    tokens: int | None,
    batch: int | None,
    dtype: str | None,
    seed: int | None,
) -> Experiment:
    """The preset with what the options change; without a preset, they must name everything."""
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
