"""Several processes, one run: each takes a share of every batch, and DistributedDataParallel averages gradients.

Start with ``torchrun --nproc-per-node 2 script.py``; in the script, train inside :func:`process_group`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from sasa_theory.designs.contract import Design, Loss

from .step import Objective


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

        A design that selects over the batch (BatchTopK) selects over each process' share.
        """
        if self.size == 1:
            return design.loss
        wrapped = DistributedDataParallel(_LossOf(design), broadcast_buffers=False, find_unused_parameters=True)
        return lambda batch: self._of_all_rows(wrapped(batch))

    def agree(self, wish: int) -> int:
        """The largest wish of any process, so that all of them log, save or stop at the same step."""
        if self.size == 1:
            return wish
        largest = torch.tensor(wish, device=self._device)
        distributed.all_reduce(largest, distributed.ReduceOp.MAX)
        return int(largest)

    def gather(self, state: dict[str, Any]) -> list[dict[str, Any]]:
        """Plain values of every process, in the order of ranks."""
        if self.size == 1:
            return [state]
        own = torch.frombuffer(bytearray(json.dumps(state).encode()), dtype=torch.uint8).to(self._device)
        longest = self.agree(len(own))
        padded = own.new_full((longest,), ord(" "))
        padded[: len(own)] = own
        texts = [torch.empty_like(padded) for _ in range(self.size)]
        distributed.all_gather(texts, padded)
        return [json.loads(bytes(text.tolist())) for text in texts]

    def wait(self) -> None:
        """Until every process has come here."""
        if self.size > 1:
            distributed.barrier()

    @property
    def _device(self) -> str:
        return "cuda" if distributed.get_backend() == "nccl" else "cpu"

    def _of_all_rows(self, loss: Loss) -> Loss:
        """Numbers of all rows from those of each process' rows; the total stays, since backward starts from it."""
        means = torch.stack([loss.error, loss.active, *loss.terms.values()]) / self.size
        distributed.all_reduce(means)
        fired = loss.fired.clone()
        distributed.all_reduce(fired)
        error, active, *terms = means.unbind()
        named = dict(zip(loss.terms, terms, strict=True))
        return loss._replace(error=error, active=active, terms=named, fired=fired)


@contextmanager
def process_group() -> Iterator[Processes]:
    """Join the processes that torchrun started: over NCCL, each on its own device, where there is CUDA; else over gloo.

    >>> with process_group():
    ...     trained = train(design, world, Budget(tokens=3_000_000, batch_size=2048))

    Without torchrun this is one process, and nothing is started.
    """
    if not distributed.is_torchelastic_launched():
        yield Processes()
        return
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(distributed.get_node_local_rank())
    distributed.init_process_group("nccl" if cuda else "gloo")
    try:
        yield Processes()
    finally:
        distributed.destroy_process_group()


class _LossOf(nn.Module):
    """``design.loss`` as the forward of a module, which is what DistributedDataParallel wraps."""

    def __init__(self, design: Design) -> None:
        super().__init__()
        self.design = design

    def forward(self, x: Tensor) -> Loss:
        return self.design.loss(x)
