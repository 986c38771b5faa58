"""The k largest entries of every row, or of a whole batch: exactly those, and always k of them.

On the CPU, NumPy finds thresholds: its vectorised sorts are ten times as fast as :func:`torch.topk`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

_SEGMENT = 32
"""Entries of a row whose maximum is looked at first where rows are long; shorter segments reduce more slowly."""

_SORTED = 512
"""Entries a row up to which whole rows are sorted."""


def top_of_rows(scores: Tensor, k: int) -> Tensor:
    """Indices of the k largest entries of each row, shape (n, m) to (n, k), in no particular order.

    Which of equal entries are kept depends only on the scores.
    """
    n, m = scores.shape
    if k >= m:
        return torch.arange(m, device=scores.device).expand(n, m)
    if scores.device.type != "cpu" or not n:
        return scores.topk(k, dim=1, sorted=False).indices
    if m % _SEGMENT or m < 2 * k * _SEGMENT:
        return _top_of_short_rows(scores, k)
    # the k segments with the largest maxima hold k entries which no entry elsewhere exceeds
    segments = scores.view(n, -1, _SEGMENT)
    best = _top_of_short_rows(segments.amax(dim=2), k)
    places = best + torch.arange(n).unsqueeze(1) * segments.shape[1]
    candidates = segments.flatten(0, 1).index_select(0, places.flatten()).view(n, -1)
    found = _top_of_short_rows(candidates, k)
    return best.gather(1, found // _SEGMENT) * _SEGMENT + found % _SEGMENT


def top_of_all(scores: Tensor, k: int) -> Tensor:
    """Indices of the k largest of all entries, shape (m,) to (k,), ascending; of equal ones the first."""
    if k >= len(scores):
        return torch.arange(len(scores), device=scores.device)
    if scores.device.type == "cpu":
        threshold = float(np.partition(scores.numpy(), len(scores) - k)[-k])
    else:
        threshold = float(scores.topk(k).values[-1])
    kept = scores >= threshold
    if int(kept.sum()) > k:
        equal = scores == threshold
        kept &= ~equal | (equal.cumsum(0) <= k - (scores > threshold).sum())
    return kept.nonzero().squeeze(1)


def _top_of_short_rows(scores: Tensor, k: int) -> Tensor:
    if scores.dtype == torch.float32 and scores.shape[1] <= _SORTED:
        return _top_of_keys(scores, k)
    n, m = scores.shape
    array = scores.numpy()
    kept = array >= np.partition(array, m - k, axis=1)[:, m - k, None]
    entries = np.flatnonzero(kept)
    if len(entries) != n * k:  # rows with equal entries at the threshold, or with entries that are no number
        rows = np.flatnonzero(np.count_nonzero(kept, axis=1) != k)
        kept[rows] = False
        kept[rows[:, None], np.argpartition(array[rows], m - k, axis=1)[:, m - k :]] = True
        entries = np.flatnonzero(kept)
    return torch.from_numpy(entries % m).view(n, k)


def _top_of_keys(scores: Tensor, k: int) -> Tensor:
    """Sort numbers whose last bits say where they stand; rows in which these bits may have decided are sorted again."""
    m = scores.shape[1]
    array = scores.numpy()
    last = np.int32((1 << (m - 1).bit_length()) - 1)
    keys = np.bitwise_and(array.view(np.int32), ~last)
    np.bitwise_or(keys, np.arange(m, dtype=np.int32), out=keys)
    keys.view(np.float32).sort(axis=1)
    best = keys[:, m - k - 1 :].copy()
    kept = (best[:, 1:] & last).astype(np.int64)
    equal = (best[:, 1] ^ best[:, 0]) <= last
    unsure = np.flatnonzero(equal | ~np.isfinite(best[:, -1].view(np.float32)))
    if len(unsure):
        kept[unsure] = np.argpartition(array[unsure], m - k, axis=1)[:, m - k :]
    return torch.from_numpy(kept)
