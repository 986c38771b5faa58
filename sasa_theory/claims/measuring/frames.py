"""Sets of unit vectors with known or small coherence; nothing here knows a bound.

Each set is the rows of a matrix (atoms, width); its coherence is the largest |cosine| of two rows.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from sasa_theory.bounds.validate import Floats

from .geometry import unit


def coherence(atoms: Floats) -> float:
    """Largest |cosine| of two different rows of unit length."""
    cosine = np.abs(atoms @ atoms.T)
    np.fill_diagonal(cosine, 0.0)
    return float(cosine.max())


def equiangular(count: int, cosine: float) -> Floats:
    """``count`` unit vectors of R^count with all pairwise cosines equal, ``-1/(count - 1) <= cosine < 1``."""
    values, vectors = np.linalg.eigh((1 - cosine) * np.eye(count) + cosine)
    return vectors * np.sqrt(np.maximum(values, 0.0))


def simplex(width: int) -> Floats:
    """The ``width + 1`` corners of a regular simplex: pairwise cosines -1/width."""
    return unit(np.eye(width + 1) - 1 / (width + 1))


def paley_lines(prime: int) -> Floats:
    """``prime + 1`` equiangular lines that span half as many dimensions, for a prime of the form 4j + 1.

    Their Gram matrix is I + C / sqrt(prime) with C Paley's symmetric conference matrix (C C' = prime I): all |cosines|
    are 1/sqrt(prime), and half of the eigenvalues vanish.
    """
    squares = {x * x % prime for x in range(1, prime)}
    difference = np.subtract.outer(np.arange(prime), np.arange(prime)) % prime
    character = np.where(difference == 0, 0.0, np.where(np.isin(difference, list(squares)), 1.0, -1.0))
    conference = np.ones((prime + 1, prime + 1)) - np.eye(prime + 1)
    conference[1:, 1:] = character
    values, vectors = np.linalg.eigh(np.eye(prime + 1) + conference / np.sqrt(prime))
    half = (prime + 1) // 2
    return vectors[:, half:] * np.sqrt(values[half:])


def lines_28() -> Floats:
    """28 equiangular lines that span 7 dimensions, |cosine| 1/3: the vectors (3, 3, -1^6) in every order."""
    rows = np.full((28, 8), -1.0)
    for row, pair in zip(rows, combinations(range(8), 2), strict=True):
        row[list(pair)] = 3.0
    return unit(rows)


def spread(atoms: Floats, steps: int = 300) -> Floats:
    """Push unit vectors apart: gradient steps on the sum of |cosine|^8, which the largest ones dominate."""
    for _ in range(steps):
        cosine = atoms @ atoms.T
        np.fill_diagonal(cosine, 0.0)
        push = cosine**7 @ atoms
        atoms = unit(atoms - 0.1 * push / np.linalg.norm(push, axis=1).max())
    return atoms
