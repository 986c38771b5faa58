"""All that the doctor looks at, what is broken, and what could be better."""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sasa_theory import __version__

from .folders import Folder, caches, results
from .packages import Extra, Package, extras, required

if TYPE_CHECKING:
    from .machine import Machine


@dataclass(frozen=True)
class Examination:
    """What was found.

    Attributes
    ----------
    version, python, place : str
        Of this package, of Python, and where the package lies.
    packages : list of Package
        That it needs.
    extras : list of Extra
        That it can have.
    machine : Machine or None
        None where PyTorch or NumPy cannot be imported.
    caches, results : list of Folder
        Where things are kept, and output folders in the current one.
    broken : list of str
        What has to be mended before commands work, and how.
    hints : list of str
        What could be faster.
    """

    version: str
    python: str
    place: str
    packages: list[Package]
    extras: list[Extra]
    machine: Machine | None
    caches: list[Folder]
    results: list[Folder]
    broken: list[str]
    hints: list[str]

    def to_json(self) -> str:
        """All of it, as a JSON object."""
        return json.dumps(asdict(self), indent=1, allow_nan=False)


def examine(inside: Path) -> Examination:
    """Look at packages, machine, caches, and the output folders inside a folder; nothing is written.

    Raises
    ------
    importlib.metadata.PackageNotFoundError
        If this package is run from its sources without being installed.
    """
    packages, kept = required(), caches()
    broken = [_remedy(package) for package in packages if not package.ok]
    machine = None
    try:
        from .machine import this_machine

        machine = this_machine()
    except (ImportError, OSError) as error:  # OSError: a shared library that is not there
        if not broken:
            broken.append(f"PyTorch or NumPy does not work ({error}): pip install --force-reinstall torch numpy")
    if not kept[0].writable:
        broken.append(f"{kept[0].path} cannot be written; name another folder: export SASA_THEORY_CACHE=FOLDER")
    return Examination(
        version=__version__,
        python=f"{platform.python_version()} ({sys.executable})",
        place=str(Path(__file__).parent.parent),
        packages=packages,
        extras=extras(),
        machine=machine,
        caches=kept,
        results=results(inside),
        broken=broken,
        hints=_hints(machine),
    )


def _remedy(package: Package) -> str:
    wanted = f"{package.name}{package.wanted}"
    has = f"{package.installed} is installed" if package.installed else "it is missing"
    return f"{wanted} is needed, {has}: pip install '{wanted}'"


def _hints(machine: Machine | None) -> list[str]:
    if machine is None or machine.threads <= machine.cores:
        return []
    most = max(1, int(machine.cores))
    uses = f"PyTorch uses {machine.threads} threads, but only {machine.cores:g} cores may be used"
    return [f"{uses}: export OMP_NUM_THREADS={most}"]
