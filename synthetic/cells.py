"""Which of many rare independent events happen, without drawing a number for each."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


class RareCells:
    r"""Draws a sparse Boolean matrix with independent entries, column j true with probability p_j.

    A Poisson process is laid over the matrix, with :math:`-\log(1 - p_j)` expected points in each cell of column j. A
    cell is true if a point falls into it, which happens with probability exactly p_j. The cost is that of the points
    and of the columns, not that of the cells.

    Parameters
    ----------
    probabilities : Tensor
        Shape (columns,), float64, each in [0, 1).
    """

    def __init__(self, probabilities: Tensor) -> None:
        self._exposure = -torch.log1p(-probabilities)

    def draw(self, rows: int, generator: torch.Generator) -> Tensor:
        """True cells of a matrix of ``rows`` rows, as ``row * columns + column``: increasing, each once."""
        columns = self._exposure.numel()
        points = torch.poisson(rows * self._exposure, generator=generator).long()
        column = torch.arange(columns, device=generator.device).repeat_interleave(points)
        row = torch.randint(rows, column.shape, generator=generator, device=generator.device)
        return torch.unique(row.mul_(columns).add_(column))


def true_cells(mask: Tensor) -> Tensor:
    """Positions of the true entries of a flat Boolean tensor, increasing."""
    if mask.device.type == "cpu":  # NumPy scans sparse masks several times faster than torch
        return torch.from_numpy(np.flatnonzero(mask.numpy()))
    return torch.nonzero(mask).flatten()
