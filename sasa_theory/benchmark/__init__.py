"""Designs against one another: the same worlds, seeds and budgets, compared metric by metric."""

from .budgets import Match, Size, matched
from .comparison import Standings, standings
from .executors import Given, Pool, Processes, pool
from .plan import Plan
from .records import Measured, Record
from .session import carry_out
from .store import Contents, Store
from .suites import TIERS, Arena, Tier, tier
from .sweep import sweep

__all__ = [
    "TIERS",
    "Arena",
    "Contents",
    "Given",
    "Match",
    "Measured",
    "Plan",
    "Pool",
    "Processes",
    "Record",
    "Size",
    "Standings",
    "Store",
    "Tier",
    "carry_out",
    "matched",
    "pool",
    "standings",
    "sweep",
    "tier",
]
