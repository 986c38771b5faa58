"""The cache of activations that an experiment names: written where it is missing, read, and the text behind it."""

from __future__ import annotations

import time
from collections.abc import Callable

from sasa_theory.training.processes import Processes

from .activations import Activations
from .cache import Plan, write_cache
from .cache_index import Index
from .cached import CachedActivations
from .corpora import Place, Sequences
from .experiment import Cache

_LOOK = 1.0  # seconds after which another process looks whether the cache is there


def stored(cache: Cache, source: Activations, announce: Callable[[Plan], None] | None = None) -> CachedActivations:
    """The activations of a cache, once it is whole; of several processes the first one writes it.

    Parameters
    ----------
    cache : Cache
        Where, and how many rows.
    source : Activations
        What it holds, or shall hold.
    announce : callable, optional
        Told what writing comes to before anything is written, even if nothing is missing.

    Raises
    ------
    ValueError, OSError
        As :func:`real_models.cache.write_cache`: if the folder holds something else, or there is too little room.
    """
    if Processes().rank == 0:
        write_cache(source, cache.rows, cache.folder, announce=announce)
        return CachedActivations(cache.folder)
    while True:  # harvesting may take longer than processes wait for one another; if the first one fails, all end
        try:
            found = CachedActivations(cache.folder)
        except ValueError:
            time.sleep(_LOOK)
        else:
            return found


def place_behind(index: Index, source: Activations) -> Place:
    """Where text begins that no row of a whole cache comes from, not even in part."""
    start = index.next
    place = Place(start.epoch, start.document, start.offset)
    if not start.row:
        return place
    sequences = Sequences(source.language, source.corpus, source.harvest.length, (0, 1), place)
    for _ in range(source.harvest.sequences):  # rows are gathered, and counted, from so many at a time
        next(sequences)
    return sequences.place
