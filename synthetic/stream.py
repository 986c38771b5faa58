"""Endless batches of a world: resumable at any sample, shardable, the same bits however they are cut."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from hashlib import sha256
from threading import Barrier
from typing import Any, Self, TypeVar

import torch
from torch import Tensor

from sasa_theory.bounds.validate import count
from sasa_theory.streams import SEEDS, checked_shard, resumed_seed

from .sampling import CHUNK, Sampler, chunk_generator, chunks_for

T = TypeVar("T")


class Stream(Iterator[Tensor]):
    """Iterator over batches of activations, float32, shape (batch_size, width); it never ends.

    The stream is a fixed sequence of samples, cut into chunks of 1024, each drawn from a generator of its own. Hence
    the same seed gives the same samples, bit for bit on one kind of device, whatever the batch size and the number of
    threads, and the stream resumes at any sample. Shard ``(k, m)`` runs through the chunks k, k + m, k + 2m, ...

    Start worker processes by spawn, or through torch's DataLoader. A child forked in another way must first call
    ``torch.set_num_threads(1)``: without it torch may hang in the child of any process that used torch's threads.

    Parameters
    ----------
    sampler : Sampler
        Draws the chunks.
    batch_size : int
        Samples in a batch, >= 1.
    seed : int
        Seed of the stream, in [0, 2^53).
    shard : pair of int
        Rank and number of shards.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """

    _drawn: Tensor  # samples after the position that are already drawn

    def __init__(self, sampler: Sampler, batch_size: int, seed: int, shard: Sequence[int] = (0, 1)) -> None:
        self._sampler, self._shard = sampler, checked_shard(shard)
        self._batch_size = int(count("batch_size", batch_size))
        self._seek(seed, 0)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Tensor:
        missing = self._batch_size - len(self._drawn)
        if missing > 0:
            self._drawn = self._with_chunks(chunks_for(missing + self._into_chunk()))
        batch, self._drawn = self._drawn[: self._batch_size], self._drawn[self._batch_size :]
        self._position += self._batch_size
        return compact(batch)

    def state_dict(self) -> dict[str, Any]:
        """Where the stream stands: plain values for :meth:`load_state_dict`."""
        return {
            "world": _fingerprint(self._sampler),
            "seed": self._seed,
            "position": self._position,
            "shard": list(self._shard),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue exactly where a stream of the same world and shard stood; the batch size may differ.

        Raises
        ------
        ValueError
            If a field is missing, unknown or out of range, or the world or the shard is another one.
        """
        self._seek(resumed_seed(self.state_dict(), state, ("world", "shard")), state["position"])

    def _seek(self, seed: int, position: int) -> None:
        self._seed, self._position = int(count("seed", seed, 0, SEEDS - 1)), int(count("position", position, 0))
        self._drawn = self._sampler.parameters.bases[:0]

    def _into_chunk(self) -> int:
        """Samples of the next chunk to draw that were delivered before a resume."""
        return (self._position + len(self._drawn)) % CHUNK

    def _with_chunks(self, chunks: int) -> Tensor:
        """The drawn samples followed by those of the next chunks."""
        skip = self._into_chunk()
        first = (self._position + len(self._drawn)) // CHUNK
        rank, shards = self._shard
        fresh = self._drawn.new_empty(chunks * CHUNK, self._drawn.shape[1])

        def draw(k: int) -> None:
            generator = chunk_generator(self._seed, rank + (first + k) * shards, fresh.device)
            self._sampler.draw(generator, fresh[k * CHUNK : (k + 1) * CHUNK])

        in_threads(draw, chunks)
        fresh = fresh[skip:]
        return torch.cat((self._drawn, fresh)) if len(self._drawn) else fresh


def compact(rows: Tensor) -> Tensor:
    """The same rows, copied if they keep more than twice their own memory alive."""
    return rows.clone() if rows.untyped_storage().nbytes() > 2 * rows.nbytes else rows


def in_threads(job: Callable[[int], T], jobs: int) -> list[T]:
    """Results of ``job(0), ..., job(jobs - 1)``, on as many threads as torch may use."""
    threads = min(torch.get_num_threads(), jobs)
    return list(_pool(threads, os.getpid()).map(job, range(jobs)) if threads > 1 else map(job, range(jobs)))


@cache
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    """Threads in which every operation of torch runs alone.

    Every process needs a pool of its own, since a forked one has none of its parent's threads.
    """
    callers, ready = torch.get_num_threads(), Barrier(threads + 1)

    def start() -> None:
        torch.get_num_threads()  # torch sets up its side of the thread now; done later, that would undo the next line
        torch.set_num_threads(1)
        ready.wait()

    pool = ThreadPoolExecutor(threads, "synthetic", start)
    for _ in range(threads):
        pool.submit(int)  # a thread starts with each job that finds none idle
    ready.wait()
    torch.set_num_threads(callers)  # the number set last is also that of threads yet to come
    return pool


def _fingerprint(sampler: Sampler) -> str:
    """Short digest of a world: its config and the signs in its first basis vector, which no rounding changes."""
    config = json.dumps(sampler.config.to_dict(), sort_keys=True)
    signs = (sampler.parameters.bases[0] > 0).tolist()
    return sha256(f"{config}{signs}".encode()).hexdigest()[:16]
