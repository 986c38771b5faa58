"""Worlds with known ground truth."""

from .card import Card
from .config import Dictionary, Features, WorldConfig
from .copula import Copula
from .features import Feature
from .firing import Exactly, Firing, Independent
from .forest import Forest
from .magnitudes import Magnitude, PerFeature
from .oracle import Estimate, Oracle
from .pair_coherence import Coherence, coherence
from .parameters import Parameters
from .presets import SCALES, Preset, preset, presets
from .rates import Constant, Listed, Rates, Zipf
from .stream import Stream
from .truth import Sample, Truth
from .world import World

__all__ = [
    "SCALES",
    "Card",
    "Coherence",
    "Constant",
    "Copula",
    "Dictionary",
    "Estimate",
    "Exactly",
    "Feature",
    "Features",
    "Firing",
    "Forest",
    "Independent",
    "Listed",
    "Magnitude",
    "Oracle",
    "Parameters",
    "PerFeature",
    "Preset",
    "Rates",
    "Sample",
    "Stream",
    "Truth",
    "World",
    "WorldConfig",
    "Zipf",
    "coherence",
    "preset",
    "presets",
]
