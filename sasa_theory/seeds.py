"""Generators whose numbers have nothing to do with each other, although everything is given one and the same seed.

A world and a design that were both drawn from ``manual_seed(0)`` would share their numbers: the initial weights would
hold some of the truth.
"""

from __future__ import annotations

from hashlib import blake2b

import torch

_BYTES = 4  # of a seed; PyTorch's generators on the CPU ignore what is above


def generator_for(purpose: str, seed: int) -> torch.Generator:
    """A generator on the CPU, seeded by the digest of a purpose (``weights``, ``judged rows``, ...) and a seed."""
    digest = blake2b(f"{purpose} {seed}".encode(), digest_size=_BYTES).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little"))
