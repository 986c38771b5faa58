"""Text that training has not read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sasa_theory.training import checkpoints

from .activations import Activations
from .cache_index import Index
from .corpora import Place
from .experiment import Cache
from .harvested import read_up_to
from .stored import place_behind


def unseen_place(source: Activations, folder: Path, cache: Cache | None = None) -> Place | None:
    """Where text begins that training in a folder has not read; None if there is none, or it came to the text's end.

    The last checkpoint says at which chunk each process' stream stood. One process: the text after that chunk; several:
    from the first document that none of them has come to. Of a run that read a cache, the text behind the cache, if
    that is still there.
    """
    found = checkpoints.latest(folder)
    if found is None:
        return None
    streams = found.state["streams"]
    if cache is not None:
        after = [place_behind(index, source) for index in _still_there(cache, streams)]
    else:
        after = [read_up_to(source, stream) for stream in streams]
    if not after or any(place.epoch > 0 for place in after):
        return None
    return after[0] if len(after) == 1 else Place(0, (max(place.document for place in after) + 1) * len(after))


def _still_there(cache: Cache, streams: Sequence[Mapping[str, Any]]) -> list[Index]:
    """The index of a cache, unless it was removed since, or written anew with other rows."""
    try:
        index = Index.read(Path(cache.folder))
    except ValueError:
        return []
    return [index] if index.fingerprint == streams[0]["cache"] else []
