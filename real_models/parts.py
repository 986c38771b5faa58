"""A design's codes of some rows as sparse parts, by unit or by column: what reads features out of a code works on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array, vstack
from torch import Tensor

from sasa_theory.bounds.validate import Floats
from sasa_theory.designs.contract import Design
from sasa_theory.designs.layer_norm import LayerNormed
from sasa_theory.metrics.evaluating import encoded, evaluating
from sasa_theory.metrics.units import Units, like_parameters

_BLOCK = 1 << 24
"""Numbers of dense codes held at a time."""


@dataclass(frozen=True, eq=False)
class Parts:
    """Codes of rows, the decoder, and which columns belong together: part k adds ``c_k = z_k D_k`` to a row.

    Attributes
    ----------
    codes : csr_array, shape (rows, columns)
    decoder : ndarray, shape (columns, width)
    owner : ndarray of int, shape (columns,)
        Part of each column.
    """

    codes: csr_array
    decoder: Floats
    owner: NDArray[np.int64]

    @property
    def number(self) -> int:
        """How many parts there are."""
        return int(self.owner.max()) + 1

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """Columns of each part, shape (parts,)."""
        return np.bincount(self.owner)

    @cached_property
    def fires(self) -> csr_array:
        """Which parts have a column that is not 0, positive there, shape (rows, parts)."""
        return csr_array(abs(self.codes).sign() @ self._summing(np.ones(len(self.owner))))

    @cached_property
    def squares(self) -> csr_array:
        """``||c_k||^2``, shape (rows, parts)."""
        return csr_array((self.codes @ self.gram).multiply(self.codes) @ self._summing(np.ones(len(self.owner))))

    @cached_property
    def gram(self) -> csr_array:
        """Inner products of decoder rows of one part, 0 across parts, shape (columns, columns)."""
        blocks = [self.decoder[columns] @ self.decoder[columns].swapaxes(1, 2) for columns in self._groups()]
        return _block_diagonal(self._groups(), blocks, len(self.owner))

    def along(self, u: Floats) -> csr_array:
        """What each part adds along a direction, ``<c_k, u>``, shape (rows, parts)."""
        return csr_array(self.codes @ self._summing(self.decoder @ u))

    def coordinates(self, k: int) -> Floats:
        """Contributions of a part in an orthonormal basis of its decoder rows, shape (rows, columns of the part)."""
        columns = np.flatnonzero(self.owner == k)
        lower = np.linalg.qr(self.decoder[columns].T).R.T
        return np.asarray(self.codes[:, columns] @ lower)

    def rows(self, chosen: NDArray[np.int64]) -> Parts:
        """The same for some rows."""
        return replace(self, codes=self.codes[chosen])

    def by_column(self) -> Parts:
        """The same with each column a part of its own."""
        return replace(self, owner=np.arange(len(self.owner)))

    def turned(self, rng: np.random.Generator) -> Parts:
        """The same function, the columns of each part of several turned among one another by a random rotation."""
        turns = []
        for columns in self._groups():
            many, size = columns.shape
            normal = rng.standard_normal((many, size, size))
            q, r = np.linalg.qr(normal)
            q *= np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None, :]
            # a single column keeps its sign: flipping it is no turn
            turns.append(q if size > 1 else np.ones_like(q))
        turn = _block_diagonal(self._groups(), turns, len(self.owner))
        return replace(self, codes=csr_array(self.codes @ turn), decoder=turn.T @ self.decoder)

    def _groups(self) -> list[NDArray[np.int64]]:
        """Columns of the parts, parts of one size together, shapes (parts, size)."""
        order, starts = np.argsort(self.owner, kind="stable"), np.cumsum(self.sizes) - self.sizes
        found = []
        for size in np.unique(self.sizes[self.sizes > 0]):
            first = starts[self.sizes == size]
            found.append(order[first[:, None] + np.arange(size)])
        return found

    def _summing(self, values: Floats) -> csr_array:
        """Matrix that sums columns times values over each part, shape (columns, parts)."""
        columns = np.arange(len(self.owner))
        return csr_array((values, (columns, self.owner)), shape=(len(columns), self.number))


def parts_of(design: Design, x: Tensor) -> Parts:
    """Codes of rows, shape (n, width), unit by unit.

    The two columns by which a layer-normed design tells its decoder the scale and the mean are left out.

    Raises
    ------
    ValueError
        If the decoder is not affine in the codes, or activations or codes are not finite.
    """
    units, owner = Units.of(design), design.units().cpu().numpy()
    columns = np.arange(design.columns)
    if isinstance(design, LayerNormed):
        columns = columns[: design.inner.columns]
    like = like_parameters(design)
    decoder = torch.zeros(design.columns + 1, design.width, dtype=torch.float64)
    decoder[units.places.cpu().flatten()] = units.decoder.double().cpu().flatten(0, 1)
    found = []
    with evaluating(design), torch.no_grad():
        for block in x.split(max(1, _BLOCK // design.columns)):
            found.append(csr_array(encoded(design, block.to(like)).double().cpu().numpy()[:, columns]))
    return Parts(csr_array(vstack(found)), decoder.numpy()[columns], owner[columns])


def _block_diagonal(groups: list[NDArray[np.int64]], blocks: list[Floats], size: int) -> csr_array:
    entries = []
    for columns, block in zip(groups, blocks, strict=True):
        rows, cols = (np.broadcast_to(each, block.shape) for each in (columns[:, :, None], columns[:, None, :]))
        entries.append((block.ravel(), rows.ravel(), cols.ravel()))
    values, rows, cols = (np.concatenate(each) for each in zip(*entries, strict=True))
    return csr_array(coo_array((values, (rows, cols)), shape=(size, size)))
