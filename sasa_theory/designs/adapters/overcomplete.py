"""SAEs of ``overcomplete`` (github.com/KempnerInstitute/overcomplete) as designs."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from sasa_theory.designs.contract import Design
from sasa_theory.designs.wrapped import Wrapped


def wrap(sae: Any) -> Design:
    """An ``SAE`` of rows of activations, e.g. ``TopKSAE``, ``JumpSAE`` or ``MpSAE``, as a design.

    Parameters
    ----------
    sae : SAE
        A module whose ``encode(x)`` returns pair (pre-codes, codes), with ``decode(codes)``, ``nb_concepts`` and
        ``dictionary.in_dimensions``. The library keeps a fused dictionary for evaluation: call its ``eval()`` once
        after training.
    """
    return Wrapped(_SecondOfPair(sae), sae.dictionary.in_dimensions, sae.nb_concepts)


class _SecondOfPair(nn.Module):
    def __init__(self, sae: Any) -> None:
        super().__init__()
        self.sae = sae

    def encode(self, x: Tensor) -> Tensor:
        codes: Tensor = self.sae.encode(x)[1]
        return codes

    def decode(self, codes: Tensor) -> Tensor:
        rows: Tensor = self.sae.decode(codes)
        return rows
