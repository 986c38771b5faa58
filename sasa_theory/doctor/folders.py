"""Which folders hold what commands keep, and how much it is."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from real_models.cache_folder import cache_folder

_RESULTS = {
    "evidence.jsonl": "verify",
    "records.jsonl": "bench",
    "experiment.json": "real train",
    "curves.json": "real compare",
    "demo.json": "real demo",
    "submit.json": "report",
}
"""What a command writes into its output folder."""


@dataclass(frozen=True)
class Folder:
    """A folder of this package.

    Attributes
    ----------
    path : str
        Where it is.
    holds : str
        What is in it.
    size : int or None
        Bytes; None if there is no such folder yet.
    writable : bool
        Whether files can be written there, or the folder be made.
    """

    path: str
    holds: str
    size: int | None
    writable: bool


def caches() -> list[Folder]:
    """Folders that commands keep things in from one run to the next, whatever their output folder."""
    general = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    hub = Path(os.environ.get("HF_HUB_CACHE") or Path(os.environ.get("HF_HOME") or general / "huggingface") / "hub")
    fonts = Path(
        os.environ.get("MPLCONFIGDIR") or ("~/.matplotlib" if sys.platform == "darwin" else general / "matplotlib")
    )
    return [
        _folder(cache_folder(), "trained models and texts of `real fetch` and `real demo` (SASA_THEORY_CACHE)"),
        _folder(hub.expanduser(), "models and texts from the Hugging Face hub (HF_HOME)"),
        _folder(fonts.expanduser(), "list of fonts, of Matplotlib (MPLCONFIGDIR)"),
    ]


def results(inside: Path) -> list[Folder]:
    """Output folders of commands directly inside a folder."""
    return [_folder(path, f"of `{command}`") for path, command in _outputs(inside)]


def _outputs(inside: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(inside.iterdir()):
        command = next((command for file, command in _RESULTS.items() if (path / file).is_file()), None)
        if command:
            yield path, command


def _folder(path: Path, holds: str) -> Folder:
    there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    size = sum(file.lstat().st_size for file in path.rglob("*") if file.is_file()) if path.is_dir() else None
    return Folder(str(path), holds, size, there.is_dir() and os.access(there, os.W_OK | os.X_OK))
