"""Several processes, one run: each takes a share of every batch, and DistributedDataParallel averages gradients.

Start with ``torchrun --nproc-per-node 2 script.py``; in the script, train inside :func:`process_group`.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import signature
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from sasa_theory.designs.contract import Design, Loss

from .step import Objective

_ARGUMENTS = signature(DistributedDataParallel).parameters


class Processes:
    """The processes of a run, seen from one of them; just this one if no process group was started.

    Attributes
    ----------
    rank, size : int
        Which process this is, of how many.
    """

    def __init__(self) -> None:
        together = distributed.is_available() and distributed.is_initialized()
        self.rank, self.size = (distributed.get_rank(), distributed.get_world_size()) if together else (0, 1)

    def share(self, batch_size: int) -> int:
        """Rows of a batch that each process takes.

        Raises
        ------
        ValueError
            If they cannot take equally many.
        """
        if batch_size % self.size:
            nearest = max(1, round(batch_size / self.size)) * self.size
            raise ValueError(
                f"batch_size must be a multiple of the {self.size} processes, got {batch_size}; "
                f"the nearest possible is {nearest}"
            )
        return batch_size // self.size

    def objective(self, design: Design) -> Objective:
        """The design's loss, whose gradients are averaged over the processes and whose numbers are those of all rows.

        What is a mean over rows comes out as in one process. What looks at the batch as a whole, as BatchTopK's
        selection and auxiliary losses relative to the batch's variance do, looks at each process' share by itself.
        """
        if self.size == 1:
            return design.loss
        # Some designs leave parameters out in some steps. Buffers need no syncing: every process updates them alike.
        sync = "forward_sync_buffers" if "forward_sync_buffers" in _ARGUMENTS else "broadcast_buffers"  # the older name
        arguments: dict[str, Any] = {"find_unused_parameters": True, sync: False}
        wrapped = DistributedDataParallel(_LossOf(design), **arguments)
        return lambda batch: self._of_all_rows(wrapped(batch))

    def agree(self, wish: int) -> int:
        """The largest wish of any process, so that all of them log, save or stop at the same step."""
        if self.size == 1:
            return wish
        largest = torch.tensor(wish)
        distributed.all_reduce(largest, distributed.ReduceOp.MAX)
        return int(largest)

    def gather(self, state: dict[str, Any]) -> list[dict[str, Any]]:
        """Plain values of every process, in the order of ranks."""
        if self.size == 1:
            return [state]
        own = torch.frombuffer(bytearray(json.dumps(state).encode()), dtype=torch.uint8)
        longest = self.agree(len(own))
        padded = own.new_full((longest,), ord(" "))
        padded[: len(own)] = own
        texts = [torch.empty_like(padded) for _ in range(self.size)]
        distributed.all_gather(texts, padded)
        return [json.loads(bytes(text.tolist())) for text in texts]

    def all_rows(self, batch: Tensor) -> Tensor:
        """The rows of every process' share of a batch."""
        if self.size == 1:
            return batch
        shares = [torch.empty_like(batch) for _ in range(self.size)]
        distributed.all_gather(shares, batch.contiguous())
        return torch.cat(shares)

    def wait(self) -> None:
        """Until every process has come here."""
        self.agree(0)

    def _of_all_rows(self, loss: Loss) -> Loss:
        """Numbers of all rows from those of each process' rows; the gradient of the total stays the process' own."""
        own = loss.total.detach()
        numbers = [own, loss.error, loss.active, *loss.terms.values(), *loss.noted.values()]
        means = torch.stack(numbers) / self.size
        distributed.all_reduce(means)
        fired = loss.fired.clone()
        distributed.all_reduce(fired)
        total, error, active, *parts = means.unbind()
        terms = dict(zip(loss.terms, parts, strict=False))
        noted = dict(zip(loss.noted, parts[len(terms) :], strict=True))
        total = loss.total + (total - own)  # where some process' rows make it infinite, all processes see it at once
        return loss._replace(total=total, error=error, active=active, terms=terms, fired=fired, noted=noted)


@contextmanager
def process_group() -> Iterator[Processes]:
    """Join the processes that torchrun started.

    Where the machine has a CUDA device for each of its processes, each gets its own as the current one and what is on
    the devices goes over NCCL; everything else goes over gloo.

    >>> with process_group():
    ...     trained = train(design, world, Budget(tokens=3_000_000, batch_size=2048))

    Without torchrun this is one process, and nothing is started.
    """
    if not distributed.is_torchelastic_launched():
        yield Processes()
        return
    # A gloo thread that lets go of its last tensor while the interpreter ends aborts the process: the group must be
    # gone before. This module, if imported later, would keep it for good: its functions take the group as a default.
    importlib.import_module("torch.distributed.nn.functional")
    enough = torch.cuda.device_count() >= int(os.environ["LOCAL_WORLD_SIZE"])
    if enough:
        torch.cuda.set_device(distributed.get_node_local_rank())
    distributed.init_process_group("cpu:gloo,cuda:nccl" if enough else "gloo")
    try:
        yield Processes()
    finally:
        gc.collect()  # DistributedDataParallel refers to the group, in cycles
        distributed.destroy_process_group()


class _LossOf(nn.Module):
    """``design.loss`` as the forward of a module, which is what DistributedDataParallel wraps."""

    def __init__(self, design: Design) -> None:
        super().__init__()
        self.design = design

    def forward(self, x: Tensor) -> Loss:
        return self.design.loss(x)
