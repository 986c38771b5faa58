"""Margins of a claim as a small histogram in SVG: what was measured on one side, falsifiers in another colour."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from sasa_theory.bounds.validate import Floats

_BINS, _WIDTH, _HEIGHT = 20, 240, 56
_STEP = _WIDTH / _BINS

_FRAME = Markup(
    '<svg class="histogram" viewBox="0 0 {} {}" role="img" aria-label="{}">'
    '<line class="zero" x1="{x}" x2="{x}" y1="0" y2="{y}"/>{bars}</svg>'
)
_BAR = Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>')


def histogram(measured: Sequence[float], falsified: Sequence[float]) -> Markup:
    """Draw margins in [-1, 1], which those outside count at the ends of; 0 is the bound, negative is beyond it.

    Heights grow with the square root of the number, as one falsifier among a hundred measurements must be seen.
    """
    inside, outside = _counts(measured), _counts(falsified)
    highest = max(1.0, float(np.sqrt(inside + outside).max()))
    bars = Markup()
    for k in range(_BINS):
        low = 0.0
        for name, counts in (("measured", inside), ("falsified", outside)):
            below = np.sqrt(low) / highest
            low += counts[k]
            above = np.sqrt(low) / highest
            if above > below:
                y, height = _HEIGHT * (1 - above), _HEIGHT * (above - below)
                bars += _BAR.format(name, k * _STEP + 0.5, y, _STEP - 1, height)
    return _FRAME.format(_WIDTH, _HEIGHT, _said(measured, falsified), x=_WIDTH / 2, y=_HEIGHT, bars=bars)


def _counts(margins: Sequence[float]) -> Floats:
    values = np.clip(np.nan_to_num(np.asarray(margins, dtype=float), nan=0.0), -1, 1)
    # a margin of 0 within rounding stands on the allowed side
    return np.histogram(np.where(np.abs(values) < 1e-9, 1e-9, values), _BINS, (-1, 1))[0].astype(float)


def _said(measured: Sequence[float], falsified: Sequence[float]) -> str:
    parts = [
        f"{len(values)} {name}, {min(values):+.0%} to {max(values):+.0%} of the bound"
        for name, values in (("measurements", measured), ("falsifiers", falsified))
        if values and np.isfinite(values).all()
    ]
    return f"Margins: {'; '.join(parts)}" if parts else "Margins"
