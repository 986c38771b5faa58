"""One training loop for every design and every source of activations."""

from .budget import Budget
from .divergence import Diverged
from .ensemble import Ensemble
from .log import Entry
from .processes import process_group
from .recipe import Recipe
from .recipes import recipe
from .source import Memory, Source, Stream
from .trainer import Trained, train

__all__ = [
    "Budget",
    "Diverged",
    "Ensemble",
    "Entry",
    "Memory",
    "Recipe",
    "Source",
    "Stream",
    "Trained",
    "process_group",
    "recipe",
    "train",
]
