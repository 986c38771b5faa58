"""Every claim that trains, by its id."""

from __future__ import annotations

from typing import Any

from sasa_theory.claims.contract import Claim

from .t1_atom_count import AtomCount
from .t2_lower_risk_path import LowerRiskPath
from .t3_one_group import OneGroupTrained
from .t4_rank_transition import RankTransition
from .t5_token_growth import TokenGrowth
from .t6_afa_ratio import AFARatio
from .t7_soft_count import SoftCount
from .t8_gating_depth import GatingDepth

_ALL: tuple[Claim[Any], ...] = (
    AtomCount(),
    LowerRiskPath(),
    OneGroupTrained(),
    RankTransition(),
    TokenGrowth(),
    AFARatio(),
    SoftCount(),
    GatingDepth(),
)

TRAINED: dict[str, Claim[Any]] = {claim.id: claim for claim in _ALL}
