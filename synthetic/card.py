"""The card of a world: its sizes and what makes it hard, exact or measured over all pairs of features."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from sasa_theory.bounds import coherence_limit

from .config import WorldConfig
from .pair_coherence import coherence


@dataclass(frozen=True)
class Card:
    """Sizes and difficulty of a world.

    Attributes
    ----------
    width : int
        Dimension of the activations.
    features : int
        Number of features.
    dimensions : int
        Sum of the linear dimensions of the features.
    superposition : float
        ``dimensions / width``.
    coherence_max, coherence_mean : float
        Largest and mean value of the largest principal cosine of a pair of features, over all pairs.
    recovery_limit : float
        ``1 / (2 s - 1)``, s the expected number of active features, rounded: pairs below it are inside the recovery
        condition of Top-s gating (equal norms; Proposition 3.5 of arXiv 2606.06333).
    inside_limit : float
        Share of the pairs below ``recovery_limit``.
    expected_active : float
        Expected number of features that fire in a sample.
    firing_entropy : float
        Entropy in bits of the set of firing features; an upper bound if a copula correlates them.
    noise_share : float
        Power of the noise as a share of the power of signal and noise; the signal's is the expected sum of the
        energies of the slices that fire, without the cross terms of one-sided features and without the bias.
    """

    width: int
    features: int
    dimensions: int
    superposition: float
    coherence_max: float
    coherence_mean: float
    recovery_limit: float
    inside_limit: float
    expected_active: float
    firing_entropy: float
    noise_share: float

    def __str__(self) -> str:
        rows = {
            "width": f"{self.width}",
            "features": f"{self.features}",
            "linear dimensions": f"{self.dimensions} ({self.superposition:.2f} x width)",
            "coherence": f"max {self.coherence_max:.3f}, mean {self.coherence_mean:.3f}",
            "pairs in recovery condition": f"{self.inside_limit:.1%} below {self.recovery_limit:.3f}",
            "expected active": f"{self.expected_active:.2f}",
            "entropy of firing": f"{self.firing_entropy:.1f} bits",
            "noise": f"{self.noise_share:.2%} of the power",
        }
        return "\n".join(f"{name:<28}{value}" for name, value in rows.items())


def measure_card(config: WorldConfig, bases: Tensor) -> Card:
    """Measure the card of the world with the given stacked bases."""
    active = float(config.firing.marginals(config.size).sum())
    limit = float(coherence_limit(max(1, round(active))))
    measured = coherence(bases, config.dims, limit)
    return Card(
        width=config.width,
        features=config.size,
        dimensions=sum(config.dims),
        superposition=sum(config.dims) / config.width,
        coherence_max=measured.max,
        coherence_mean=measured.mean,
        recovery_limit=limit,
        inside_limit=measured.share_below,
        expected_active=active,
        firing_entropy=config.firing.entropy(config.size),
        noise_share=config.noise / (1 + config.noise),
    )
