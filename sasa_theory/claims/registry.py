"""Every claim by its id, in the order of the theory; those that train only when asked for, as they need torch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sasa_theory.bounds.validate import choice

from .a1_coverage import CoverageInequality
from .a2_floor import AtomFloor
from .a3_rate import GrowthRate
from .a4_ceiling import AtomCeiling
from .a5_distortion import DistortionFloor
from .b1_true_basis import TrueBasisCost
from .b2_descent_path import DescentPath
from .b3_near_optimal import NearOptimalSize
from .b4_saddle import KinkAtTheTrueBasis
from .c1_single_group import SingleGroupOptimum
from .c2_partition import PartitionOptimality
from .c3_overlap import OverlapEdge
from .c4_variational import VariationalForms
from .c5_gating import RightGating
from .contract import Claim
from .d1_subspace import PolynomialSamples
from .d2_visiting import VisitingSamples
from .e1_activation import FeatureActivation
from .e2_soft_topk import SoftTopKGates
from .f1_nulls import Nulls

CLAIMS: dict[str, Claim[Any]] = {
    claim.id: claim
    for claim in (
        CoverageInequality(),
        AtomFloor(),
        GrowthRate(),
        AtomCeiling(),
        DistortionFloor(),
        TrueBasisCost(),
        DescentPath(),
        NearOptimalSize(),
        KinkAtTheTrueBasis(),
        SingleGroupOptimum(),
        PartitionOptimality(),
        OverlapEdge(),
        VariationalForms(),
        RightGating(),
        PolynomialSamples(),
        VisitingSamples(),
        FeatureActivation(),
        SoftTopKGates(),
        Nulls(),
    )
}


def trained_claims() -> dict[str, Claim[Any]]:
    """Claims about what training finds, by id."""
    from .trained.registry import TRAINED

    return TRAINED


def find(claim_id: str) -> Claim[Any]:
    """The claim of this id.

    Raises
    ------
    ValueError
        If there is none, with the nearest.
    """
    if claim_id in CLAIMS:
        return CLAIMS[claim_id]
    everything, asked = {**CLAIMS, **trained_claims()}, claim_id.upper()
    family = [name for name in everything if name[0] == asked[:1]]  # A5 is nearer to A6 than T6 is
    return everything[choice("claim", asked, family or everything)]


def select(ids: Iterable[str] | None = None, *, trained: bool = False) -> list[Claim[Any]]:
    """Return the claims named, in the order of the theory.

    If none is named, all those that train, or all those that do not.

    Raises
    ------
    ValueError
        At the first unknown id, with the nearest known one.
    """
    if not ids:
        return list((trained_claims() if trained else CLAIMS).values())
    wanted = {claim.id: claim for claim in map(find, ids)}
    order = [*CLAIMS, *(trained_claims() if wanted.keys() - CLAIMS.keys() else ())]
    return sorted(wanted.values(), key=lambda claim: order.index(claim.id))
