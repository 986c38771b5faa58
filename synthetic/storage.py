"""A world on disk: a directory with ``world.json`` (the config) and ``world.safetensors`` (the drawn tensors)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sasa_theory.saved_files import damaged, read_fields, read_tensors, write_folder

from .config import WorldConfig
from .pair_coherence import blocks_by_dim
from .parameters import Parameters

FORMAT = "sasa-theory world"
VERSION = 1
CONFIG_FILE = "world.json"
TENSOR_FILE = "world.safetensors"
WHAT = "world"
_ORTHONORMAL_WITHIN = 1e-4
"""Float32 bases deviate from orthonormality by some 1e-6; a damaged entry by far more."""


def write_world(directory: Path, config: WorldConfig, parameters: Parameters) -> None:
    """Write a world to a directory that does not exist yet: under a temporary name beside it, then renamed.

    Raises
    ------
    FileExistsError
        If ``directory`` exists.
    NotADirectoryError
        If it lies below a plain file.
    """
    header = {"format": FORMAT, "version": VERSION, "config": config.to_dict()}
    tensors = {f.name: getattr(parameters, f.name).cpu().contiguous() for f in fields(parameters)}
    write_folder(directory, {CONFIG_FILE: json.dumps(header, indent=1)}, {TENSOR_FILE: tensors}, WHAT)


def read_world(directory: Path) -> tuple[WorldConfig, Parameters]:
    """Read what :func:`write_world` wrote.

    Raises
    ------
    FileNotFoundError
        If one of the two files is missing.
    ValueError
        If a file is damaged, foreign, of a newer version, a Git LFS pointer, or does not fit the other; the message
        names file and field and says how to mend it.
    """
    path = directory / CONFIG_FILE
    header = read_fields(path, WHAT)
    tensors = read_tensors(directory / TENSOR_FILE, WHAT)
    config = _config(header, path)
    return config, _parameters(tensors, config, directory / TENSOR_FILE)


def _config(header: Mapping[str, Any], path: Path) -> WorldConfig:
    if header.get("format") != FORMAT:
        raise damaged(path, f"field format is not {FORMAT!r}: this is some other file", WHAT)
    version = header.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise damaged(path, f"field version is {version!r}, not a whole number", WHAT)
    if version > VERSION:
        raise ValueError(
            f"{path}: field version is {version}, this program reads up to {VERSION}; update sasa-theory to read it"
        )
    try:
        return WorldConfig.from_dict(header.get("config", {}))
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"field config: {error}", WHAT) from None


def _parameters(tensors: dict[str, Tensor], config: WorldConfig, path: Path) -> Parameters:
    expected = _shapes(config)
    for name in sorted(expected.keys() ^ tensors.keys()):
        raise damaged(path, f"tensor {name} is {'missing' if name in expected else 'unknown'}", WHAT)
    for name, tensor in tensors.items():
        if tuple(tensor.shape) != expected[name]:
            found = tuple(tensor.shape)
            raise damaged(path, f"tensor {name} has shape {found}, {CONFIG_FILE} asks for {expected[name]}", WHAT)
        if tensor.dtype != torch.float32:
            raise damaged(path, f"tensor {name} is {tensor.dtype}, not torch.float32", WHAT)
        if not tensor.isfinite().all():
            raise damaged(path, f"tensor {name} holds infinite values", WHAT)
    for name in ("means", "spreads"):
        if (tensors[name] < 0).any():
            raise damaged(path, f"tensor {name} holds negative values", WHAT)
    if config.magnitude.by_parent and (tensors["means"] == 0).any():
        raise damaged(path, "tensor means holds zeros, by which magnitudes set by_parent would be divided", WHAT)
    if (tensors["loadings"].square().sum(dim=1) >= 1).any():
        raise damaged(path, "tensor loadings has rows of length 1 or more", WHAT)
    if not _orthonormal(tensors["bases"], config):
        raise damaged(path, "tensor bases is not orthonormal feature by feature", WHAT)
    return Parameters(**tensors)


def _shapes(config: WorldConfig) -> dict[str, tuple[int, ...]]:
    return {
        "bases": (sum(config.dims), config.width),
        "bias": (config.width,),
        "means": (config.size,),
        "spreads": (config.size,),
        "loadings": config.firing.loadings_shape(config.size),
    }


def _orthonormal(bases: Tensor, config: WorldConfig) -> bool:
    blocks = blocks_by_dim(bases, config.dims)
    return all(
        float((rows @ rows.mT - torch.eye(d, dtype=rows.dtype)).abs().max()) < _ORTHONORMAL_WITHIN
        for d, rows in blocks.items()
    )
