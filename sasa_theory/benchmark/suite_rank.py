"""The authors' experiment on ranks: does a group's rank become its feature's dimension, as published and corrected.

Their arms penalise the decoder, or the map, with the same coefficients. Corrected: the paper's own penalty on the map,
at learning rates found by a search, and coefficients that go on to where theory says that dimensions are given up.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sasa_theory.bounds.validate import Floats
from sasa_theory.training import Budget
from synthetic import Exactly, Feature, Features, World, WorldConfig, preset

from .suite_parts import PUBLISHED_RATE, PUBLISHED_RECIPE, Part, Scale, Suite
from .suite_results import Results
from .suites import Arena, Tier

COEFFICIENTS = (0, 1, 3, 10, 30, 100)
"""The authors' lambda, a weight of the mean nuclear norm over groups, at ``E||x||^2 = 80652.6``."""

BEYOND = (1_000, 10_000, 100_000)
"""Further ones, so that the coefficient at which dimensions are given up lies within the grid."""

QUANTITIES = (
    "published_capture",
    "published_captured",
    "published_rank_mae",
    "published_rank_bias",
    "published_rank_exact",
    "published_rank_pearson",
    "published_rank_spearman",
    "published_full_rank",
    "published_distinct_ranks",
    "published_stable_rank",
    "published_participation",
    "published_activation_rank",
    "published_activation_pearson",
    "exact_support",
    "ev",
)
CURVES = ("published_matched_rank", "published_activation_rank", "dimension_bias", "recovery")


def _arms(title: str, spec: str, coefficients: tuple[int, ...]) -> dict[str, str]:
    return {f"{title}, λ = {value}": f"{spec}penalty_coefficient={value}]" for value in coefficients}


DECODER = _arms("decoder", "sasa/release[auxiliary=none,", COEFFICIENTS)
MAP = _arms("map", "sasa/release_map[auxiliary=none,", COEFFICIENTS + BEYOND)
PAPER = _arms("paper", "sasa/paper[penalty_unit=mean,", COEFFICIENTS + BEYOND)


def rank_suite(scale: Scale) -> Suite:
    """The suite at a scale."""
    config = _world(scale)
    paper = scale == "paper"
    assert isinstance(config.firing, Exactly)  # in both scales
    published = Tier(
        name="sasa-rank",
        arenas=(Arena("their world", config, config.firing.active, spare=1.0, rank=max(config.dims) + 2),),
        budget=Budget(tokens=20_000 * 4096, batch_size=4096) if paper else Budget(tokens=1200 * 256, batch_size=256),
        seeds=5,
        rows=200_000 if paper else 3_000,
        chosen_by="ev",
        thorough=False,
        rates=(PUBLISHED_RATE,),
        training=PUBLISHED_RECIPE,
    )
    matched = replace(published, rates=(1e-3, 3e-3, 1e-2), training=(("clip", 1.0),))
    return Suite(
        name="sasa-rank",
        title="Recovery of ranks",
        source="SASA authors' released code, experiment synthetic_rank (arXiv 2606.06333)",
        parts=(
            Part(title="their arms and settings", tier=published, arms=DECODER | MAP),
            Part(title="the paper's model at matched learning rates", tier=matched, arms=PAPER),
        ),
        quantities=QUANTITIES,
        curves=CURVES,
        numbers={},
        conclude=conclusions,
    )


def _world(scale: Scale) -> WorldConfig:
    """Theirs, or a smaller one with about the same ratio of planted dimensions to width (1.6; theirs 1.5)."""
    if scale == "paper":
        return preset("sasa_rank", "paper")
    features = tuple(Features(Feature("subspace", d), 5) for d in (1, 2, 3, 4, 5, 6))
    return preset("sasa_rank", "small", width=64, features=features, firing=Exactly(2))


def critical_coefficients(config: WorldConfig, groups: int, seed: int) -> Floats:
    """Lambda at which theory has a group alone on its feature give it up, shape (features,).

    ``lambda / K = 2 s`` with s the energy of a direction of the feature, usage included: the mean over K groups makes
    each group's weight ``lambda / K``. All directions of these features are equally strong.
    """
    return np.array([2 * groups * np.linalg.eigvalsh(s).max() for s in World.build(config, seed).second_moments()])


def predicted_bias(config: WorldConfig, groups: int, coefficient: float, seeds: int) -> float:
    """Mean over features and seeds of the dimensions kept less those planted, were every group alone on its feature."""
    dims = np.array(config.dims)
    lost = [dims * (coefficient >= critical_coefficients(config, groups, seed)) for seed in range(seeds)]
    return -float(np.mean(lost))


def conclusions(found: Results) -> tuple[str, ...]:
    """What the corrections change, and how theory's threshold compares with what is found."""
    published, paper = found.suite.parts
    arena = published.tier.arenas[0]
    groups, seeds = arena.size.units, found.seeds or published.tier.seeds
    edges = np.concatenate([critical_coefficients(arena.config, groups, seed) for seed in range(seeds)])
    first, last = (f"decoder, λ = {value}" for value in (COEFFICIENTS[0], COEFFICIENTS[-1]))

    def of(arm: str, metric: str) -> float:
        part = paper if arm.startswith("paper") else published
        return found.value(part, arena, arm, metric).mean

    curve = "; ".join(
        f"λ = {value:g}: {predicted_bias(arena.config, groups, value, seeds):.2f}, "
        f"{of(f'map, λ = {value}', 'dimension_bias'):.2f}, {of(f'paper, λ = {value}', 'dimension_bias'):.2f}"
        for value in COEFFICIENTS + BEYOND
    )
    return (
        f"With their penalty on the decoder at λ = {COEFFICIENTS[-1]} the rank is "
        f"{of(last, 'published_rank_bias'):+.2f} from the dimension as published (λ = 0: "
        f"{of(first, 'published_rank_bias'):+.2f}) with an error of {of(last, 'published_rank_mae'):.2f}, over the "
        f"{of(last, 'published_captured'):.0%} of features that have a capture of one half; by what the groups use, "
        f"over all features, the error is {of(last, 'dimension_error'):.2f} (λ = 0: "
        f"{of(first, 'dimension_error'):.2f}).",
        f"Theory has a group give its feature up where λ / K exceeds 2πσ²: between λ = {edges.min():,.0f} and "
        f"{edges.max():,.0f} in this world, median {np.median(edges):,.0f}. The authors' largest, {COEFFICIENTS[-1]}, "
        f"is {COEFFICIENTS[-1] / edges.min():.1%} of the least.",
        f"Mean dimensions kept less those planted (theory, map, the paper's model): {curve}.",
    )
