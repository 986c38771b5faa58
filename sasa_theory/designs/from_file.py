"""A design by where it is written: ``my_design.py:MySAE`` or ``package.module:MySAE``."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from sasa_theory.bounds.validate import choice, count

OFFERED = ("width", "columns", "active", "seed", "sparsity")
"""What a class may ask for by naming it among its parameters."""


@dataclass(frozen=True)
class Factory:
    """Makes modules of one class, see :func:`factory_from`.

    Attributes
    ----------
    spec : str
        Where the class is written.
    make : callable
        The class, or a function that returns a module.
    takes : frozenset of str
        Which of ``width``, ``columns``, ``active``, ``seed`` and ``sparsity`` it has parameters for.
    module : module
        Where its name was found.
    """

    spec: str
    make: Callable[..., nn.Module]
    takes: frozenset[str]
    module: ModuleType

    def __call__(self, width: int, *, seed: int = 0, **sizes: float) -> nn.Module:
        """A fresh module.

        Parameters
        ----------
        width : int
            Dimension of the activations.
        seed : int
            Same seed, same weights, whether the class takes it or draws from PyTorch's default generator, which is left
            as it was.
        **sizes : int
            ``columns``, dimension of the code, ``active``, most columns that should fire in a row, and ``sparsity``,
            coefficient of a penalty; those for which the class has no parameter are not passed on.

        Raises
        ------
        ValueError
            If a size has another name.
        TypeError
            If what comes back is no module.
        """
        for name in sizes:
            choice("size", name, OFFERED)
        offered = {"width": int(count("width", width)), "seed": seed, **sizes}
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            torch.manual_seed(seed)
            made = self.make(**{name: value for name, value in offered.items() if name in self.takes})
        if not isinstance(made, nn.Module):
            raise TypeError(f"{self.spec} must make a torch.nn.Module, got a {type(made).__name__}")
        return made


def factory_from(spec: str) -> Factory:
    """What makes the modules of a class in a file or an installed module.

    Parameters
    ----------
    spec : str
        ``path/to/file.py:Name`` or ``package.module:Name``. The name is a class, or a function that returns a module;
        it may have parameters ``width``, ``columns``, ``active``, ``seed`` and ``sparsity``, which are passed by name,
        and others with defaults. Imports within it are looked for beside the file, or in the working folder, too.

    Returns
    -------
    Factory
        Called as ``factory(width=16)``.

    Raises
    ------
    ValueError
        If there is no such file, module or name, if importing it fails (with the line that failed), or if it has a
        parameter without a default that nobody can give.
    """
    source, colon, name = spec.rpartition(":")
    if not (source and colon and name):
        where = spec.rstrip(":") or "file.py"
        raise ValueError(f"a design must be given as file.py:Class or module:Class, got {spec!r}; give {where}:Class")
    module = _from_path(Path(source)) if source.endswith(".py") else _from_name(source)
    callables = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
    if name not in vars(module):
        choice(f"the class in {source}", name, callables)
    make = vars(module)[name]
    if not callable(make):
        raise ValueError(f"{spec} must be a class or a function that returns a module, got a {type(make).__name__}")
    return Factory(spec, make, _taken(spec, make), module)


def users_line(error: BaseException, path: str | None) -> str:
    """What was raised and where: the line of that file if the error passed through it, else the line where it arose."""
    if isinstance(error, SyntaxError) and error.lineno is not None:
        return f"{error.filename}, line {error.lineno}: {type(error).__name__}: {error.msg}"
    frames = traceback.extract_tb(error.__traceback__)
    frame = ([f for f in frames if f.filename == path] or frames)[-1]
    return f"{frame.filename}, line {frame.lineno} ({frame.line}): {type(error).__name__}: {error}"


def _from_path(path: Path) -> ModuleType:
    path = path.expanduser().resolve()
    if not path.is_file():
        if not path.parent.is_dir():
            raise ValueError(f"there is no file {path}; nor is there its folder")
        near = ", ".join(sorted(other.name for other in path.parent.glob("*.py")))
        raise ValueError(f"there is no file {path}; its folder has {near or 'no .py files'}")
    name = "_from_" + re.sub(r"\W", "_", str(path))
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None  # as for every name that ends in .py
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up there
    try:
        with _importable(path.parent):
            # not the loader's way: it takes cached bytecode for a file that was edited within the same second
            exec(compile(path.read_bytes(), path, "exec"), vars(module))
    except (Exception, SystemExit) as error:  # a script without a guard may well exit
        del sys.modules[name]
        raise ValueError(f"{path} could not be imported: {users_line(error, str(path))}") from error
    return module


def _from_name(name: str) -> ModuleType:
    path = None
    try:
        with _importable(Path.cwd()):
            spec = importlib.util.find_spec(name)
            path = None if spec is None else spec.origin
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise ValueError(f"{name} could not be imported: {users_line(error, path)}") from error
        raise ValueError(
            f"there is no module {error.name}; a file is given with its ending, as {name}.py:Class"
        ) from None
    except (Exception, SystemExit) as error:
        raise ValueError(f"{name} could not be imported: {users_line(error, path)}") from error


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Look for modules in the folder first; what is imported stays, the search path does not."""
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def _taken(spec: str, make: Callable[..., Any]) -> frozenset[str]:
    """Which offered names the callable has parameters for; what it gathers as ``**others`` is not given to it."""
    gathering = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = [p for p in inspect.signature(make).parameters.values() if p.kind not in gathering]
    for p in parameters:
        if p.default is p.empty and (p.name not in OFFERED or p.kind is p.POSITIONAL_ONLY):
            raise ValueError(
                f"{spec} has a parameter {p.name} that nobody can give; offered by name are {', '.join(OFFERED)}: "
                f"give {p.name} a default"
            )
    return frozenset(p.name for p in parameters if p.name in OFFERED)
