"""Optimiser settings of the sources, by the name of the preset they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sasa_theory.bounds.validate import choice
from sasa_theory.designs.presets import presets

from .recipe import Recipe

_BETAS_NO_MOMENTUM = (0.0, 0.999)
_SASA = {"lr": 2e-4, "warmup": 1000, "normalise": "layer_norm"}
_SASA_RELEASE = {**_SASA, "normalise": "layer_norm_raw"}
_TOPK = {"warmup": 1000, "clip": 1.0, "normalise": "unit_mean_square", "centre": "median"}
_SOFTSAE = {"clip": 1.0, "normalise": "unit_mean_square", "centre": "median"}

RECIPES: Mapping[str, Mapping[str, Any]] = {
    # arXiv 2606.06333 trains with weight decay; its release never hands it to the optimiser, and measures errors before
    # normalisation, for which its penalty's coefficient is meant.
    "sasa": _SASA | {"optimiser": "adamw", "weight_decay": 1e-3},
    "sasa/release": _SASA_RELEASE,
    "sasa/release_map": _SASA_RELEASE,
    # Its synthetic experiments, for every design in them.
    "synthetic": {"lr": 1e-3, "warmup": 0, "decay": 0.0, "clip": 1.0},
    # Baselines as dictionary_learning trains them; topk after arXiv 2406.04093, whose rule gives lr.
    "relu": {"lr": 1e-4, "warmup": 1000, "normalise": "unit_mean_square"},
    # Anthropic, Circuits Updates April 2024, "Update on how we train SAEs".
    "relu/april": {"lr": 5e-5, "warmup": 0, "clip": 1.0, "normalise": "unit_mean_square"},
    "gated": {"lr": 5e-5, "betas": _BETAS_NO_MOMENTUM, "warmup": 1000, "normalise": "unit_mean_square"},
    "jumprelu": {"lr": 7e-5, "betas": _BETAS_NO_MOMENTUM, "warmup": 1000, "normalise": "unit_mean_square"},
    "topk": _TOPK,
    # arXiv 2406.04093 itself, which centres and scales its inputs token by token.
    "topk/openai": {"eps": 6.25e-10, "ema": 0.999, "warmup": 0, "decay": 0.0, "clip": 1.0, "centre": "median"}
    | {"normalise": "layer_norm"},
    "batch-topk": _TOPK,
    "group-batch-topk": _TOPK,
    "matryoshka": _TOPK,
    # arXiv 2605.06610, language models and CLIP.
    "softsae": _SOFTSAE | {"lr": 3e-4, "warmup": 1000},
    "softsae/clip": _SOFTSAE | {"lr": 6e-4, "warmup": 1900, "decay": 0.8375},
    # arXiv 2503.24277: constant rate; its gradient clip of 1e5 never acts.
    "top-afa": {"lr": 3e-4, "warmup": 0, "decay": 0.0, "normalise": "layer_norm"},
    # arXiv 2606.25234.
    "bsf": {"lr": 1e-4, "schedule": "cosine", "floor": 0.1, "warmup": 2000, "normalise": "unit_mean_square"},
}
"""Fields of the recipe of a preset, e.g. ``sasa/release``, or of all presets before the slash, e.g. ``sasa``."""


def recipe(name: str, **settings: Any) -> Recipe:
    """The recipe of a design preset as its source trains it, with these fields set.

    >>> recipe("sasa/paper", lr=1e-3)

    A preset for which nothing is published has the recipe of its family (``topk/signed``: ``topk``), or the default
    one. Sources also fix the batch size, 4096 nearly always; that belongs to the :class:`Budget`.

    Parameters
    ----------
    name : str
        Name of a design preset, or ``synthetic`` for the controlled experiments of arXiv 2606.06333.
    **settings
        Fields of :class:`Recipe`.

    Raises
    ------
    ValueError
        If the name or a field is unknown (with the nearest), or a value impossible.
    """
    choice("recipe", name, sorted({*presets(), *RECIPES}))
    family = name.partition("/")[0]
    return Recipe.from_dict({**RECIPES.get(name, RECIPES.get(family, {})), **settings})
