"""Checkpoints: folders ``step-000123`` with tensors as safetensors and the rest as JSON, whole or not there at all."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

FORMAT = "sasa-theory checkpoint"
VERSION = 1
KEPT = 2
"""Checkpoints kept: the last, and the one before it."""

_TENSORS, _STATE = "tensors.safetensors", "state.json"
_NAME = re.compile(r"step-(\d{6,})")
_TEMPORARY = ".writing-"


class Checkpoint(NamedTuple):
    """What a checkpoint holds.

    Attributes
    ----------
    path : Path
        Its folder.
    step : int
        Steps taken before it was written.
    tensors : dict of str to Tensor
        On the CPU.
    state : dict
        Plain values.
    """

    path: Path
    step: int
    tensors: dict[str, Tensor]
    state: dict[str, Any]


def write(folder: Path, step: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> Path:
    """Write the checkpoint of a step under a temporary name, rename it, then remove all but the last :data:`KEPT`.

    Raises
    ------
    OSError
        If it cannot be written, e.g. because the disk is full. Older checkpoints stay as they are.
    """
    folder.mkdir(parents=True, exist_ok=True)
    final, temporary = folder / f"step-{step:06d}", folder / f"{_TEMPORARY}{step:06d}"
    _remove_temporaries(folder)
    if final.exists():  # written by a run that was interrupted right after it continued from there
        return final
    try:
        temporary.mkdir()
        save_file(_apart(tensors), temporary / _TENSORS)
        header = {"format": FORMAT, "version": VERSION, "step": step, **state}
        (temporary / _STATE).write_text(json.dumps(header, indent=1), encoding="utf-8")
        for name in (_TENSORS, _STATE):
            _flush(temporary / name)
        temporary.rename(final)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        older = steps(folder)
        kept = f"the last good one is {folder / f'step-{older[-1]:06d}'}" if older else "there is none before it"
        raise OSError(
            f"the checkpoint of step {step} could not be written to {folder} ({error}); {kept}. "
            "Make room and continue with resume=True"
        ) from error
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    for old in steps(folder)[:-KEPT]:
        shutil.rmtree(folder / f"step-{old:06d}", ignore_errors=True)
    return final


def latest(folder: Path) -> Checkpoint | None:
    """The last checkpoint of a folder, or None.

    Raises
    ------
    ValueError
        If a file of it is missing, damaged, or of a newer version; the message names file and remedy.
    """
    found = steps(folder)
    if not found:
        return None
    path = folder / f"step-{found[-1]:06d}"
    remedy = f"remove {path} to " + ("continue from the checkpoint before it" if len(found) > 1 else "train anew")
    try:
        state = json.loads((path / _STATE).read_text(encoding="utf-8"))
        tensors = load_file(path / _TENSORS)
    except (OSError, ValueError, SafetensorError) as error:
        raise ValueError(f"{path} is damaged ({error}); {remedy}") from None
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise ValueError(f"{path / _STATE} is not a {FORMAT}; {remedy}")
    if state.get("version") != VERSION:
        raise ValueError(
            f"{path / _STATE}: version is {state.get('version')}, this program reads {VERSION}; update sasa-theory"
        )
    return Checkpoint(path, found[-1], tensors, state)


def steps(folder: Path) -> list[int]:
    """Steps of a folder's checkpoints, the last one last."""
    if not folder.is_dir():
        return []
    return sorted(int(match[1]) for entry in folder.iterdir() if (match := _NAME.fullmatch(entry.name)))


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous tensors on the CPU, none of which shares memory with another, as the format demands."""
    seen: set[int] = set()
    out = {}
    for name, tensor in tensors.items():
        here = tensor.detach().cpu().contiguous()
        if here.untyped_storage().data_ptr() in seen:
            here = here.clone()
        seen.add(here.untyped_storage().data_ptr())
        out[name] = here
    return out


def _flush(path: Path) -> None:
    """Have the file on the disk itself before the rename makes it count."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _remove_temporaries(folder: Path) -> None:
    for entry in folder.glob(f"{_TEMPORARY}*"):
        shutil.rmtree(entry, ignore_errors=True)
