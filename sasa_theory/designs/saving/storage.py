"""A design on disk, in the layout of SAELens 6: ``cfg.json`` and ``sae_weights.safetensors``.

SAELens reads such a folder with ``SAE.load_from_disk`` and computes the same function, wherever it has the
architecture; for all others :func:`sasa_theory.designs.adapters.sae_lens.register_sasa` teaches it. A block
``sasa_theory`` in ``cfg.json`` and, where SAELens admits no tensor of ours beside its own, a third file
``sasa_theory.safetensors`` hold what brings the same design back bit for bit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sasa_theory.saved_files import damaged, read_fields, read_tensors, write_folder

from ..config import DesignConfig, config_class
from ..contract import Design
from .sae_lens_layout import as_stored, common_fields, layout_of, stored_names
from .sae_lens_reader import convert

CONFIG_FILE = "cfg.json"
WEIGHT_FILE = "sae_weights.safetensors"
STATE_FILE = "sasa_theory.safetensors"
BLOCK = "sasa_theory"
VERSION = 1
_SAE_LENS_VERSION = "6.54.12"  # whose fields and names are written; SAELens converts what is older than 6.0.0


def save(design: Design, folder: Path | str, metadata: Mapping[str, Any] | None = None) -> None:
    """Write a design to a folder that does not exist yet: under a temporary name beside it, then renamed.

    What is stored is the design as it is used after training: what
    :meth:`~sasa_theory.designs.Design.begin_step` sets for a step, such as an annealed k, is not.

    Parameters
    ----------
    design : Design
        A design built from a config, on any device, in any precision.
    folder : path
        Where to; missing parents are made.
    metadata : Mapping, optional
        What SAELens should know of the activations, e.g. ``model_name`` and ``hook_name``; plain values.

    Raises
    ------
    FileExistsError
        If ``folder`` exists.
    NotADirectoryError
        If it lies below a plain file.
    TypeError
        If the design was not built from a config.
    ValueError
        If a tensor holds NaN, which training that diverged leaves behind.
    """
    fields = header(design, metadata)
    layout, state = layout_of(design), design.state_dict()
    state = {name: tensor.detach().cpu().clone() for name, tensor in state.items()}  # no two may share their memory
    for name, tensor in state.items():
        if tensor.is_floating_point() and tensor.isnan().any():
            raise ValueError(f"tensor {name} of this {type(design).__name__} holds NaN; save an earlier state")
    names = stored_names(state, layout)
    weights = {theirs: as_stored(theirs, state[ours]) for ours, theirs in names.items()}
    weights |= {name: tensor.detach().cpu() for name, tensor in layout.derived.items()}
    rest = {name: tensor.contiguous() for name, tensor in state.items() if name not in names}
    files = {WEIGHT_FILE: weights} | ({STATE_FILE: rest} if rest else {})
    write_folder(Path(folder), {CONFIG_FILE: json.dumps(fields, indent=1, allow_nan=False)}, files)


def header(design: Design, metadata: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What ``cfg.json`` holds for a design: SAELens' fields, and our block.

    Raises
    ------
    TypeError
        If the design was not built from a config.
    """
    config = getattr(design, "config", None)
    if not isinstance(config, DesignConfig):
        raise TypeError(
            f"this {type(design).__name__} has no config from which it could be built again; "
            "save the weights by the means of the library they come from"
        )
    layout = layout_of(design)
    precisions = [tensor.dtype for tensor in design.state_dict().values() if tensor.is_floating_point()]
    return {
        "architecture": layout.architecture,
        **common_fields(design),
        **layout.fields,
        "dtype": str(precisions[0]).removeprefix("torch."),
        "device": "cpu",
        "metadata": {**(metadata or {}), "sae_lens_version": _SAE_LENS_VERSION},
        BLOCK: {"version": VERSION, "kind": config.kind, "config": config.to_dict()},
    }


def load(folder: Path | str) -> Design:
    """Read what :func:`save` wrote, or what SAELens wrote of an architecture that exists here too.

    Of SAELens' architectures these are ``standard``, ``gated``, ``jumprelu``, ``topk``, ``abstopk``, and, as saved in
    the course of training, ``batchtopk`` and ``matryoshka_batchtopk``. Where SAELens does not subtract the decoder's
    bias from the input, the encoder's bias is shifted so that the function stays. Heads that it flattens (``hook_z``)
    the caller must flatten.

    Returns
    -------
    Design
        On the CPU, in the precision in which it was saved and, like every fresh module, in training mode: call
        ``eval()`` before use, for some designs select differently while they train.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If a file is damaged, foreign, of a newer version, a Git LFS pointer, or does not fit the others; the message
        names file and field and says how to mend it.
    """
    folder = Path(folder)
    fields = read_fields(folder / CONFIG_FILE)
    tensors = read_tensors(folder / WEIGHT_FILE)
    if BLOCK not in fields:
        return convert(fields, tensors, folder / CONFIG_FILE, folder / WEIGHT_FILE)
    design = build(fields[BLOCK], folder / CONFIG_FILE)
    layout = layout_of(design)
    expected = {"architecture": layout.architecture} | common_fields(design) | dict(layout.fields)
    for name, value in expected.items():
        if fields.get(name) != value:
            raise damaged(folder / CONFIG_FILE, f"field {name} is {fields.get(name)!r}, {BLOCK} asks for {value!r}")
    state = design.state_dict()
    if state.keys() - stored_names(state, layout).keys():
        _fill(design, tensors, folder / WEIGHT_FILE, read_tensors(folder / STATE_FILE), folder / STATE_FILE)
    else:
        _fill(design, tensors, folder / WEIGHT_FILE)
    return design


def build(block: Any, path: Path) -> Design:
    """The design that our block in the file ``path`` describes, with weights that are still to be filled in.

    Raises
    ------
    ValueError
        If the block is damaged, of a newer version, or of an unknown kind.
    """
    if not isinstance(block, dict):
        raise damaged(path, f"field {BLOCK} is {block!r}, not an object")
    version, values = block.get("version"), block.get("config")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise damaged(path, f"field {BLOCK}.version is {version!r}, not a whole number")
    if version > VERSION:
        raise ValueError(
            f"{path}: field {BLOCK}.version is {version}, this program reads up to {VERSION}; "
            "update sasa-theory to read it"
        )
    try:
        config = config_class(f"field {BLOCK}.kind", str(block.get("kind")))
    except ValueError as error:
        raise ValueError(f"{path}: {error}; update sasa-theory, or import the module that defines it") from None
    if not isinstance(values, dict):
        raise damaged(path, f"field {BLOCK}.config is {values!r}, not an object")
    try:
        return config.from_dict(values).build(torch.Generator().manual_seed(0))
    except (ValueError, TypeError, RecursionError) as error:
        raise damaged(path, f"field {BLOCK}.config: {error}") from None


def _fill(
    design: Design,
    weights: Mapping[str, Tensor],
    weight_path: Path,
    rest: Mapping[str, Tensor] | None = None,
    rest_path: Path | None = None,
) -> None:
    """Put stored tensors in the place of a design's own; their precision is kept.

    Parameters
    ----------
    design : Design
        What to fill.
    weights, weight_path : Mapping, Path
        Tensors under SAELens' names, and the file they come from.
    rest, rest_path : Mapping, Path, optional
        The tensors that SAELens has no place for, under our names, and their file.

    Raises
    ------
    ValueError
        If a tensor is missing, unknown, of the wrong shape or type, or does not follow from the others as it should.
    """
    layout, fresh = layout_of(design), design.state_dict()
    names = stored_names(fresh, layout)
    _same_names({*names.values(), *layout.derived}, weights, weight_path)
    stored = {ours: (theirs, weights[theirs], weight_path) for ours, theirs in names.items()}
    if rest is not None and rest_path is not None:
        _same_names(fresh.keys() - names.keys(), rest, rest_path)
        stored |= {ours: (ours, tensor, rest_path) for ours, tensor in rest.items()}
    for ours, (theirs, tensor, path) in stored.items():
        wanted = as_stored(theirs, fresh[ours])
        if tensor.shape != wanted.shape:
            raise damaged(
                path, f"tensor {theirs} has shape {tuple(tensor.shape)}, {CONFIG_FILE} asks for {tuple(wanted.shape)}"
            )
        if tensor.is_floating_point() != wanted.is_floating_point():
            raise damaged(path, f"tensor {theirs} is {tensor.dtype}, not {wanted.dtype}")
    own = design.state_dict(keep_vars=True)
    for ours, (theirs, tensor, _) in stored.items():
        own[ours].data = as_stored(theirs, tensor)  # in the same parameter, which may serve in two places
    for ours, (theirs, tensor, path) in stored.items():
        if not torch.equal(as_stored(theirs, own[ours].detach()), tensor):
            raise damaged(path, f"tensor {theirs} must equal the one that it is tied to")
    for name, tensor in layout_of(design).derived.items():
        if not torch.equal(weights[name], tensor):
            raise damaged(weight_path, f"tensor {name} does not follow from the others")


def _same_names(expected: set[str], found: Mapping[str, Tensor], path: Path) -> None:
    for name in sorted(expected ^ found.keys()):
        raise damaged(path, f"tensor {name} is {'missing' if name in expected else 'unknown'}")
