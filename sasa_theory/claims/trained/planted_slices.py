"""Rows of several features of which one fires at a time, with an exactly known second moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sasa_theory.bounds.validate import Floats
from sasa_theory.claims.measuring.slices import inputs


@dataclass(frozen=True)
class Slices:
    """Gaussian slices ``x = z B_i`` in one space, feature i firing alone with probability ``usages[i]``.

    Attributes
    ----------
    bases : tuple of ndarray, shape (d_i, width)
        Orthonormal rows that span each feature.
    spectra : tuple of ndarray, shape (d_i,)
        Variances of a feature along its rows while it fires.
    usages : tuple of float
        Probabilities, of sum at most 1; in the remaining rows nothing fires and x = 0.
    """

    bases: tuple[Floats, ...]
    spectra: tuple[Floats, ...]
    usages: tuple[float, ...]

    @property
    def width(self) -> int:
        """Dimension of the rows."""
        return self.bases[0].shape[1]

    def energies(self) -> Floats:
        """Eigenvalues of ``E xx'``, descending, shape (width,)."""
        parts = zip(self.bases, self.spectra, self.usages, strict=True)
        second = sum(usage * (basis.T * spectrum) @ basis for basis, spectrum, usage in parts)
        return np.asarray(np.linalg.eigvalsh(second)[::-1].clip(0.0), dtype=float)

    def rows(self, n: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """About n rows, float32, and the feature of each (-1: none).

        Every row comes with its negative, and each feature's second moment is exactly its own: what is said about the
        objective on these rows holds without a sampling error.
        """
        halves = [round(n * usage / 2) for usage in self.usages]
        points = []
        for half, basis, spectrum in zip(halves, self.bases, self.spectra, strict=True):
            active = inputs(half, spectrum, "gaussian", rng) @ basis
            points += [active, -active]
        resting = n - 2 * sum(halves)
        labels = np.repeat([*range(len(halves)), -1], [*(2 * half for half in halves), resting])
        x = np.concatenate([*points, np.zeros((resting, self.width))])
        return torch.from_numpy(x.astype(np.float32)), torch.from_numpy(labels)


def orthogonal(spectra: Sequence[Floats], usages: Sequence[float], width: int, rng: np.random.Generator) -> Slices:
    """Features in random subspaces that are orthogonal to each other; their dimensions must fit into the width."""
    dims = [len(spectrum) for spectrum in spectra]
    axes = np.linalg.qr(rng.standard_normal((width, sum(dims))))[0].T
    return Slices(tuple(np.split(axes, np.cumsum(dims)[:-1])), tuple(spectra), tuple(usages))


def decaying(d: int, power: float) -> Floats:
    """Variances proportional to ``1/j^power`` with mean 1, shape (d,); power 0 is the isotropic slice."""
    variances = np.arange(1.0, d + 1) ** -power
    return np.asarray(variances / variances.mean(), dtype=float)
