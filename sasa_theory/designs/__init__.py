"""Designs of sparse autoencoders."""

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
