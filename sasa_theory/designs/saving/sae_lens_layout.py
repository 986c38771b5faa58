"""What a design is called and how its tensors are named in SAELens 6, in both directions.

SAELens knows some designs under its own architectures and computes the same function from its own tensors; the rest are
stored as architecture ``sasa_theory``, for which it needs
:func:`sasa_theory.designs.adapters.sae_lens.register_sasa`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..atoms.batch_topk import BatchTopK
from ..atoms.decoder_norms import row_norms
from ..atoms.gated import Gated
from ..atoms.jumprelu import JumpReLU
from ..atoms.matching_pursuit import MatchingPursuit
from ..atoms.matryoshka import Matryoshka
from ..atoms.relu import ReLU
from ..atoms.topk import TopK
from ..contract import Design
from ..layer_norm import LayerNormed

OUR_ARCHITECTURE = "sasa_theory"
_INNER = "inner."  # of a layer-normed design, which SAELens stores like the design within
_LINEAR = {"encoder": "W_enc", "decoder": "W_dec", "encoder_bias": "b_enc", "decoder_bias": "b_dec"}
_TIED = {"decoder": "W_dec", "decoder_bias": "b_dec"}
_GATED = _LINEAR | {"encoder_bias": "b_gate", "magnitude_bias": "b_mag", "log_gain": "r_mag"}


@dataclass(frozen=True)
class Layout:
    """How SAELens stores a design.

    Attributes
    ----------
    architecture : str
        Its name there.
    fields : Mapping
        Settings that this architecture has beside those of all.
    names : Mapping of str to str
        Its names of our tensors; of an architecture of its own it reads these and no others.
    derived : Mapping of str to Tensor
        Tensors that it needs and that follow from ours.
    """

    architecture: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=lambda: _LINEAR)
    derived: Mapping[str, Tensor] = field(default_factory=dict)


def layout_of(design: Design) -> Layout:
    """How SAELens stores this design."""
    inner = design.inner if isinstance(design, LayerNormed) else design
    native = _NATIVE.get(type(inner))
    return Layout(OUR_ARCHITECTURE) if native is None else native(inner)


def common_fields(design: Design) -> dict[str, Any]:
    """The settings that SAELens keeps for every architecture. It does not count a layer norm's columns."""
    normed = isinstance(design, LayerNormed)
    return {
        "d_in": design.width,
        "d_sae": design.inner.columns if isinstance(design, LayerNormed) else design.columns,
        "apply_b_dec_to_input": True,
        "normalize_activations": "layer_norm" if normed else "none",
        "reshape_activations": "none",
    }


def stored_names(state: Mapping[str, Tensor], layout: Layout) -> dict[str, str]:
    """Name in SAELens' file of each of our tensors that belongs there."""
    names = {}
    for ours, tensor in state.items():
        theirs = layout.names.get(ours.removeprefix(_INNER))
        if theirs is not None and tensor.ndim == (2 if theirs.startswith("W_") else 1):
            names[ours] = theirs
        elif layout.architecture == OUR_ARCHITECTURE:
            names[ours] = ours
    return names


def as_stored(name: str, tensor: Tensor) -> Tensor:
    """Our tensor as the one of this name there, and back: the encoder is (width, columns) there, the transpose here."""
    return tensor.mT.contiguous() if name == "W_enc" else tensor.contiguous()


def _topk(design: TopK) -> Layout:
    # ranked by u_j ||d_j||, SAELens' codes are those products; reconstructions agree
    fields = {"k": design.config.k, "rescale_acts_by_decoder_norm": design.constraint == "free"}
    return Layout("abstopk" if design.signed else "topk", fields)


def _batch_topk(design: BatchTopK) -> Layout:
    """As used in evaluation: one threshold for all, in units of ``u_j ||d_j||`` where the rows are free."""
    if design.rank > 1:
        return Layout(OUR_ARCHITECTURE)
    thresholds = design.threshold.detach().expand(design.columns)
    norms = row_norms(design)
    if norms is not None:
        thresholds = thresholds / norms.detach().clamp_min(torch.finfo(norms.dtype).tiny)
    return Layout("jumprelu", derived={"threshold": thresholds.to(design.decoder.dtype).contiguous()})


def _matching_pursuit(design: MatchingPursuit) -> Layout:
    """SAELens rectifies and takes atoms; told so, it stops after the last step and at nothing else."""
    if design.signed or design.rank > 1:
        return Layout(OUR_ARCHITECTURE)
    fields = {"max_iterations": design.config.steps, "residual_threshold": 0.0, "stop_on_duplicate_support": False}
    return Layout("matching_pursuit", fields, _TIED)


_NATIVE: Mapping[type[Design], Callable[[Any], Layout]] = {
    ReLU: lambda design: Layout("standard"),
    Gated: lambda design: Layout("gated", names=_GATED),
    JumpReLU: lambda design: Layout("jumprelu", derived={"threshold": design.threshold.detach()}),
    TopK: _topk,
    BatchTopK: _batch_topk,
    Matryoshka: _batch_topk,
    MatchingPursuit: _matching_pursuit,
}
"""By the very class: a class derived from one of these may compute something else."""
