"""Designs of sparse autoencoders: made by name, trained or wrapped, saved and loaded.

Here ``config`` is the function; what the module of that name holds is imported from it by name, as
``from sasa_theory.designs.config import GroupConfig``. Fits and oracles to compare with are in
:mod:`sasa_theory.designs.references`, other libraries' designs in :mod:`sasa_theory.designs.adapters`.
"""

from .config import AtomConfig, DesignConfig, GroupConfig
from .contract import Design, Loss
from .presets import Preset, config, get, presets
from .saving.storage import load, save
from .wrapped import as_design

__all__ = [
    "AtomConfig",
    "Design",
    "DesignConfig",
    "GroupConfig",
    "Loss",
    "Preset",
    "as_design",
    "config",
    "get",
    "load",
    "presets",
    "save",
]
