"""The named designs in a size that checks run through in no time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from functools import partial
from typing import Any

from sasa_theory.bounds.validate import choice
from sasa_theory.designs import Design, get, presets

_SIZES: dict[str, Any] = {
    "atoms": 24,
    "k": 3,
    "steps": 3,
    "groups": 8,
    "rank": 3,
    "active": 2,
    "sparsity": 0.01,
    "target_l0": 3,
}

_SOFT = {"loss_counts": "while gates are soft a unit counts as firing where its gate is at least half open"}

EXEMPTIONS: Mapping[str, Mapping[str, str]] = {"sasa/soft": _SOFT, "softsae": _SOFT, "softsae/clip": _SOFT}
"""Checks that named designs break on purpose, with the reason."""


def small(name: str, width: int = 12) -> Callable[[], Design]:
    """A factory of the named design with a few columns.

    Parameters
    ----------
    name : str
        One of :func:`~sasa_theory.designs.presets`.
    width : int
        Dimension of the activations, at least 3.

    Raises
    ------
    ValueError
        If there is no design of that name, with the nearest.
    """
    preset = presets()[choice("design", name, presets())]
    missing = [f.name for f in fields(preset.config) if f.init and f.default is f.default_factory is MISSING]
    settings = {field: _SIZES[field] for field in missing if field != "width" and field not in preset.settings}
    if preset.settings.get("penalty") == "target":  # which alone needs, and may have, one
        settings["target_l0"] = _SIZES["target_l0"]
    return partial(get, name, width=width, **settings)
