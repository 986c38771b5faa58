"""A learner that places atoms by visiting: online k-lines; nothing here knows a bound."""

from __future__ import annotations

import numpy as np

from sasa_theory.bounds.validate import Floats


def winner_takes_all(inputs: Floats, n_atoms: int) -> Floats:
    """Unit atoms, shape (n_atoms, d), that unit inputs leave behind, shape (m, d), m >= n_atoms.

    The first inputs become atoms, each later one turns its nearest line towards itself.
    """
    total = inputs[:n_atoms].copy()
    for x in inputs[n_atoms:]:
        cosine = total @ x / np.linalg.norm(total, axis=1)
        winner = int(np.abs(cosine).argmax())
        total[winner] += np.copysign(1.0, cosine[winner]) * x
    return total / np.linalg.norm(total, axis=1, keepdims=True)
