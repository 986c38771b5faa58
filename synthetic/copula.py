"""Correlated firing with exact marginals: a Gaussian copula of low rank, drawn without visiting every feature."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sasa_theory.bounds.validate import Floats

from .cells import RareCells, true_cells
from .whole import set_real, set_whole

_LARGEST_SHARE = 0.99
"""Largest share of a feature's variance that the common factors may carry."""
_COMMON_LIMIT = 2.5
"""The standardised common part above which a cell is looked at one by one; it trades the two kinds of candidates."""
_RARE_LIMIT = 0.5
"""Largest probability of the events that are drawn sparsely."""
_BLOCK_CELLS = 2**20
"""Cells whose common part is held at a time: 4 MB in float32, so that it stays in the cache."""


@dataclass(frozen=True)
class Copula:
    r"""Low-rank Gaussian copula: feature i fires iff :math:`L_i \cdot u + \sqrt{1 - |L_i|^2}\, e_i > \Phi^{-1}(1-p_i)`.

    u holds ``rank`` standard normal factors shared by all features of a sample, :math:`e_i` is standard normal noise of
    its own, so the left side is standard normal and every feature fires with probability exactly :math:`p_i`. The
    loadings are independent normal numbers of standard deviation ``scale``, rows longer than :math:`\sqrt{0.99}`
    shortened to that. Source: the correlation model of SynthSAEBench (arXiv 2602.14687).

    Attributes
    ----------
    rank : int
        Number of factors, >= 1.
    scale : float
        Standard deviation of a loading, > 0. Two features have latent correlation of standard deviation
        ``scale^2 sqrt(rank)``.
    """

    rank: int
    scale: float

    def __post_init__(self) -> None:
        set_whole(self, "rank")
        set_real(self, "scale", 0.0, open_low=True, open_high=True)

    def loadings(self, features: int, generator: torch.Generator) -> Tensor:
        """Draw the loadings L, shape (features, rank)."""
        shape, device = (features, self.rank), generator.device
        rows = torch.randn(shape, generator=generator, device=device, dtype=torch.float32) * self.scale
        length = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
        return rows * (_LARGEST_SHARE**0.5 / length).clamp(max=1.0)


class CopulaSampler:
    r"""Draws the firings of a :class:`Copula`, exactly in law, at the cost of the candidates.

    Given u, feature i fires independently with probability :math:`f(v) = \bar\Phi((t_i - |L_i| v)/s_i)`, where
    :math:`v = L_i \cdot u / |L_i|` is standard normal, :math:`s_i = \sqrt{1 - |L_i|^2}` and
    :math:`t_i = \Phi^{-1}(1-p_i)`. With a limit c_i on v (2.5, or less so that q_i <= 1/2) and q_i = f(c_i), the cell
    fires if either of two independent events happens, which together have probability f:

    * a rare event of probability q_i, drawn sparsely, is accepted with probability min(1, f / q_i);
    * if v > c_i, which is found by comparing, an event of probability (f - q_i) / (1 - q_i).

    Parameters
    ----------
    loadings : Tensor
        L, shape (features, rank).
    probabilities : ndarray
        Marginal firing probabilities, shape (features,), in [0, 1).
    """

    def __init__(self, loadings: Tensor, probabilities: Floats) -> None:
        exact = loadings.double()
        length = torch.linalg.vector_norm(exact, dim=1)
        spread = (1 - length.square()).sqrt()
        threshold = -torch.special.ndtri(torch.from_numpy(probabilities).to(loadings.device))
        # Firing means e > offset - slope * v, with v the common part scaled to unit variance.
        self._offset, self._slope = threshold / spread, length / spread
        rare = torch.special.ndtr(self._slope * _COMMON_LIMIT - self._offset)
        frequent = rare > _RARE_LIMIT
        self._rare = torch.where(frequent, _RARE_LIMIT, rare)
        self._limit = torch.where(frequent, self._offset / self._slope, _COMMON_LIMIT).float()  # f = 1/2 there
        self._cells = RareCells(self._rare)
        self._directions = torch.nn.functional.normalize(exact, dim=1).float().T.contiguous()  # 0 for a loading of 0

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Firings of ``n`` samples, as ``sample * features + feature``: increasing, each once."""
        rank, features = self._directions.shape
        factors = torch.randn(n, rank, generator=generator, device=generator.device, dtype=torch.float32)
        rare = self._cells.draw(n, generator)
        high, at_rare, at_high = self._common_parts(factors, rare)
        chance, limit = self._firing_chance(rare % features, at_rare)
        accepted = rare[_uniform(rare, generator) * limit < chance]
        chance, limit = self._firing_chance(high % features, at_high)
        raised = high[_uniform(high, generator) * (1 - limit) < chance - limit]
        return torch.unique(torch.cat((accepted, raised)))

    def _common_parts(self, factors: Tensor, rare: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Cells with a high common part, and the common parts at the rare and at the high cells, block by block."""
        n, features = factors.shape[0], self._directions.shape[1]
        step = max(1, _BLOCK_CELLS // features)
        starts = torch.arange(0, n, step, device=rare.device) * features
        high, at_rare, at_high = [], [], []
        blocks = zip(
            starts.tolist(),
            torch.split(factors, step),
            rare.tensor_split(torch.searchsorted(rare, starts[1:]).cpu()),
            strict=True,
        )
        for start, part, cells in blocks:
            parts = part @ self._directions
            above = true_cells((parts > self._limit).flatten())
            common = parts.flatten()
            high.append(above + start)
            at_rare.append(common.index_select(0, cells - start))
            at_high.append(common.index_select(0, above))
        return torch.cat(high), torch.cat(at_rare), torch.cat(at_high)

    def _firing_chance(self, feature: Tensor, common: Tensor) -> tuple[Tensor, Tensor]:
        """Probability of firing given the common part, and the probability of the rare event."""
        offset, slope, rare = (table.index_select(0, feature) for table in (self._offset, self._slope, self._rare))
        return torch.special.ndtr(slope * common - offset), rare


def _uniform(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.rand(like.shape, generator=generator, device=like.device, dtype=torch.float64)
