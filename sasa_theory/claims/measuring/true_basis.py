"""The dictionaries on the way from the true basis to split features; nothing here knows a bound."""

from __future__ import annotations

import numpy as np

from sasa_theory.bounds.validate import Floats


def signed_basis(d: int) -> Floats:
    """Atoms ``+-v_1 .. +-v_d`` of the true basis, the positive ones first, shape (2 d, d)."""
    return np.vstack([np.eye(d), -np.eye(d)])


def basis_with_spare(d: int, t: float) -> Floats:
    """Signed true basis and one spare atom ``cos t v_1 + sin t v_2``, shape (2 d + 1, d)."""
    basis = signed_basis(d)
    return np.vstack([basis, np.cos(t) * basis[0] + np.sin(t) * basis[1]])
