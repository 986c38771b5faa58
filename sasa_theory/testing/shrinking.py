"""The smallest rows that still break a check: few of them first, then simple numbers."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def shrink(rows: Tensor, breaks: Callable[[Tensor], bool]) -> Tensor:
    """Rows that break a check, as few and as simple as one pass over them finds.

    Parameters
    ----------
    rows : Tensor, shape (n, width)
        Rows that break it.
    breaks : callable
        Whether rows break it; called at most ``n + 3 + 3 n width`` times.

    Returns
    -------
    Tensor, shape (m, width)
        Some of the rows (none if none are needed), with entries 0, 1, -1 or rounded where that still breaks it.
    """
    rows = _fewer(rows, breaks)
    for simpler in (torch.ones_like(rows), rows.sign(), rows.round(decimals=1)):
        if breaks(simpler):
            rows = simpler
            break
    return _simpler(rows, breaks)


def _fewer(rows: Tensor, breaks: Callable[[Tensor], bool]) -> Tensor:
    """All but those that can be left out one after another, the last first."""
    for row in reversed(range(len(rows))):
        fewer = torch.cat((rows[:row], rows[row + 1 :]))
        if breaks(fewer):
            rows = fewer
    return rows


def _simpler(rows: Tensor, breaks: Callable[[Tensor], bool]) -> Tensor:
    """The same rows, each entry in turn as simple as the others let it be."""
    for place in range(rows.numel()):
        value = float(rows.flatten()[place])
        simple = (0.0, 1.0 if value > 0 else -1.0, round(value, 1))
        for candidate in simple[: simple.index(value) if value in simple else None]:
            changed = rows.clone()
            changed.view(-1)[place] = candidate
            if breaks(changed):
                rows = changed
                break
    return rows
