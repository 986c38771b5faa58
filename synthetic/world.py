"""A world: a stream of activations whose every cause is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from sasa_theory.bounds.validate import Floats, choice, count
from sasa_theory.streams import drawn_seed

from .card import Card, measure_card
from .config import WorldConfig
from .oracle import Oracle, measure_oracle
from .parameters import Parameters
from .sampling import CHUNK, Active, Sampler, chunk_generator, chunks_for
from .storage import read_world, write_world
from .stream import Stream, compact, in_threads
from .truth import DETAILS, Sample, join


class World:
    """A world with known ground truth.

    >>> world = World.build(preset("sasa_dimension", scale="small"), seed=0)
    >>> generator = torch.Generator().manual_seed(1)
    >>> sample = world.sample(100, generator)
    >>> for batch in world.batches(4096, generator): ...

    Parameters
    ----------
    config : WorldConfig
        The declaration.
    parameters : Parameters
        The tensors that a seed added to it; their device is the world's.
    """

    def __init__(self, config: WorldConfig, parameters: Parameters) -> None:
        self.config, self.parameters = config, parameters
        self._sampler = Sampler(config, parameters)

    @classmethod
    def build(cls, config: WorldConfig, seed: int) -> World:
        """Draw the world of a config and a seed, on the CPU; the same world everywhere."""
        return cls(config, Parameters.draw(config, torch.Generator().manual_seed(seed)))

    @classmethod
    def load(cls, directory: str | Path) -> World:
        """Load a saved world, which gives the same bits; see :func:`synthetic.storage.read_world` for the errors."""
        return cls(*read_world(Path(directory)))

    def save(self, directory: str | Path) -> None:
        """Save config and tensors to a new directory; nothing half-written is left if it fails."""
        write_world(Path(directory), self.config, self.parameters)

    def to(self, device: torch.device | str) -> World:
        """The same world on another device. Its streams have other bits there."""
        return World(self.config, self.parameters.to(device))

    def __repr__(self) -> str:
        config = self.config
        return (
            f"World(width={config.width}, features={config.size}, dims={sum(config.dims)}, device={self.bases.device})"
        )

    @property
    def width(self) -> int:
        """Dimension of the activations."""
        return self.config.width

    @property
    def bases(self) -> Tensor:
        """Stacked bases of the features, shape (sum(config.dims), width); the rows of each feature orthonormal."""
        return self.parameters.bases

    def basis(self, i: int) -> Tensor:
        """Basis V_i of feature i, shape (d_i, width), its rows orthonormal.

        Raises
        ------
        ValueError
            If there is no feature i.
        """
        i = int(count("i", i, 0, self.config.size - 1))
        start = sum(self.config.dims[:i])
        return self.bases[start : start + self.config.dims[i]]

    @property
    def bias(self) -> Tensor:
        """Constant part of the activations, shape (width,)."""
        return self._sampler.bias

    def marginals(self) -> Floats:
        """Exact probability that each feature fires, shape (features,)."""
        return self.config.firing.marginals(self.config.size)

    def energies(self) -> Floats:
        """Exact ``E||h_i||^2`` of the slice of each feature given that it fires, shape (features,)."""
        return self.parameters.moments(self.config).energies

    def second_moments(self) -> tuple[Floats, ...]:
        """Exact second moment ``Sigma_i = pi_i E[h_i h_i' | i fires]`` of each feature, in its own basis.

        Its eigenvalues are the s_j that :func:`sasa_theory.bounds.single_group_optimum` takes: it counts the samples in
        which the feature is silent. Shapes (d_i, d_i).
        """
        weights = self.marginals() * self.energies()
        laws = self.config.laws
        return tuple(law.covariance * (weight / law.energy) for law, weight in zip(laws, weights, strict=True))

    def sample(self, n: int, generator: torch.Generator, truth: str = "support") -> Sample:
        """Draw ``n`` samples together with their truth.

        Parameters
        ----------
        n : int
            Number of samples, >= 1.
        generator : torch.Generator
            Any device; it only supplies the stream's seed. The samples are the first n that :meth:`batches` would give
            from the same state.
        truth : str
            ``support``: which features fired; ``coefficients``: also the slices' coefficients; ``contributions``: also
            the slices themselves, firings x width numbers, and the noise, n x width.

        Raises
        ------
        ValueError
            If an argument is out of range.
        """
        n = int(count("n", n))
        choice("truth", truth, DETAILS)
        seed, chunks = drawn_seed(generator), chunks_for(n)
        x = torch.empty(chunks * CHUNK, self.width, device=self.bases.device, dtype=torch.float32)
        noise = torch.zeros_like(x) if truth == "contributions" else None

        def draw(k: int) -> Active:
            rows = slice(k * CHUNK, (k + 1) * CHUNK)
            return self._sampler.draw(
                chunk_generator(seed, k, x.device), x[rows], None if noise is None else noise[rows]
            )

        known = join(in_threads(draw, chunks), n, self.config.size, self.bases, truth)
        return Sample(compact(x[:n]), None if noise is None else compact(noise[:n]), known)

    def batches(self, batch_size: int, generator: torch.Generator, shard: Sequence[int] = (0, 1)) -> Stream:
        """Endless batches of activations; see :class:`synthetic.stream.Stream`.

        Parameters
        ----------
        batch_size : int
            Samples in a batch, >= 1.
        generator : torch.Generator
            Supplies the stream's seed. All shards of one stream need generators in the same state.
        shard : pair of int
            Rank and number of shards.
        """
        return Stream(self._sampler, batch_size, drawn_seed(generator), shard)

    def oracle(self, n: int, generator: torch.Generator, s: int | None = None) -> Oracle:
        """What the true subspaces reach on ``n >= 2`` samples; see :func:`synthetic.oracle.measure_oracle`."""
        return measure_oracle(self.config, self.bases, self.bias, self.sample(n, generator), s)

    def card(self) -> Card:
        """Sizes and difficulty of the world; see :class:`synthetic.card.Card`."""
        return measure_card(self.config, self.bases)
