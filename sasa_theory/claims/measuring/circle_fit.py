"""How much of a known circle coordinates explain, by least squares."""

from __future__ import annotations

import numpy as np

from sasa_theory.bounds.validate import Floats


def explained_share(coordinates: Floats, circle: Floats) -> Floats:
    """R^2 of least squares with intercept of ``circle`` (m, 2) on coordinates (draws, m, p), shape (draws,)."""
    span = np.linalg.qr(coordinates - coordinates.mean(axis=1, keepdims=True))[0]
    target = circle - circle.mean(axis=0)
    return ((np.swapaxes(span, 1, 2) @ target) ** 2).sum(axis=(1, 2)) / (target**2).sum()
