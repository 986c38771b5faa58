"""Every claim that trains, by its id."""

from __future__ import annotations

from typing import Any

from sasa_theory.claims.contract import Claim

_ALL: tuple[Claim[Any], ...] = ()

TRAINED: dict[str, Claim[Any]] = {claim.id: claim for claim in _ALL}
