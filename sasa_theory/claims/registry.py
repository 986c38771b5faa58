"""Every claim by its id, in the order of the theory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sasa_theory.bounds.validate import choice

from .a1_coverage import CoverageInequality
from .a2_floor import AtomFloor
from .a3_rate import GrowthRate
from .a4_ceiling import AtomCeiling
from .a5_distortion import DistortionFloor
from .contract import Claim

CLAIMS: dict[str, Claim[Any]] = {
    claim.id: claim
    for claim in (
        CoverageInequality(),
        AtomFloor(),
        GrowthRate(),
        AtomCeiling(),
        DistortionFloor(),
    )
}


def select(ids: Iterable[str] | None = None) -> list[Claim[Any]]:
    """Return the claims named, in the order of the theory; all of them if none is named.

    Raises
    ------
    ValueError
        At the first unknown id, with the nearest known one.
    """
    wanted = [choice("claim", claim_id.upper(), CLAIMS) for claim_id in ids or CLAIMS]
    return [claim for claim_id, claim in CLAIMS.items() if claim_id in wanted]
