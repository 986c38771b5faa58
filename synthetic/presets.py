"""Worlds by name, each with the publication it comes from, at three scales."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from sasa_theory.bounds.validate import choice, known_fields

from .config import Dictionary, Features, WorldConfig
from .copula import Copula
from .features import Feature
from .firing import Exactly, Independent
from .forest import Forest
from .magnitudes import Magnitude, PerFeature
from .rates import Listed, Zipf

SCALES = ("small", "medium", "paper")
GPT2_POWER = 80652.6
"""Mean squared norm of GPT-2 small's residual stream at layer 7, which ``sasa_rank`` takes over."""


@dataclass(frozen=True)
class Preset:
    """A named world.

    Attributes
    ----------
    summary : str
        What it is, and where it differs from its source.
    source : str
        Where it comes from.
    config : callable
        The config at each of the scales ``small`` (for tests), ``medium`` (minutes on a laptop) and ``paper``.
    """

    summary: str
    source: str
    config: Callable[[str], WorldConfig]


def preset(name: str, scale: str = "paper", **overrides: Any) -> WorldConfig:
    """Config of a named world, with fields of :class:`synthetic.config.WorldConfig` replaced by ``overrides``.

    >>> preset("sasa_dimension", noise=0.0)

    Raises
    ------
    ValueError
        If the name, the scale or a field is unknown (with the nearest known one), or a value is refused.
    """
    chosen = PRESETS[choice("preset", name, PRESETS)]
    choice("scale", scale, SCALES)
    known_fields(WorldConfig, overrides)
    return replace(chosen.config(scale), **overrides)


def presets() -> Mapping[str, Preset]:
    """All presets by name."""
    return PRESETS


def _pick(scale: str, small: Any, medium: Any, paper: Any) -> Any:
    return dict(zip(SCALES, (small, medium, paper), strict=True))[scale]


def _subspaces(dims: tuple[int, ...], count: int, radius: str = "gaussian") -> tuple[Features, ...]:
    return tuple(Features(Feature("subspace", d, radius=radius), count) for d in dims)


def _sasa_dimension(scale: str) -> WorldConfig:
    width, dims, count, active = _pick(
        scale, (64, (1, 2, 3, 4), 8, 2), (256, (1, 2, 4, 8), 32, 4), (768, (1, 2, 3, 4, 6, 8, 12, 16), 32, 4)
    )
    return WorldConfig(width, _subspaces(dims, count), Exactly(active), noise=0.01)


def _sasa_rank(scale: str) -> WorldConfig:
    width, dims, count, active = _pick(
        scale, (64, (1, 2, 3, 4), 8, 2), (256, (1, 2, 3, 4, 5, 6), 16, 4), (768, (1, 2, 3, 4, 5, 6, 7, 8), 32, 8)
    )
    return WorldConfig(
        width,
        _subspaces(dims, count),
        Exactly(active),
        magnitude=Magnitude(mean=PerFeature("uniform", 0.5, 2.0)),
        energy="per_dim",
        noise=0.01,
        power=GPT2_POWER,
    )


def _theorem(scale: str) -> WorldConfig:
    width, dims, count, active = _pick(scale, (64, (1, 2), 24, 2), (256, (1, 2, 3), 64, 3), (768, (1, 2, 3), 256, 4))
    return WorldConfig(
        width, _subspaces(dims, count, radius="sphere"), Exactly(active), dictionary=Dictionary("low_coherence")
    )


def _manifolds(scale: str) -> WorldConfig:
    kinds = ("circle", "sphere", "helix")
    return WorldConfig(_pick(scale, 16, 32, 64), tuple(Features(Feature(kind)) for kind in kinds), Exactly(1))


def _bsf_toy(scale: str) -> WorldConfig:
    width, lines, active = _pick(scale, (32, 14, 2), (64, 35, 3), (128, 64, 4))
    kinds = ("circle", "disk", "sphere", "torus", "moebius", "swiss_roll", "helix")
    curved = tuple(
        Features(Feature(kind), lines // len(kinds) + (k < lines % len(kinds))) for k, kind in enumerate(kinds)
    )
    return WorldConfig(width, (Features(Feature("subspace", 1), lines), *curved), Exactly(active), power=1.0)


def _synthsae16k(scale: str) -> WorldConfig:
    width, size, roots, branching, depth = _pick(
        scale, (32, 128, 8, 2, 3), (256, 2048, 16, 4, 3), (768, 16384, 128, 4, 3)
    )
    return WorldConfig(
        width,
        (Features(Feature("subspace", 1, radius="sphere"), size),),
        Independent(
            Zipf(exponent=0.5, most=0.4, least=5e-4), Copula(rank=25, scale=0.1), Forest(roots, branching, depth)
        ),
        dictionary=Dictionary("low_coherence"),
        magnitude=Magnitude(
            mean=PerFeature("linear", 5.0, 4.0),
            spread=PerFeature("folded_normal", 0.5, 0.5),
            one_sided=True,
            by_parent=True,
        ),
        bias=0.5,
    )


def _absorption(scale: str) -> WorldConfig:
    width, roots, branching = _pick(scale, (32, 4, 3), (128, 16, 4), (512, 64, 6))
    forest = Forest(roots, branching, depth=1)
    rates = (0.1,) * roots + (0.08 / branching,) * (forest.size - roots)
    return WorldConfig(
        width,
        (Features(Feature("subspace", 1, radius="sphere"), forest.size),),
        Independent(Listed(rates), forest=forest),
        dictionary=Dictionary("orthogonal"),
        magnitude=Magnitude(one_sided=True),
    )


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "sasa_dimension": Preset(
            "Subspaces of many dimensions at equal energy, independent bases, four active. The noise is 1 % of the "
            "expected signal power; the source takes 1 % of each batch's.",
            "SASA authors' released code, experiment synthetic_dimension (arXiv 2606.06333)",
            _sasa_dimension,
        ),
        "sasa_rank": Preset(
            "Subspaces of dimension 1 to 8, scales uniform on [.5, 2], eight active, at the power of GPT-2's layer 7. "
            "Features are in order of dimension, which the source permutes; noise and power are set in closed form, "
            "which the source calibrates on samples.",
            "SASA authors' released code, experiment synthetic_rank (arXiv 2606.06333)",
            _sasa_rank,
        ),
        "theorem": Preset(
            "Inside every assumption of the recovery theorem: coherence below 1/(2s-1), equal norms, no noise, in "
            "superposition.",
            "Proposition 3.5 of arXiv 2606.06333",
            _theorem,
        ),
        "manifolds": Preset(
            "A circle, a sphere and a helix, one active at a time. The source names the shapes and the width; its "
            "generator is not published, so the rest is ours.",
            "SASA authors' README, figure 1 (arXiv 2606.06333)",
            _manifolds,
        ),
        "bsf_toy": Preset(
            "Lines and seven kinds of manifolds, as many lines as manifolds, four active, no noise, unit power, equal "
            "total energy. The lines are Gaussian; the torus has radii 2 and 1, the Moebius band half width .5, the "
            "helix two turns, the Swiss roll angles from 1.5 pi to 4.5 pi. Centred and scaled in closed form; the "
            "source calibrates on samples.",
            "Block-sparse featurizers (arXiv 2606.25234)",
            _bsf_toy,
        ),
        "synthsae16k": Preset(
            "16,384 vectors with Zipf rates, trees of exclusive children scaled by their parents, correlated trees. "
            "Children have rates known in closed form, but siblings whose declared rates overflow their parent's are "
            "scaled down: this meets 93 % of the parents, which then never fire without a child, and leaves 48 of "
            "10,752 children their declared rate; 35.0 features are active on average (source: 34.4). Children are "
            "correlated through their roots only; the bases are of low coherence by construction where the source "
            "descends on it for 100 steps.",
            "SynthSAEBench-16k, second version (arXiv 2602.14687)",
            _synthsae16k,
        ),
        "absorption": Preset(
            "Orthogonal vectors: parents, and exclusive children that never fire without theirs. A parent fires alone "
            "one time in five.",
            "The setting of feature absorption (arXiv 2409.14507)",
            _absorption,
        ),
    }
)
"""The presets by name."""
