"""Tolerances that claims share, each with its reason; an allowance that only one claim makes stands beside it."""

from __future__ import annotations

CONFIDENCE = 1 - 1e-6
"""Level of every interval in a claim: a thousand intervals then raise a false alarm once in a thousand runs."""

RESOLUTION = 0.1
"""A measurement whose interval reaches further than this share of the bound to either side decides nothing near it."""

ROUNDING = 1e-9
"""Slack for float64 arithmetic alone, relative to the bound: sums of up to 1e6 terms, no solver."""

SOLVER = 1e-4
"""Slack for iterative solvers (linear programs, proximal gradient), far below any gap that a claim is about."""

AFFINE = 1e-4
"""Deviation of a decoder from ``z D + b``, relative to what is added: float32 at 1e5 columns stays below."""

FLAT = 1e-5
"""Spread relative to the largest at which points do not vary: sums of a few hundred float32 codes stay below."""
