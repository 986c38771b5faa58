"""Sparse autoencoders that SAELens has saved, as designs of ours that compute the same function.

Settings of their training that SAELens does not keep are its defaults here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sasa_theory.bounds.validate import choice, count
from sasa_theory.saved_files import damaged

from ..contract import Design
from ..layer_norm import LayerNormed
from ..linear import LinearDesign
from ..presets import config

_TINY = 1e-8


class _Architecture(NamedTuple):
    """How one of SAELens' architectures is read.

    Attributes
    ----------
    biases : tuple of str
        Its tensors of shape (d_sae,).
    design : callable
        Name and settings of the preset, from the fields of its config.
    state : callable
        Tensors of ours that are no linear weights, from its own.
    scalars : tuple of str
        Its tensors of shape ().
    """

    biases: tuple[str, ...]
    design: Callable[[Mapping[str, Any]], tuple[str, dict[str, Any]]]
    state: Callable[[dict[str, Tensor]], dict[str, Tensor]]
    scalars: tuple[str, ...] = ()


def _whole(fields: Mapping[str, Any], name: str) -> int:
    if name not in fields:
        raise ValueError(f"field {name} is missing")
    return int(count(f"field {name}", fields[name]))


def _prefixes(fields: Mapping[str, Any]) -> tuple[float, ...]:
    widths, atoms = fields.get("matryoshka_widths", []), _whole(fields, "d_sae")
    return (*(float(width) / atoms for width in widths if width != atoms), 1.0)


_READ: Mapping[str, _Architecture] = {
    "standard": _Architecture(
        ("b_enc",), lambda fields: ("relu/saelens", {"sparsity": 1.0}), lambda t: {"encoder_bias": t["b_enc"]}
    ),
    "gated": _Architecture(
        ("b_gate", "b_mag", "r_mag"),
        lambda fields: ("gated/saelens", {"sparsity": 1.0}),
        lambda t: {"encoder_bias": t["b_gate"], "magnitude_bias": t["b_mag"], "log_gain": t["r_mag"]},
    ),
    "jumprelu": _Architecture(
        ("b_enc", "threshold"),
        lambda fields: ("jumprelu/saelens", {}),
        # codes are rectified there, so that no threshold below 0 acts
        lambda t: {"encoder_bias": t["b_enc"], "log_threshold": t["threshold"].clamp_min(0).log()},
    ),
    "topk": _Architecture(
        ("b_enc",), lambda fields: ("topk", {"k": _whole(fields, "k")}), lambda t: {"encoder_bias": t["b_enc"]}
    ),
    "abstopk": _Architecture(
        ("b_enc",), lambda fields: ("topk/signed", {"k": _whole(fields, "k")}), lambda t: {"encoder_bias": t["b_enc"]}
    ),
    "batchtopk": _Architecture(
        ("b_enc",),
        lambda fields: ("batch-topk", {"k": _whole(fields, "k")}),
        lambda t: {"encoder_bias": t["b_enc"], "threshold": t["topk_threshold"]},
        ("topk_threshold",),
    ),
    "matryoshka_batchtopk": _Architecture(
        ("b_enc",),
        lambda fields: ("matryoshka", {"k": _whole(fields, "k"), "prefixes": _prefixes(fields), "reduction": "sum"}),
        lambda t: {"encoder_bias": t["b_enc"], "threshold": t["topk_threshold"]},
        ("topk_threshold",),
    ),
}


def convert(fields: Mapping[str, Any], tensors: Mapping[str, Tensor], field_path: Path, tensor_path: Path) -> Design:
    """The design that computes what SAELens computes from these fields and tensors.

    Parameters
    ----------
    fields : Mapping
        SAELens' ``cfg.json``, of version 6 or of an earlier one.
    tensors : Mapping of str to Tensor
        SAELens' ``sae_weights.safetensors``.
    field_path, tensor_path : Path
        Where they come from; errors name it.

    Raises
    ------
    ValueError
        If the architecture or a setting is not known here, or a tensor is missing, unknown or of the wrong shape.
    """
    try:
        fields = _current(fields)
        name = choice("field architecture", fields["architecture"], _READ)
        width, atoms = _whole(fields, "d_in"), _whole(fields, "d_sae")
        norm = choice(
            "field normalize_activations", fields.get("normalize_activations", "none"), ("none", "layer_norm")
        )
        dtype = choice("field dtype", fields.get("dtype", "float32"), _DTYPES)
        preset, settings = _READ[name].design(fields)
        design = config(preset, width=width, atoms=atoms, **settings).build(torch.Generator().manual_seed(0))
    except ValueError as error:
        raise ValueError(
            f"{field_path}: {error}; open it with SAELens, fold in what is not known here, and save it again"
        ) from None
    shapes: dict[str, tuple[int, ...]] = {"W_enc": (width, atoms), "W_dec": (atoms, width), "b_dec": (width,)}
    shapes |= dict.fromkeys(_READ[name].biases, (atoms,)) | dict.fromkeys(_READ[name].scalars, ())
    checked = {key: value.to(_DTYPES[dtype]) for key, value in _checked(tensors, shapes, tensor_path).items()}
    if fields.get("rescale_acts_by_decoder_norm"):
        _fold_norms(checked)
    if not fields.get("apply_b_dec_to_input", True):
        _shift(checked)
    state = {"encoder": checked["W_enc"].mT.contiguous(), "decoder": checked["W_dec"], "decoder_bias": checked["b_dec"]}
    design.load_state_dict(design.state_dict() | state | _READ[name].state(checked), assign=True)
    return LayerNormed(design) if norm == "layer_norm" and isinstance(design, LinearDesign) else design


_DTYPES = {
    name: getattr(torch, short)
    for short in ("float32", "float64", "bfloat16", "float16")
    for name in (short, f"torch.{short}")
}


def _current(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields as from version 6 on: before, top-k was an activation function of the standard architecture."""
    fields = {"architecture": "standard", **fields}
    activation = fields.get("activation_fn", fields.get("activation_fn_str", "relu"))
    if fields["architecture"] == "standard" and activation == "topk":
        fields |= {"architecture": "topk", **fields.get("activation_fn_kwargs", {})}
    elif activation != "relu":
        choice("field activation_fn", activation, ("relu", "topk"))
    if isinstance(fields.get("normalize_activations"), bool):
        fields["normalize_activations"] = "expected_average_only_in" if fields["normalize_activations"] else "none"
    return fields


def _checked(tensors: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]], path: Path) -> dict[str, Tensor]:
    tensors = dict(tensors)
    scaling = tensors.pop("scaling_factor", torch.ones(()))  # once written with every SAE, used with hardly any
    if (scaling != 1).any():
        raise damaged(path, "tensor scaling_factor is not 1 throughout, which is not known here")
    for name in sorted(shapes.keys() ^ tensors.keys()):
        raise damaged(path, f"tensor {name} is {'missing' if name in shapes else 'unknown'}")
    for name, tensor in tensors.items():
        if tuple(tensor.shape) != shapes[name]:
            raise damaged(path, f"tensor {name} has shape {tuple(tensor.shape)}, cfg.json asks for {shapes[name]}")
    return tensors


def _fold_norms(tensors: dict[str, Tensor]) -> None:
    """Codes that count the norms of the decoder's rows, as from an encoder longer by these, and rows of norm 1."""
    norms = tensors["W_dec"].norm(dim=-1).clamp_min(_TINY)
    tensors["W_enc"], tensors["b_enc"] = tensors["W_enc"] * norms, tensors["b_enc"] * norms
    tensors["W_dec"] = tensors["W_dec"] / norms.unsqueeze(-1)


def _shift(tensors: dict[str, Tensor]) -> None:
    """``x E + b = (x - b_d) E + (b + b_d E)``."""
    shift = tensors["b_dec"] @ tensors["W_enc"]
    for name in {"b_enc", "b_gate"} & tensors.keys():
        tensors[name] = tensors[name] + shift
    if "b_mag" in tensors:
        tensors["b_mag"] = tensors["b_mag"] + tensors["r_mag"].exp() * shift
