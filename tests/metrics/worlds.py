"""A world whose features lean towards one another."""

from __future__ import annotations

from functools import cache

from synthetic import Dictionary, Feature, Features, World, preset


@cache
def leaning() -> World:
    """Twelve circles in 24 dimensions, two active a row, any two of which have principal cosines of up to 0.3."""
    circles = (Features(Feature("subspace", 2, radius="sphere"), 12),)
    frame = Dictionary("coherent", mu=0.3)
    return World.build(preset("theorem", "small", width=24, features=circles, dictionary=frame, noise=0.0), seed=0)
