"""The authors' experiment on splitting: atoms a feature against its dimension, as published and corrected.

Corrected: learning rates found by one search for all; a world of low coherence; a world with slices of fixed length;
five seeds for three; truth and chance beside everything; signed TopK, which has no groups but may be negative.
"""

from __future__ import annotations

from dataclasses import replace

from sasa_theory.training import Budget
from synthetic import Dictionary, Exactly, Feature, Features, WorldConfig, preset

from .suite_parts import PUBLISHED_RATE, PUBLISHED_RECIPE, Part, Scale, Suite
from .suite_results import Results
from .suites import Arena, Tier

_FREE = "constraint=free,initial_norm=0.1,aux_coefficient=0"
_SASA = "sasa/release[penalty=none,auxiliary=none]"
_TOPK, _BATCH = "topk/saelens[aux_coefficient=0]", "batch-topk/saelens[aux_coefficient=0]"
_SIGNED = f"topk/signed[{_FREE}]"

PUBLISHED_ARMS = {
    "SASA": _SASA,
    "TopK": _TOPK,
    "BatchTopK": _BATCH,
    "TopK signed": _SIGNED,
    "standard": "relu/saelens[sparsity=0.03]",
    "gated": "gated/saelens[sparsity=0.06]",
    "JumpReLU": "jumprelu/saelens[sparsity=1]",
}
"""The authors' arms with their coefficients; none has an auxiliary loss, for want of a dead mask."""

CONTROLLED = {"SASA": _SASA, "TopK": _TOPK, "TopK signed": _SIGNED}
"""What is compared at matched learning rates: groups, and single columns without and with signs."""

COVERINGS = {
    "paper": tuple(f"published_covering_k{k}_e{e}" for k in (1, 2, 4, 8) for e in (50, 30)),
    "reduced": ("published_covering_k1_e50", "published_covering_k1_e30", "published_covering_k4_e50"),
}
"""Covering numbers by scale; those with many atoms a point take longer than training does at reduced scale."""

QUANTITIES = (
    "published_feature_recon",
    "published_atoms_90",
    "published_splitting_ratio",
    "published_own_atoms",
    "published_slots_won",
    "published_own_pre_level",
    "published_topk_cut_level",
    "published_capture",
    "published_matched_rank",
    "published_groups_per_feature",
    "published_groups_dominant",
    "recovered",
    "ev",
    "l0_columns",
)
CURVES = (
    "published_feature_recon",
    "published_atoms_90",
    "published_splitting_ratio",
    "published_covering_k1_e50",
    "published_matched_rank",
    "units_90",
    "covering_k1",
    "recovery",
)


def dimension_suite(scale: Scale) -> Suite:
    """The suite at a scale."""
    theirs = _world(scale)
    assert isinstance(theirs.firing, Exactly)  # in both scales
    fixed = tuple(replace(each, law=replace(each.law, radius="sphere")) for each in theirs.features)
    arenas = (
        Arena("their world", theirs, theirs.firing.active, spare=1.0),
        Arena(
            "low coherence", replace(theirs, dictionary=Dictionary("low_coherence")), theirs.firing.active, spare=1.0
        ),
        Arena("fixed norms", replace(theirs, features=fixed), theirs.firing.active, spare=1.0),
    )
    paper = scale == "paper"
    common = Tier(
        name="sasa-dimension",
        arenas=arenas,
        budget=Budget(tokens=8000 * 2048, batch_size=2048) if paper else Budget(tokens=1200 * 256, batch_size=256),
        seeds=5,
        rows=60_000 if paper else 3_000,
        chosen_by="ev",
        thorough=False,
    )
    published = replace(common, arenas=arenas[:1], rates=(PUBLISHED_RATE,), training=PUBLISHED_RECIPE)
    matched = replace(common, rates=(1e-3, 3e-3, 1e-2), training=(("clip", 1.0),))
    return Suite(
        name="sasa-dimension",
        title="Splitting against intrinsic dimension",
        source="SASA authors' released code, experiment synthetic_dimension (arXiv 2606.06333)",
        parts=(
            Part(title="their arms and settings", tier=published, arms=PUBLISHED_ARMS),
            Part(title="matched learning rates", tier=matched, arms=CONTROLLED),
        ),
        quantities=QUANTITIES + COVERINGS[scale],
        curves=CURVES,
        numbers={},
        conclude=conclusions,
    )


def _world(scale: Scale) -> WorldConfig:
    """Theirs, or one with fewer dimensions and the same ratio of planted dimensions to width (2.0; theirs 2.2)."""
    if scale == "paper":
        return preset("sasa_dimension", "paper")
    features = tuple(Features(Feature("subspace", d), 8) for d in (1, 2, 3, 4, 6, 8))
    return preset("sasa_dimension", "small", width=96, features=features, firing=Exactly(2))


def conclusions(found: Results) -> tuple[str, ...]:
    """What the corrections change, in numbers."""
    published, matched = found.suite.parts
    theirs, low, fixed = matched.tier.arenas
    arena = published.tier.arenas[0]

    def old(arm: str, metric: str) -> float:
        return found.value(published, arena, arm, metric).mean

    def new(arm: str, metric: str, where: Arena = theirs) -> float:
        return found.value(matched, where, arm, metric).mean

    atoms, units = "published_atoms_90", "units_90"
    recon = found.truth(published, arena, "published_feature_recon")
    return (
        f"Counting columns as published, TopK needs {old('TopK', atoms):.1f} a feature and SASA "
        f"{old('SASA', atoms):.1f}, a ratio of {old('TopK', atoms) / old('SASA', atoms):.1f}; counting units on "
        f"isolated slices it is {old('TopK', units):.1f} and {old('SASA', units):.2f}, a ratio of "
        f"{old('TopK', units) / old('SASA', units):.1f}.",
        f"Signs alone bring TopK from {new('TopK', units):.1f} to {new('TopK signed', units):.1f} units a feature at "
        f"matched learning rates, and explained variance from {new('TopK', 'ev'):.3f} to "
        f"{new('TopK signed', 'ev'):.3f}; SASA has {new('SASA', units):.2f} units and {new('SASA', 'ev'):.3f}.",
        f"At its sparsity the true subspaces reach a reconstruction of {recon:.3f} as published, not 1: SASA's "
        f"{old('SASA', 'published_feature_recon'):.3f} is "
        f"{old('SASA', 'published_feature_recon') / recon:.0%} of that. Its recovery, "
        f"{old('SASA', 'recovery'):.2f} at their settings, is {new('SASA', 'recovery'):.2f} at the learning rate found "
        f"by the search, {new('SASA', 'recovery', low):.2f} in a world of low coherence and "
        f"{new('SASA', 'recovery', fixed):.2f} with slices of fixed length; "
        f"truth: {found.truth(matched, theirs, 'recovery'):.2f}.",
    )
