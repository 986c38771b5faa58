"""Files of a saved design or world: a folder that appears whole or not at all; readers that say what is wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

_LFS_POINTER = b"version https://git-lfs"


def write_folder(
    folder: Path, texts: Mapping[str, str], tensors: Mapping[str, dict[str, Tensor]], what: str = "design"
) -> None:
    """Write files to a folder that does not exist yet: under a temporary name beside it, then renamed.

    Parameters
    ----------
    folder : Path
        Where to; missing parents are made.
    texts : Mapping of str to str
        Content of each text file, at least one.
    tensors : Mapping of str to dict
        Content of each safetensors file.
    what : str
        What is saved, for messages: ``"design"`` or ``"world"``.

    Raises
    ------
    FileExistsError
        If ``folder`` exists.
    NotADirectoryError
        If it lies below a plain file.
    """
    if folder.exists():
        raise FileExistsError(f"{folder} exists; remove it or save the {what} under another name")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise NotADirectoryError(f"{folder} lies below a plain file; save the {what} elsewhere") from None
    temporary = folder.with_name(f".{uuid4().hex}")
    temporary.mkdir()  # not tempfile, whose directories only their owner may read
    try:
        for name, text in texts.items():
            (temporary / name).write_text(text, encoding="utf-8")
        readable = temporary / next(iter(texts))
        for name, content in tensors.items():
            save_file(content, temporary / name)
            shutil.copymode(readable, temporary / name)  # safetensors gives its files to their owner alone
        temporary.rename(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def read_fields(path: Path, what: str = "design") -> dict[str, Any]:
    """The object in a JSON file of a saved ``what``.

    Raises
    ------
    FileNotFoundError, ValueError
        If the file is missing, a Git LFS pointer, damaged, or holds something else.
    """
    _check_present(path, what)
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"not valid JSON ({error})", what) from None
    if not isinstance(fields, dict):
        raise damaged(path, "holds no fields: this is some other file", what)
    return fields


def read_tensors(path: Path, what: str = "design") -> dict[str, Tensor]:
    """The tensors in a safetensors file of a saved ``what``.

    Raises
    ------
    FileNotFoundError, ValueError
        If the file is missing, a Git LFS pointer or damaged, or a tensor holds NaN.
    """
    _check_present(path, what)
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise damaged(path, f"not a complete safetensors file ({error})", what) from None
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and tensor.isnan().any():
            raise damaged(path, f"tensor {name} holds NaN", what)
    return tensors


def damaged(path: Path, reason: str, what: str = "design") -> ValueError:
    """The error for a file that cannot be what it should be."""
    return ValueError(f"{path}: {reason}; restore the file from a copy, or save the {what} again")


def _check_present(path: Path, what: str) -> None:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; {path.parent} is not a saved {what}, or is incomplete")
    with path.open("rb") as file:
        if file.read(len(_LFS_POINTER)) == _LFS_POINTER:
            raise ValueError(f"{path}: this is a Git LFS pointer; run `git lfs pull`")
