"""What a seed adds to a config: the drawn tensors, and the moments that follow from both in closed form."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from sasa_theory.bounds.validate import Floats

from .config import WorldConfig
from .firing import Independent


@dataclass(frozen=True)
class Parameters:
    """The drawn tensors of a world, float32.

    Attributes
    ----------
    bases : Tensor
        Stacked bases, shape (sum(dims), width); the rows of each feature orthonormal.
    bias : Tensor
        Shape (width,), before the rescaling to a declared power.
    means, spreads : Tensor
        m_i and s_i of the magnitudes, shape (features,).
    loadings : Tensor
        Loadings of the copula; shape (0, 0) without one.
    """

    bases: Tensor
    bias: Tensor
    means: Tensor
    spreads: Tensor
    loadings: Tensor

    @classmethod
    def draw(cls, config: WorldConfig, generator: torch.Generator) -> Parameters:
        """Draw the parameters of a world."""
        direction = torch.randn(config.width, generator=generator, device=generator.device, dtype=torch.float32)
        return cls(
            bases=config.dictionary.bases(config.width, config.dims, generator),
            bias=config.bias * torch.nn.functional.normalize(direction, dim=0),
            means=config.magnitude.mean.draw(config.size, generator),
            spreads=config.magnitude.spread.draw(config.size, generator),
            loadings=config.firing.loadings(config.size, generator),
        )

    def to(self, device: torch.device | str) -> Parameters:
        """The same parameters on another device."""
        return Parameters(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})

    def moments(self, config: WorldConfig) -> Moments:
        """Closed-form second moments of the world."""
        mean, spread = self.means.double().cpu().numpy(), self.spreads.double().cpu().numpy()
        square = mean**2 + spread**2
        if config.magnitude.by_parent and isinstance(config.firing, Independent) and config.firing.forest is not None:
            forest = config.firing.forest
            for level in forest.levels():
                parent = forest.parent_of(level)
                square[level] *= square[parent] / mean[parent] ** 2
        gain = np.sqrt(config.dims) if config.energy == "per_dim" else np.ones(config.size)
        energies = square * gain**2 * np.array([law.energy for law in config.laws])
        signal = float(config.firing.marginals(config.size) @ energies)
        scale = 1.0
        if config.power:
            scale = float(np.sqrt(config.power / (signal * (1 + config.noise) + config.bias**2)))
        noise_std = float(np.sqrt(config.noise * signal / config.width))
        return Moments(scale**2 * energies, scale * gain, scale * noise_std, scale)


@dataclass(frozen=True)
class Moments:
    """Second moments of a world.

    Attributes
    ----------
    energies : ndarray
        ``E||h_i||^2`` given that feature i fires, shape (features,).
    gain : ndarray
        Factor between magnitude and slice, from the energy mode and the declared power, shape (features,).
    noise_std : float
        Standard deviation of the noise in each coordinate.
    scale : float
        Factor that the declared power puts on everything.
    """

    energies: Floats
    gain: Floats
    noise_std: float
    scale: float
