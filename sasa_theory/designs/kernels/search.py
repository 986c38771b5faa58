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
    units, values = _best_of_each(x, encoder, 1, kept)
    return units.squeeze(1), values.squeeze(1)


def best_of_members(x: Tensor, encoder: Encoder, members: int) -> Found:
    """:func:`search` row by row in an encoder that holds the units of several members, one member after the other.

    Every member has the same rows. The fields have one more leading dimension, of members.
    """
    units, values = _best_of_each(x, encoder, members, min(encoder.rule.count, encoder.n_units // members))
    starts = torch.arange(len(x) + 1, device=x.device) * units.shape[2]
    return Found(
        values.transpose(0, 1).flatten(1, 2), units.transpose(0, 1).flatten(1), starts.expand(members, -1).contiguous()
    )


def _best_of_each(x: Tensor, encoder: Encoder, members: int, kept: int) -> tuple[Tensor, Tensor]:
    """The best units of each row and member, shapes (n, members, kept) and (n, members, kept, rank)."""
    parts = []
    for codes in encoder.chunks(x):
        scores = encoder.scores(codes)
        units = top_of_rows(scores.view(len(scores) * members, scores.shape[1] // members), kept)
        units = units.reshape(len(scores), members, kept)
        parts.append((units, picked(codes.unflatten(1, (members, -1)), units)))
    units, values = parts[0] if len(parts) == 1 else (torch.cat(part) for part in zip(*parts, strict=True))
    return units, values


def picked(codes: Tensor, units: Tensor) -> Tensor:
    """Codes of some units, shapes (..., units, rank) and (..., kept) to (..., kept, rank)."""
    rank = codes.shape[-1]
    if rank == 1:  # gathering single numbers is ten times as fast
        return codes.squeeze(-1).gather(-1, units).unsqueeze(-1)
    return codes.gather(-2, units.unsqueeze(-1).expand(*units.shape, rank))


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
