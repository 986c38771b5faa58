"""The machine as PyTorch and NumPy see it: cores, threads, memory, accelerators."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from real_models.free_memory import free_memory
from sasa_theory.limits import cores, memory_limit

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""What sets the threads of numerical libraries when a process starts."""


@dataclass(frozen=True)
class Accelerator:
    """A GPU.

    Attributes
    ----------
    device : str
        As PyTorch calls it, e.g. ``cuda:0``.
    name : str
        As its maker calls it.
    memory, free : int or None
        Bytes; None where the system does not tell.
    """

    device: str
    name: str
    memory: int | None
    free: int | None


@dataclass(frozen=True)
class Machine:
    """What there is to compute with.

    Attributes
    ----------
    system : str
        Operating system and architecture.
    processor : str
        Its name.
    instructions : str
        The widest that PyTorch uses, e.g. ``AVX512``.
    cores : float
        That this process may use, a container's limit included.
    cores_present : int
        That the machine has.
    threads, threads_between : int
        Of PyTorch within an operation, and for operations side by side.
    openmp : bool
        Whether PyTorch has OpenMP.
    blas : str
        What multiplies NumPy's matrices.
    environment : dict
        Each of :data:`THREAD_VARIABLES`; None if it is not set.
    memory, free : int or None
        Bytes of the machine, and that can still be had; None where the system does not tell.
    limit : int or None
        Bytes that a container allows; None if it sets no limit.
    accelerators : tuple of Accelerator
        GPUs.
    """

    system: str
    processor: str
    instructions: str
    cores: float
    cores_present: int
    threads: int
    threads_between: int
    openmp: bool
    blas: str
    environment: dict[str, str | None]
    memory: int | None
    free: int | None
    limit: int | None
    accelerators: tuple[Accelerator, ...]


def this_machine() -> Machine:
    """Look at the machine that this process runs on."""
    return Machine(
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        processor=_processor(),
        instructions=torch.backends.cpu.get_cpu_capability(),
        cores=cores(),
        cores_present=os.cpu_count() or 1,
        threads=torch.get_num_threads(),
        threads_between=torch.get_num_interop_threads(),
        openmp=torch.backends.openmp.is_available(),
        blas=_blas(),
        environment={name: os.environ.get(name) for name in THREAD_VARIABLES},
        memory=_memory(),
        free=free_memory(torch.device("cpu")),
        limit=memory_limit(),
        accelerators=_accelerators(),
    )


def _processor() -> str:
    table = Path("/proc/cpuinfo")
    if table.is_file():
        for line in table.read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or "unknown"


def _blas() -> str:
    built = np.show_config(mode="dicts")
    entry = built["Build Dependencies"]["blas"] if built else {}
    return " ".join(str(entry[key]) for key in ("name", "version") if entry.get(key)) or "unknown"


def _memory() -> int | None:
    if sys.platform == "win32":
        return None
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _accelerators() -> tuple[Accelerator, ...]:
    found = []
    for index in range(torch.cuda.device_count()):
        device = torch.device("cuda", index)
        free, total = torch.cuda.mem_get_info(device)
        found.append(Accelerator(str(device), torch.cuda.get_device_name(device), total, free))
    if torch.backends.mps.is_available():
        most = torch.mps.recommended_max_memory()
        found.append(Accelerator("mps", "Apple GPU", most, most - torch.mps.current_allocated_memory()))
    return tuple(found)
