"""Quality of designs against the tokens that they have seen."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import exp, log
from pathlib import Path

from .results import write_json

CURVES = "curves.json"


@dataclass(frozen=True)
class Point:
    """A design after some tokens, on text that is held out.

    Attributes
    ----------
    tokens : int
        Seen so far.
    ev : float
        Explained variance.
    columns, units, bits, dead : float
        Active columns and units a token, bits of the support, share of dead units.
    recovered : float or None
        Loss recovered against mean ablation; None if it was not measured.
    """

    tokens: int
    ev: float
    columns: float
    units: float
    bits: float
    dead: float
    recovered: float | None


@dataclass(frozen=True)
class Comparison:
    """Curves of designs that met the same batches.

    Attributes
    ----------
    curves : dict of str to tuple of Point
        By name, in the order of tokens.
    unseen : bool
        Whether the held-out text stayed unread: a short text comes round again.
    """

    curves: dict[str, tuple[Point, ...]]
    unseen: bool

    def share_needed(self, name: str, of: str, quality: str = "ev") -> float | None:
        """Share of its tokens after which ``name`` is as good as ``of`` is in the end; None if it never is.

        Between two points the quality is taken as linear in the logarithm of the tokens.
        """
        goal = getattr(self.curves[of][-1], quality)
        before: Point | None = None
        for point in self.curves[name]:
            value = getattr(point, quality)
            if value >= goal:
                total = self.curves[name][-1].tokens
                if before is None:
                    return point.tokens / total
                part = (goal - getattr(before, quality)) / (value - getattr(before, quality))
                return exp(log(before.tokens) + part * log(point.tokens / before.tokens)) / total
            before = point
        return None

    def write(self, folder: Path) -> None:
        """Write ``curves.json``."""
        write_json(folder / CURVES, asdict(self))
