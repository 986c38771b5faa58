"""Named settings of designs: what each is, where it comes from, and in what it differs from its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any

from sasa_theory.bounds.validate import choice
from sasa_theory.seeds import generator_for

from .config import DesignConfig
from .contract import Design

_MODULES = (
    "atoms.batch_topk",
    "atoms.gated",
    "atoms.jumprelu",
    "atoms.matching_pursuit",
    "atoms.matryoshka",
    "atoms.relu",
    "atoms.softsae",
    "atoms.top_afa",
    "atoms.topk",
    "groups.adaptive_sasa",
    "groups.block_lasso",
    "groups.block_sparse",
    "groups.d_gating",
    "groups.grassmann",
    "groups.group_batch_topk",
    "groups.sasa",
    "references.random_dictionary",
)
"""Modules of this package that declare PRESETS."""


@dataclass(frozen=True)
class Preset:
    """A named design.

    Attributes
    ----------
    config : type
        Config class of the design.
    summary : str
        What it is, in one line.
    source : str
        Where its equations and settings come from.
    settings : Mapping
        Fields of the config that the preset sets; whoever asks for it may override them.
    """

    config: type[DesignConfig]
    summary: str
    source: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@cache
def presets() -> Mapping[str, Preset]:
    """All presets by name, e.g. ``sasa/paper``."""
    found: dict[str, Preset] = {}
    for name in _MODULES:
        found |= import_module(f".{name}", __package__).PRESETS
    return found


def config(name: str, **settings: Any) -> DesignConfig:
    """The config of a preset with these fields set; those without a default, such as ``width``, must be given.

    Raises
    ------
    ValueError
        If the preset or a field is unknown (with the nearest), missing or impossible.
    """
    preset = presets()[choice("design", name, presets())]
    return preset.config.from_dict({**preset.settings, **settings})


def get(name: str, *, seed: int = 0, **settings: Any) -> Design:
    """A freshly initialised design of a preset.

    >>> get("sasa/paper", width=768, groups=2048, rank=6, active=10)

    Parameters
    ----------
    name : str
        Name of the preset; :func:`presets` lists them.
    seed : int
        Seed of the initial weights, which share no numbers with a world of the same seed.
    **settings
        Fields of the config, see :func:`config`. Instead of ``active``, the number of active groups, their columns may
        be given as ``l0``.
    """
    return config(name, **settings).build(generator_for("weights", seed))
