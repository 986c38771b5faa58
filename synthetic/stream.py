"""Endless batches of a world: resumable at any sample, shardable, the same bits however they are cut."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

import torch
from torch import Tensor

from sasa_theory.bounds.validate import choice, count

from .sampling import CHUNK, Sampler, chunk_generator, chunks_for

T = TypeVar("T")


class Stream(Iterator[Tensor]):
    """Iterator over batches of activations, float32, shape (batch_size, width); it never ends.

    The stream is a fixed sequence of samples, cut into chunks of 1024, each drawn from a generator of its own. Hence
    the same seed gives the same samples, bit for bit on one kind of device, whatever the batch size and the number of
    threads, and the stream resumes at any sample. Shard ``(k, m)`` runs through the chunks k, k + m, k + 2m, ...

    Parameters
    ----------
    sampler : Sampler
        Draws the chunks.
    batch_size : int
        Samples in a batch, >= 1.
    seed : int
        Seed of the stream.
    shard : tuple of int
        Rank and number of shards.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """

    def __init__(self, sampler: Sampler, batch_size: int, seed: int, shard: tuple[int, int] = (0, 1)) -> None:
        count("batch_size", batch_size)
        count("number of shards", shard[1])
        count("rank of the shard", shard[0], 0, shard[1] - 1)
        self._sampler, self._batch_size, self._seed, self._shard = sampler, batch_size, seed, shard
        self._position = 0
        self._drawn = self._nothing()  # samples after the position that are already drawn

    def __next__(self) -> Tensor:
        missing = self._batch_size - len(self._drawn)
        if missing > 0:
            self._drawn = self._with_chunks(chunks_for(missing + self._into_chunk()))
        batch, self._drawn = self._drawn[: self._batch_size], self._drawn[self._batch_size :]
        self._position += self._batch_size
        return batch

    def state_dict(self) -> dict[str, Any]:
        """Where the stream stands: plain values for :meth:`load_state_dict`."""
        return {"seed": self._seed, "position": self._position, "shard": list(self._shard)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where a stream with the same shard stood; the batch size may differ.

        Raises
        ------
        ValueError
            If a field is missing or unknown, or the shard is another one.
        """
        for name in ("seed", "position", "shard"):
            choice("field of the stream's state", name, state)
        if tuple(state["shard"]) != self._shard:
            raise ValueError(f"shard of the state is {tuple(state['shard'])}, that of this stream {self._shard}")
        count("position", state["position"], 0)
        self._seed, self._position, self._drawn = state["seed"], state["position"], self._nothing()

    def _into_chunk(self) -> int:
        """Samples of the next chunk to draw that were delivered before a resume."""
        return (self._position + len(self._drawn)) % CHUNK

    def _with_chunks(self, chunks: int) -> Tensor:
        """The drawn samples followed by those of the next chunks."""
        skip = self._into_chunk()
        first = (self._position + len(self._drawn)) // CHUNK
        rank, shards = self._shard
        fresh = torch.empty(chunks * CHUNK, self._sampler.config.width, device=self._drawn.device)

        def draw(k: int) -> None:
            generator = chunk_generator(self._seed, rank + (first + k) * shards, fresh.device)
            self._sampler.draw(generator, fresh[k * CHUNK : (k + 1) * CHUNK])

        in_threads(draw, chunks)
        fresh = fresh[skip:]
        return torch.cat((self._drawn, fresh)) if len(self._drawn) else fresh

    def _nothing(self) -> Tensor:
        bases = self._sampler.parameters.bases
        return torch.empty(0, bases.shape[1], device=bases.device)


def in_threads(job: Callable[[int], T], jobs: int) -> list[T]:
    """Results of ``job(0), ..., job(jobs - 1)``, on as many threads as torch may use."""
    threads = min(torch.get_num_threads(), jobs)
    return list(_pool(threads, os.getpid()).map(job, range(jobs)) if threads > 1 else map(job, range(jobs)))


@cache
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    """A pool of its own for every process, since a forked one has none of its parent's threads."""
    return ThreadPoolExecutor(threads, thread_name_prefix="synthetic")
