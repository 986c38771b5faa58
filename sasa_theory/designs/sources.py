"""Which files a design from a file is written in: its own, and those of its author's that they import."""

from __future__ import annotations

import hashlib
import inspect
import sys
import sysconfig
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from .from_file import Factory

_PACKAGE = Path(__file__).resolve().parents[1]
_INSTALLED = (
    *(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    _PACKAGE,
    _PACKAGE.parent / "synthetic",
)
"""Folders of what comes with a version number: Python, installed packages and this package."""


def source_digest(factory: Factory) -> str:
    """Digest of the files that a class is written in, wherever they lie.

    These are the file in which its name was found, the one that defines it, and files of modules that these import,
    and so on; no installed packages, and no imports within functions.

    Returns
    -------
    str
        SHA-256, hexadecimal; that of the file's bytes if there is only one.
    """
    made = sys.modules.get(_defining(factory.make), factory.module)
    modules = {id(module): module for module in (factory.module, made)}
    waiting = list(modules.values())
    while waiting:
        for module in _imported(waiting.pop()):
            if id(module) not in modules and _own(module):
                modules[id(module)] = module
                waiting.append(module)
    files = {path for path in map(_file, modules.values()) if path is not None}
    digests = sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in files)
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def _imported(module: ModuleType) -> Iterator[ModuleType]:
    """Modules that a module's names stand for, or that define what they stand for."""
    for value in list(vars(module).values()):
        found = value if isinstance(value, ModuleType) else sys.modules.get(_defining(value))
        if found is not None:
            yield found


def _defining(value: Any) -> str:
    """Name of the module that defines a class, a function, or the class of something else."""
    while isinstance(value, partial):
        value = value.func
    if isinstance(value, FunctionType):
        value = inspect.unwrap(value)
    return str(value.__module__ if isinstance(value, type | FunctionType) else type(value).__module__)


def _own(module: ModuleType) -> bool:
    """Whether a module is neither of Python, nor installed, nor of this package."""
    path = _file(module)
    return path is not None and not any(path.is_relative_to(folder) for folder in _INSTALLED)


def _file(module: ModuleType) -> Path | None:
    """Where a module was read from; None for those that Python brings along without a file."""
    name = vars(module).get("__file__")
    return Path(name).resolve() if isinstance(name, str) else None
