"""One chunk of a stream: the firings, their coefficients, and the sum that makes the activations."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from .config import WorldConfig
from .firing import Level
from .parameters import Parameters

CHUNK = 1024
"""Samples in a chunk. Changing it changes the bits of every stream."""


@dataclass(frozen=True)
class Active:
    """The firings of a chunk, sorted by sample, with the coefficients of their slices.

    Attributes
    ----------
    samples, features : Tensor
        Which feature fires in which sample, shape (firings,).
    starts : Tensor
        Where each firing's coefficients begin, shape (firings,).
    rows : Tensor
        Row of the stacked bases that each coefficient belongs to, shape (coefficients,).
    coefficients : Tensor
        Shape (coefficients,).
    """

    samples: Tensor
    features: Tensor
    starts: Tensor
    rows: Tensor
    coefficients: Tensor


class Sampler:
    """Draws chunks of a world on the device of its parameters.

    Parameters
    ----------
    config : WorldConfig
        The declaration.
    parameters : Parameters
        The drawn bases, bias, magnitudes and loadings.
    """

    def __init__(self, config: WorldConfig, parameters: Parameters) -> None:
        self.config, self.parameters = config, parameters
        device = parameters.bases.device
        moments = parameters.moments(config)
        self._firing = config.firing.sampler(config.size, parameters.loadings, device)
        self._dims = torch.tensor(config.dims, device=device)
        self._first_row = self._dims.cumsum(0) - self._dims
        self._gain = torch.from_numpy(moments.gain).to(device, torch.float32)
        self._noise_std = moments.noise_std
        self.bias = parameters.bias * moments.scale
        laws = list(dict.fromkeys(config.laws))
        number = {law: k for k, law in enumerate(laws)}
        self._laws = laws
        self._law_of = torch.tensor([number[law] for law in config.laws], device=device)

    def draw(self, generator: torch.Generator, out: Tensor, noise: Tensor | None = None) -> Active:
        """Write the activations of one chunk into ``out``, shape (CHUNK, width); return the firings.

        If the world has noise, it is also written into ``noise``, of the same shape, where that is given.
        """
        active = self._active(generator)
        first = torch.searchsorted(active.samples, torch.arange(CHUNK, device=out.device))
        ends = torch.cat((active.starts, active.starts.new_tensor([active.rows.numel()])))
        signal = embedding_bag(
            active.rows, self.parameters.bases, ends[first], mode="sum", per_sample_weights=active.coefficients
        )
        if self.config.bias:
            signal += self.bias
        if not self.config.noise:
            out.copy_(signal)
            return active
        noise = out if noise is None else noise
        torch.add(signal, noise.normal_(std=self._noise_std, generator=generator), out=out)
        return active

    def _active(self, generator: torch.Generator) -> Active:
        levels = self._firing.draw(CHUNK, generator)
        magnitude = self._magnitudes(levels, generator)
        samples = torch.cat([level.samples for level in levels])
        features = torch.cat([level.features for level in levels])
        if len(levels) > 1:
            samples, order = samples.sort(stable=True)
            features, magnitude = features.index_select(0, order), magnitude.index_select(0, order)
        dims = self._dims.index_select(0, features)
        starts = dims.cumsum(0) - dims
        firing = torch.arange(features.numel(), device=features.device).repeat_interleave(dims)
        shift = self._first_row.index_select(0, features) - starts
        rows = torch.arange(firing.numel(), device=features.device) + shift.index_select(0, firing)
        coefficients = self._slices(features, starts, firing.numel(), generator) * magnitude.index_select(0, firing)
        return Active(samples, features, starts, rows, coefficients)

    def _magnitudes(self, levels: list[Level], generator: torch.Generator) -> Tensor:
        """Magnitude of every firing, level after level, at the scale of the stream."""
        means, spreads = self.parameters.means, self.parameters.spreads
        magnitudes: list[Tensor] = []
        above = means[:0]  # the level above: its magnitudes relative to the mean
        for level in levels:
            mean = means.index_select(0, level.features)
            normal = torch.empty_like(mean).normal_(generator=generator)
            magnitude = (mean + spreads.index_select(0, level.features) * normal).abs_()
            if self.config.magnitude.by_parent:
                if magnitudes:
                    magnitude *= above.index_select(0, level.parents)
                above = magnitude / mean
            magnitudes.append(magnitude * self._gain.index_select(0, level.features))
        return torch.cat(magnitudes)

    def _slices(self, features: Tensor, starts: Tensor, total: int, generator: torch.Generator) -> Tensor:
        """Coefficients of the slices before magnitudes, one call of each law."""
        out = torch.empty(total, device=features.device, dtype=torch.float32)
        law_of = self._law_of.index_select(0, features)
        for k, law in enumerate(self._laws):
            start = starts if len(self._laws) == 1 else starts[law_of == k]
            slices = law.sample(start.numel(), generator)
            if law.linear_dim == 1 and self.config.magnitude.one_sided:
                slices = slices.abs()
            out[start[:, None] + torch.arange(law.linear_dim, device=out.device)] = slices
        return out


def chunk_generator(seed: int, chunk: int, device: torch.device) -> torch.Generator:
    """Generator of one chunk of the stream ``seed``.

    The CPU generator keeps 32 bits of its seed, so chunk numbers are sent through a bijection of 32 bits keyed by the
    stream's seed: within a stream no two of the first 2^32 chunks share a seed.
    """
    key = np.random.SeedSequence(seed).generate_state(2)
    mixed = _mix(_mix(chunk ^ int(key[0])) ^ int(key[1]))
    return torch.Generator(device).manual_seed(mixed)


def _mix(x: int) -> int:
    """A bijection of 32-bit numbers that spreads every input bit: xor-shifts and odd multipliers (Murmur3's)."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        x = (x ^ (x >> shift)) * factor % 2**32
    return x ^ (x >> 16)


def chunks_for(samples: int) -> int:
    """Number of chunks that hold so many samples."""
    return math.ceil(samples / CHUNK)
