"""A world on disk: a directory with ``world.json`` (the config) and ``world.safetensors`` (the drawn tensors)."""

from __future__ import annotations

import json
import shutil
from dataclasses import fields
from pathlib import Path
from uuid import uuid4

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from .config import WorldConfig
from .pair_coherence import blocks_by_dim
from .parameters import Parameters

FORMAT = "sasa-theory world"
VERSION = 1
CONFIG_FILE = "world.json"
TENSOR_FILE = "world.safetensors"
_LFS_POINTER = b"version https://git-lfs"
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
    if directory.exists():
        raise FileExistsError(f"{directory} exists; remove it or save the world under another name")
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise NotADirectoryError(f"{directory} lies below a plain file; save the world elsewhere") from None
    temporary = directory.with_name(f".{uuid4().hex}")
    temporary.mkdir()  # not tempfile, whose directories only their owner may read
    try:
        header = {"format": FORMAT, "version": VERSION, "config": config.to_dict()}
        (temporary / CONFIG_FILE).write_text(json.dumps(header, indent=1), encoding="utf-8")
        tensors = {f.name: getattr(parameters, f.name).cpu().contiguous() for f in fields(parameters)}
        save_file(tensors, temporary / TENSOR_FILE)
        shutil.copymode(temporary / CONFIG_FILE, temporary / TENSOR_FILE)
        temporary.rename(directory)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


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
    for path in (directory / CONFIG_FILE, directory / TENSOR_FILE):
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing; {directory} is not a saved world, or is incomplete")
        with path.open("rb") as file:
            if file.read(len(_LFS_POINTER)) == _LFS_POINTER:
                raise ValueError(f"{path}: this is a Git LFS pointer; run `git lfs pull`")
    config = _read_config(directory / CONFIG_FILE)
    return config, _read_parameters(directory / TENSOR_FILE, config)


def _read_config(path: Path) -> WorldConfig:
    try:
        header = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"not valid JSON ({error})") from None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise _damaged(path, f"field format is not {FORMAT!r}: this is some other file")
    version = header.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise _damaged(path, f"field version is {version!r}, not a whole number")
    if version > VERSION:
        raise ValueError(
            f"{path}: field version is {version}, this program reads up to {VERSION}; update sasa-theory to read it"
        )
    try:
        return WorldConfig.from_dict(header.get("config", {}))
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"field config: {error}") from None


def _read_parameters(path: Path, config: WorldConfig) -> Parameters:
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise _damaged(path, f"not a complete safetensors file ({error})") from None
    expected = _shapes(config)
    for name in sorted(expected.keys() ^ tensors.keys()):
        raise _damaged(path, f"tensor {name} is {'missing' if name in expected else 'unknown'}")
    for name, tensor in tensors.items():
        if tuple(tensor.shape) != expected[name]:
            raise _damaged(
                path, f"tensor {name} has shape {tuple(tensor.shape)}, {CONFIG_FILE} asks for {expected[name]}"
            )
        if tensor.dtype != torch.float32:
            raise _damaged(path, f"tensor {name} is {tensor.dtype}, not torch.float32")
        if not tensor.isfinite().all():
            raise _damaged(path, f"tensor {name} holds NaN or infinite values")
    for name in ("means", "spreads"):
        if (tensors[name] < 0).any():
            raise _damaged(path, f"tensor {name} holds negative values")
    if config.magnitude.by_parent and (tensors["means"] == 0).any():
        raise _damaged(path, "tensor means holds zeros, by which magnitudes set by_parent would be divided")
    if (tensors["loadings"].square().sum(dim=1) >= 1).any():
        raise _damaged(path, "tensor loadings has rows of length 1 or more")
    if not _orthonormal(tensors["bases"], config):
        raise _damaged(path, "tensor bases is not orthonormal feature by feature")
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


def _damaged(path: Path, reason: str) -> ValueError:
    return ValueError(f"{path}: {reason}; restore the file from a copy, or build the world again and save it")
