"""Records of the baselines that this package brings along, so that a new design is compared without running them.

They are made by ``python -m sasa_theory.benchmark.shipped smoke standard`` and looked up by key: records of other
settings, or of other versions of the metrics, are never taken for those asked for.
"""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console

from sasa_theory.bounds.validate import choice

from .executors import Processes
from .plan import Plan
from .records import Record
from .session import carry_out
from .store import Store
from .suites import TIERS, tier

FOLDER = Path(__file__).parent / "baselines"
"""Where they are."""


def shipped(name: str) -> dict[str, Record]:
    """Records of a tier's baselines, by key; empty where the tier has none.

    Raises
    ------
    ValueError
        If there is no tier of that name.
    """
    return Store(FOLDER / f"{choice('tier', name, TIERS)}.jsonl").read().records


def remake(name: str, console: Console) -> Path:
    """Run a tier's baselines and put their records in the place of those that are there.

    Interrupted, it goes on where it was: what is done is kept in a file beside.
    """
    plan = Plan(tier=tier(name), specs=tier(name).baselines)
    path = FOLDER / f"{name}.jsonl"
    unfinished = Store(path.with_suffix(".unfinished.jsonl"))
    carry_out(plan, unfinished, Processes(), console)
    Path(f"{unfinished.path}.lock").unlink(missing_ok=True)
    return unfinished.path.replace(path)


if __name__ == "__main__":
    for asked in sys.argv[1:]:
        print(remake(asked, Console()))
