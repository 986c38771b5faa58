"""Released sparse autoencoders: SAELens' folders and those of SASA's authors, with the model they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sasa_theory.bounds.validate import choice, count
from sasa_theory.designs.contract import Design
from sasa_theory.designs.layer_norm import LayerNormed
from sasa_theory.designs.presets import config
from sasa_theory.designs.saving.storage import CONFIG_FILE, WEIGHT_FILE, load
from sasa_theory.saved_files import damaged, read_fields, read_tensors

from .sites import Site

SASA_ARCHITECTURE = "topk_sasa"
"""What the authors' code (github.com/arshandalili/sasa) calls SASA in SAELens' registry."""

_MODELS = {"gpt2-small": "gpt2", "mistral-7b": "mistralai/Mistral-7B-v0.1"}
"""Names of TransformerLens that are not those of the hub."""


@dataclass(frozen=True)
class Released:
    """A sparse autoencoder as it was released.

    Attributes
    ----------
    design : Design
        In evaluation mode, on the CPU.
    architecture : str
        As its config calls it.
    model, corpus : str or None
        Hub name of the language model, and of the text it was trained on, as far as its config tells.
    site : Site or None
        Where its activations come from, if that is a stream that can be read here.
    context : int or None
        Tokens in a sequence in its training.
    centred : bool
        Whether it was trained on a model whose residual stream had its mean over the width removed, as TransformerLens
        does unless told otherwise: then transformers' activations are not quite its inputs.
    """

    design: Design
    architecture: str
    model: str | None
    corpus: str | None
    site: Site | None
    context: int | None
    centred: bool


def load_released(folder: Path) -> Released:
    """Read ``cfg.json`` and ``sae_weights.safetensors`` of SAELens 5 and 6, of SASA's authors, or of this program.

    Raises
    ------
    FileNotFoundError, ValueError
        If a file is missing, damaged, a Git LFS pointer or of an unknown architecture; the message names file and
        field.
    """
    fields = read_fields(folder / CONFIG_FILE)
    sasa = fields.get("architecture") == SASA_ARCHITECTURE
    design = _sasa(fields, folder) if sasa else load(folder)
    told = {**fields, **fields.get("metadata", {})}  # version 5 has in the config itself what 6 has in metadata
    model = told.get("model_name")
    kwargs = told.get("model_from_pretrained_kwargs") or {}
    ours = "sasa_theory" in fields
    return Released(
        design=design.eval(),
        architecture=str(fields.get("architecture", "standard")),
        model=None if model is None else _MODELS.get(str(model), str(model)),
        corpus=told.get("dataset_path"),
        site=_site(told.get("hook_name")),
        context=told.get("context_size"),
        centred=not ours and kwargs.get("center_writing_weights") is not False,
    )


def _sasa(fields: Mapping[str, Any], folder: Path) -> Design:
    """``p = (LN(x) - b_d) W_enc + b_enc``, the k groups of largest norm, as the authors' code computes it."""
    path = folder / CONFIG_FILE
    try:
        width, groups, rank, active = (
            int(count(f"field {name}", fields[name])) for name in ("d_in", "n_groups", "group_rank", "k_groups")
        )
        norm = choice(
            "field normalize_activations", fields.get("normalize_activations", "none"), ("none", "layer_norm")
        )
        design = config("sasa/release", width=width, groups=groups, rank=rank, active=active).build(torch.Generator())
    except KeyError as error:
        raise damaged(path, f"field {error.args[0]} is missing") from None
    except ValueError as error:
        raise damaged(path, str(error)) from None
    if not fields.get("apply_b_dec_to_input", True):
        raise damaged(path, "field apply_b_dec_to_input is false, which SASA's code does not know")
    tensors, columns = read_tensors(folder / WEIGHT_FILE), groups * rank
    shapes = {"W_enc": (width, columns), "W_dec": (columns, width), "b_enc": (columns,), "b_dec": (width,)}
    for name, shape in shapes.items():
        if name not in tensors:
            raise damaged(folder / WEIGHT_FILE, f"tensor {name} is missing")
        if tuple(tensors[name].shape) != shape:
            found = tuple(tensors[name].shape)
            raise damaged(folder / WEIGHT_FILE, f"tensor {name} has shape {found}, cfg.json asks for {shape}")
    state = {"encoder": tensors["W_enc"].mT.contiguous(), "decoder": tensors["W_dec"]}
    state |= {"encoder_bias": tensors["b_enc"], "decoder_bias": tensors["b_dec"]}
    design.load_state_dict(design.state_dict() | {name: tensor.float() for name, tensor in state.items()})
    return LayerNormed(design, "raw") if norm == "layer_norm" else design  # type: ignore[arg-type]


def _site(hook: object) -> Site | None:
    try:
        return Site.parse(str(hook))
    except ValueError:
        return None
