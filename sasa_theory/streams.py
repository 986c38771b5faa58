"""What streams of activations share: how they are seeded, cut into shards, and told from one another on resuming."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import Any

import torch

from .bounds.validate import count

SEEDS = 2**53
"""Number of seeds of a stream: every smaller whole number survives float64, and so any JSON reader."""


def drawn_seed(generator: torch.Generator) -> int:
    """A seed for a stream of its own, from a generator on any device."""
    return int(torch.randint(SEEDS, (), generator=generator, device=generator.device))


def checked_shard(shard: Sequence[int], most: float = inf) -> tuple[int, int]:
    """Rank and number of shards; ValueError if they are no such pair, or there are more than ``most``."""
    try:
        rank, shards = shard
    except (TypeError, ValueError):
        raise ValueError(f"shard must be a pair (rank, number of shards), got {shard!r}") from None
    shards = int(count("number of shards", shards, 1, most))
    return int(count("rank of the shard", rank, 0, shards - 1)), shards


def resumed_seed(own: Mapping[str, Any], state: Mapping[str, Any], fixed: Iterable[str]) -> int:
    """The seed in a stream's saved state, once that is known to be of a stream like this one.

    Parameters
    ----------
    own, state : mapping
        State of the stream as it stands, and the one to be loaded.
    fixed : iterable of str
        Fields that must agree.

    Raises
    ------
    ValueError
        If a field is missing or unknown, a fixed one differs, or the seed is out of range.
    """
    for name in sorted(own.keys() ^ state.keys()):
        kind = "missing" if name in own else "unknown"
        raise ValueError(f"field {name!r} of the stream's state is {kind}; it must have just {', '.join(own)}")
    for name in fixed:
        if own[name] != state[name]:
            raise ValueError(f"{name} of the state is {state[name]!r}, that of this stream {own[name]!r}")
    return int(count("seed", state["seed"], 0, SEEDS - 1))
