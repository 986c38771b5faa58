"""Metrics as others' code defines them, with their defects, beside which ours are to be read.

They are those of the SASA authors' released code (github.com/arshandalili/sasa, July 2026) for arXiv 2606.06333,
written anew from their definitions. None of them belongs to :data:`sasa_theory.metrics.METRICS`.
"""

from .published import Published
from .registry import AS_PUBLISHED, CORRECTIONS

__all__ = ["AS_PUBLISHED", "CORRECTIONS", "Published"]
