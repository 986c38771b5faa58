"""One training loop for every design and every source of activations."""

from .budget import Budget
from .divergence import Diverged
from .log import Entry
from .recipe import Recipe
from .recipes import recipe
from .source import Memory, Source, Stream
from .trainer import Trained, train

__all__ = ["Budget", "Diverged", "Entry", "Memory", "Recipe", "Source", "Stream", "Trained", "recipe", "train"]
