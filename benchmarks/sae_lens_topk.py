"""SAELens' TopK for the benchmark: ``sasa-theory bench benchmarks/sae_lens_topk.py:topk``, where SAELens is installed.

A peer's object goes through its adapter and is trained, judged and ranked like any design.
"""

from __future__ import annotations

from sae_lens import TopKTrainingSAE, TopKTrainingSAEConfig

from sasa_theory.designs import Design
from sasa_theory.designs.adapters import sae_lens


def topk(width: int, columns: int, active: int) -> Design:
    """A fresh TopK of SAELens 6 with its own initial weights; minimised is the squared error."""
    return sae_lens.wrap(TopKTrainingSAE(TopKTrainingSAEConfig(d_in=width, d_sae=columns, k=active)))
