"""The residual stream of a clock transformer as a world whose features are known: one for each clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from real_models.sites import Site, read
from sasa_theory.bounds.validate import count, real
from sasa_theory.training import Memory
from sasa_theory.training.source import MemoryStream
from synthetic.truth import Sample, Truth

from .transformer import Taught

LAST_BLOCK = Site(0, "resid_post")
"""Where the models, which have one block, are looked at: what the read-out will see."""

ENERGY = 0.9
"""Share of the energy of a clock's class means that its dimension holds, unless told otherwise."""


@dataclass(frozen=True, eq=False)
class ClockWorld:
    """Activations at the last position, of all inputs of all clocks, and what is known about them.

    Each input is about one clock, so that one feature is active in each row. A clock's feature is the subspace of its
    class means: of the mean activations given the sum ``a + b``, without their own mean.

    Attributes
    ----------
    taught : Taught
        The model.
    x : Tensor, shape (inputs, width)
        Activations.
    bases : tuple of Tensor
        Orthonormal basis of each clock's feature, shapes (d_t, width), directions of most energy first.
    spectra : tuple of Tensor
        Share of the energy of a clock's class means in each direction.
    """

    taught: Taught
    x: Tensor
    bases: tuple[Tensor, ...]
    spectra: tuple[Tensor, ...]

    @property
    def width(self) -> int:
        """Dimension of the activations."""
        return self.x.shape[1]

    @property
    def bias(self) -> Tensor:
        """Mean activation, shape (width,)."""
        return self.x.mean(dim=0)

    def basis(self, i: int) -> Tensor:
        """Orthonormal basis of clock i's feature, shape (d_i, width)."""
        return self.bases[i]

    def means(self, i: int) -> Tensor:
        """Class means of clock i by the hour that is the answer, shape (hours, width)."""
        return class_means(self.taught, self.x, i)

    def aligned(self, i: int) -> float:
        """Mean squared cosine between the plane in which clock i's hours were embedded and its feature's directions."""
        plane = self.taught.lesson.clocks.planes[i].to(self.x)
        return float((plane @ self.bases[i][:2].mT).square().sum() / 2)

    def batches(self, batch_size: int, generator: torch.Generator, shard: Sequence[int] = (0, 1)) -> MemoryStream:
        """Endless batches of all rows, shuffled in each epoch; see :class:`sasa_theory.training.Memory`."""
        return Memory(self.x).batches(batch_size, generator, shard)

    def sample(self, n: int, generator: torch.Generator, truth: str = "support") -> Sample:
        """Draw rows, none twice before each has come once; a firing's slice is what lies in its feature's subspace."""
        passes = -(-int(count("n", n)) // len(self.x))
        rows = torch.cat([torch.randperm(len(self.x), generator=generator) for _ in range(passes)])[:n]
        x, features = self.x[rows], self.taught.lesson.clocks.clock[rows]
        contributions = None
        if truth == "contributions":
            projectors = torch.stack([basis.mT @ basis for basis in self.bases])
            contributions = torch.einsum("nw,nwv->nv", x - self.bias, projectors[features])
        known = Truth((n, len(self.bases)), torch.arange(n), features, contributions=contributions)
        return Sample(x, None, known)


def clock_world(taught: Taught, site: Site = LAST_BLOCK, *, dims: int | None = 2, energy: float = ENERGY) -> ClockWorld:
    """The world of a clock transformer at a site.

    Parameters
    ----------
    taught : Taught
        The model.
    site : Site
        Where it is looked at.
    dims : int or None
        Dimension of each clock's feature; None to measure it, as is due where embeddings were trained: the least number
        of directions with a share ``energy`` of the energy of the class means.
    energy : float
        That share.

    Raises
    ------
    ValueError
        If the model has no such site, or an argument is out of range.
    """
    real("energy", energy, 0.0, 1.0, open_low=True)
    tokens = taught.lesson.clocks.tokens.to(taught.language.device)
    x = read(taught.language.model, site, input_ids=tokens)[:, -1].float().cpu()
    bases, spectra = [], []
    for i in range(len(taught.lesson.clocks.hours)):
        means = class_means(taught, x, i).double()
        _, values, directions = torch.linalg.svd(means - means.mean(dim=0), full_matrices=False)
        shares = values.square() / values.square().sum()
        needed = int((shares.cumsum(0) < energy).sum()) + 1
        kept = needed if dims is None else int(count("dims", dims, 1, len(shares)))
        bases.append(directions[:kept].to(x))
        spectra.append(shares)
    return ClockWorld(taught, x, tuple(bases), tuple(spectra))


def class_means(taught: Taught, x: Tensor, i: int) -> Tensor:
    """Mean of the rows of clock i given each hour that is the answer, shape (hours, width)."""
    clocks = taught.lesson.clocks
    return torch.stack([x[(clocks.clock == i) & (clocks.sum == hour)].mean(dim=0) for hour in range(clocks.hours[i])])
