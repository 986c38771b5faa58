"""Designs of sparse autoencoders."""

from .config import AtomConfig, DesignConfig, GroupConfig
from .contract import Design, Loss
from .presets import Preset, config, get, presets

__all__ = ["AtomConfig", "Design", "DesignConfig", "GroupConfig", "Loss", "Preset", "config", "get", "presets"]
