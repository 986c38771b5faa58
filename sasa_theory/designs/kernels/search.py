"""The units that a rule keeps, found among all of them in full precision."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from .codes import Encoder
from .selection import top_of_all, top_of_rows


class Found(NamedTuple):
    """Kept units, row by row: the fields of :class:`~sasa_theory.designs.kernels.Active`, without gradients."""

    values: Tensor
    units: Tensor
    starts: Tensor


def search(x: Tensor, encoder: Encoder) -> Found:
    """The units kept of centred rows, shape (n, width)."""
    rule = encoder.rule
    if rule.over == "batch":
        return _best_of_batch(x, encoder)
    units, values = best_of_rows(x, encoder, min(rule.count, encoder.n_units))
    return found_in_rows(units, values)


def best_of_rows(x: Tensor, encoder: Encoder, kept: int) -> tuple[Tensor, Tensor]:
    """The ``kept`` best units of each row and their codes, shapes (n, kept) and (n, kept, rank)."""
    parts = []
    for codes in encoder.chunks(x):
        units = top_of_rows(encoder.scores(codes), kept)
        parts.append((units, codes.gather(1, units.unsqueeze(-1).expand(-1, -1, codes.shape[-1]))))
    units, values = parts[0] if len(parts) == 1 else (torch.cat(part) for part in zip(*parts, strict=True))
    return units, values


def found_in_rows(units: Tensor, values: Tensor) -> Found:
    """Equally many units of each row, shapes (n, kept) and (n, kept, rank)."""
    n, kept = units.shape
    return Found(values.flatten(0, 1), units.flatten(), torch.arange(n + 1, device=units.device) * kept)


def starts_of(entries: Tensor, n_units: int, rows: int) -> Tensor:
    """Where each row starts among entries ``row * n_units + unit`` in ascending order, shape (rows + 1,)."""
    return torch.searchsorted(entries, torch.arange(rows + 1, device=entries.device) * n_units)


def best_of_stream(stream: Iterable[tuple[Tensor, Tensor]], total: int) -> tuple[Tensor, Tensor, Tensor]:
    """The ``total`` best of scores that come a few at a time, each with a value; of equal ones the first.

    Parameters
    ----------
    stream : iterable of (Tensor, Tensor)
        Scores of shape (m,) and their values, shape (m, ...).
    total : int
        How many are kept.

    Returns
    -------
    tuple of Tensor
        Places in the sequence of all scores, ascending, with scores and values there.
    """
    best: tuple[Tensor, ...] = ()
    seen = 0
    for scores, values in stream:
        full = bool(best) and seen >= total
        new = (scores > best[1].min()).nonzero().squeeze(1) if full else top_of_all(scores, total)
        part = (new + seen, scores[new], values[new])
        best = tuple(map(torch.cat, zip(best, part, strict=True))) if best else part
        if len(best[0]) > total:
            kept = top_of_all(best[1], total)
            best = tuple(field[kept] for field in best)
        seen += len(scores)
    places, scores, values = best
    return places, scores, values


def _best_of_batch(x: Tensor, encoder: Encoder) -> Found:
    stream = ((encoder.scores(codes).flatten(), codes.flatten(0, 1)) for codes in encoder.chunks(x))
    places, _, values = best_of_stream(stream, encoder.rule.count * len(x))
    return Found(values, places % encoder.n_units, starts_of(places, encoder.n_units, len(x)))
