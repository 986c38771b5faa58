"""Principal components: the best reconstruction from q numbers a row, and what sparse codes have to beat."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..config import DesignConfig, set_whole, within
from .tied import TiedGroups, check_activations, random_bases


@dataclass(frozen=True, kw_only=True)
class PcaConfig(DesignConfig):
    """Settings of principal components; :func:`fit_pca` finds the components.

    Attributes
    ----------
    components : int
        Number of components q, at most the width. All of them are active in every row, each a unit of its own.
    """

    kind = "pca"

    components: int

    def __post_init__(self) -> None:
        super().__post_init__()
        set_whole(self, "components")
        within("components", self.components, "width", self.width)

    @property
    def columns(self) -> int:
        """Dimension of the code: the number of components."""
        return self.components

    def build(self, generator: torch.Generator) -> TiedGroups:
        """Random orthonormal directions around 0, in the place of components."""
        return self.around(random_bases((self.components,), self.width, generator))

    def around(self, components: Tensor, mean: Tensor | None = None) -> TiedGroups:
        """The design with these components, shape (q, width), around this mean, shape (width,)."""
        return TiedGroups(self, (1,) * self.components, self.components, components, mean)


def fit_pca(data: Tensor | Iterable[Tensor], components: int) -> TiedGroups:
    """The q leading principal components of data: ``z = (x - mean) V'``, ``x_hat = z V + mean``.

    No other affine map of rank q has a smaller squared error on the data. Components come in the order of their
    variance, with the sign that makes their largest entry positive. The covariance is summed up batch by batch in
    float64, around the first batch's mean lest it cancel.

    Parameters
    ----------
    data : Tensor, shape (n, width), or iterable of such Tensors
        Activations. Of an endless stream take a share: ``itertools.islice(batches, 100)``.
    components : int
        Number of components q.

    Raises
    ------
    ValueError
        If q exceeds the width, the batches are of different widths, hold fewer than two rows, or are not finite.
    """
    mean, covariance, dtype = _moments([data] if isinstance(data, Tensor) else data)
    config = PcaConfig(width=len(mean), components=components)
    leading = torch.linalg.eigh(covariance).eigenvectors.flip(-1)[:, : config.components].mT  # ascending eigenvalues
    largest = leading.gather(1, leading.abs().argmax(dim=1, keepdim=True))
    return config.around((leading * largest.sign()).to(dtype), mean)


def _moments(batches: Iterable[Tensor]) -> tuple[Tensor, Tensor, torch.dtype]:
    """Mean and covariance of all rows, float64, and the precision of the batches."""
    rows, dtype = 0, torch.float64
    shift = total = products = torch.empty(0)
    for batch in batches:
        x = check_activations(batch, 1).double()
        if not rows:
            dtype, shift = batch.dtype, x.mean(dim=0)
            total, products = torch.zeros_like(shift), torch.zeros_like(shift).outer(shift)
        if x.shape[1] != len(shift):
            raise ValueError(f"all batches must be of the first one's width {len(shift)}, got {x.shape[1]}")
        centred = x - shift
        total += centred.sum(dim=0)
        products += centred.mT @ centred
        rows += len(x)
    if rows < 2:
        raise ValueError(f"data must hold at least 2 rows, got {rows}")
    mean = total / rows
    return shift + mean, products / rows - mean.outer(mean), dtype
