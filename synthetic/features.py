"""The law of one feature in its own coordinates: subspaces, manifolds and point sets, centred, at a declared energy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch
from torch import Tensor

from sasa_theory.bounds.validate import Floats, choice, count

from .manifolds import MANIFOLDS
from .whole import set_real

KINDS = ("subspace", "sphere", "discrete", "clusters", *MANIFOLDS)
RADII = ("gaussian", "sphere", "heavy")
STUDENT_FREEDOM = 6
"""Degrees of freedom of the heavy-tailed radius; even, so that its chi-square is a sum of exponentials."""

_FREE_DIM = {"subspace": (1, 1), "sphere": (3, 2), "discrete": (1, 1), "clusters": (2, 1)}  # kind: default, least


@dataclass(frozen=True)
class Feature:
    """What one feature contributes when it fires, before its basis embeds it: mean zero, ``E||h||^2 = energy``.

    Centring and scaling use exact moments, never a calibration sample.

    Attributes
    ----------
    kind : str
        The shape of the slice.

        * ``subspace``: a rotation-invariant law on R^dim with the given ``radius``;
        * ``sphere``: the uniform law on a sphere in R^dim, dim >= 2. The same law as a subspace of radius ``sphere``,
          but counted as a manifold of dimension dim - 1;
        * ``discrete``: ``+-e_j``, each of the 2 dim points equally likely (a signed one-hot code);
        * ``clusters``: ``points`` equally likely points in R^dim, rows of the discrete cosine transform: distinct, with
          isotropic covariance, a regular simplex for ``points = dim + 1``;
        * ``circle``, ``disk``, ``torus``, ``moebius``, ``helix``, ``swiss_roll``: see :mod:`synthetic.manifolds`.
    dim : int
        Dimension of the slice's span, the number of rows of its basis. Free for the first four kinds, where 0 stands
        for 1, 3, 1 and 2; fixed for the others, where 0 stands for the fixed value.
    energy : float
        ``E||h||^2`` of the active slice, > 0.
    radius : str
        Law of the norm, for ``subspace`` only: ``gaussian``; ``sphere`` (constant); ``heavy`` (multivariate Student
        with 6 degrees of freedom: the norm has a finite fourth moment and no sixth).
    points : int
        Number of points, for ``clusters`` only, at least dim + 1; 0 stands for dim + 1.

    Raises
    ------
    ValueError
        If a field is unknown to the kind or outside its range.
    """

    kind: str
    dim: int = 0
    energy: float = 1.0
    radius: str = "gaussian"
    points: int = 0

    def __post_init__(self) -> None:
        choice("kind", self.kind, KINDS)
        choice("radius", self.radius, RADII)
        set_real(self, "energy", 0.0, open_low=True)
        if self.radius != "gaussian" and self.kind != "subspace":
            raise ValueError(f"radius is for kind 'subspace' only, got {self.radius!r} with kind {self.kind!r}")
        if self.points and self.kind != "clusters":
            raise ValueError(f"points is for kind 'clusters' only, got {self.points!r} with kind {self.kind!r}")
        default, least, most = _dim_range(self.kind)
        count(f"dim of kind {self.kind!r}", self.dim or default, least, most)
        # Zeros are replaced by what they stand for, so that equal laws compare and hash equal.
        object.__setattr__(self, "dim", int(self.dim or default))
        if self.kind == "clusters":
            count("points", self.points or self.dim + 1, self.dim + 1)
            object.__setattr__(self, "points", int(self.points or self.dim + 1))

    @property
    def linear_dim(self) -> int:
        """Dimension of the slice's span: the number of rows of its basis."""
        return self.dim

    @property
    def intrinsic_dim(self) -> int:
        """Dimension of the slice: dim for a subspace, the manifold's for a manifold, 0 for a set of points."""
        if self.kind == "subspace":
            return self.dim
        if self.kind == "sphere":
            return self.dim - 1
        return MANIFOLDS[self.kind].intrinsic_dim if self.kind in MANIFOLDS else 0

    @cached_property
    def covariance(self) -> Floats:
        """Exact covariance ``E h h'``, shape (dim, dim), of trace ``energy``; isotropic but for some manifolds."""
        if self.kind in MANIFOLDS:
            manifold = MANIFOLDS[self.kind]
            return np.array(manifold.covariance) * (self.energy / manifold.energy)
        return np.eye(self.dim) * (self.energy / self.dim)

    def sample(self, n: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> Tensor:
        """Draw ``n`` independent slices, shape (n, dim), on the generator's device.

        The draw consumes the generator in a fixed way: equal states give equal slices.
        """
        if self.kind == "discrete":
            return self._signed_axes(n, generator, dtype)
        if self.kind == "clusters":
            which = torch.randint(self.points, (n,), generator=generator, device=generator.device)
            table = _cosine_points(self.points, self.dim) * math.sqrt(self.energy)
            return table.to(generator.device, dtype)[which]
        if self.kind in MANIFOLDS:
            manifold = MANIFOLDS[self.kind]
            u = torch.rand(n, manifold.uniforms, generator=generator, device=generator.device, dtype=dtype)
            centre = torch.tensor(manifold.mean, device=generator.device, dtype=dtype)
            return manifold.embed(u).sub_(centre).mul_(math.sqrt(self.energy / manifold.energy))
        return self._rotation_invariant(n, generator, dtype)

    def _rotation_invariant(self, n: int, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
        z = torch.randn(n, self.dim, generator=generator, device=generator.device, dtype=dtype)
        if self.kind == "sphere" or self.radius == "sphere":
            return torch.nn.functional.normalize(z, dim=1).mul_(math.sqrt(self.energy))
        if self.radius == "heavy":
            waits = torch.empty(n, STUDENT_FREEDOM // 2, device=generator.device, dtype=dtype)
            chi_square = 2 * waits.exponential_(generator=generator).sum(dim=1, keepdim=True)
            z *= ((STUDENT_FREEDOM - 2) / chi_square).sqrt()  # E 1/chi_square = 1/(freedom - 2)
        return z.mul_(math.sqrt(self.energy / self.dim))

    def _signed_axes(self, n: int, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
        which = torch.randint(2 * self.dim, (n,), generator=generator, device=generator.device)
        axes = math.sqrt(self.energy) * torch.eye(self.dim, device=generator.device, dtype=dtype)
        return torch.cat((axes, -axes))[which]


def _dim_range(kind: str) -> tuple[int, int, float]:
    """Default, least and largest ``dim`` of a kind."""
    if kind in MANIFOLDS:
        return (MANIFOLDS[kind].linear_dim,) * 3
    return (*_FREE_DIM[kind], math.inf)


@lru_cache(maxsize=64)
def _cosine_points(points: int, dim: int) -> Tensor:
    """Rows of the DCT-II without its constant column, at unit mean squared norm: shape (points, dim), float64."""
    position = (torch.arange(points, dtype=torch.float64) + 0.5) * (math.pi / points)
    return torch.cos(position[:, None] * torch.arange(1, dim + 1)) * math.sqrt(2 / dim)
