"""What absorption comes to: scores of classes, their means, and the same in other bases of the units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np


class ClassScore(NamedTuple):
    """Absorption of one class.

    Attributes
    ----------
    name : str
        Of the class.
    rows : int
        Held-out members that the probe recognises: those that are scored.
    main : int
        Parts that are the class's own.
    fraction, full : float
        Mean absorption fraction, and share of members that are fully absorbed.
    """

    name: str
    rows: int
    main: int
    fraction: float
    full: float


@dataclass(frozen=True)
class Absorbed:
    """Absorption of all classes; each class counts the same. NaN if there is none that could be scored."""

    classes: tuple[ClassScore, ...]

    @property
    def fraction(self) -> float:
        """Mean over classes of the mean absorption fraction."""
        return _mean([each.fraction for each in self.classes])

    @property
    def full(self) -> float:
        """Mean over classes of the share of fully absorbed members."""
        return _mean([each.full for each in self.classes])

    @property
    def main(self) -> float:
        """Mean number of parts that are a class's own (feature splitting)."""
        return _mean([each.main for each in self.classes])

    def to_dict(self) -> dict[str, Any]:
        """The means, and every class, as plain values."""
        means = {"fraction": self.fraction, "full": self.full, "main": self.main}
        return {**means, "classes": [each._asdict() for each in self.classes]}


@dataclass(frozen=True)
class Absorption:
    """Absorption by unit, by column, and by column after random turns inside the units.

    Attributes
    ----------
    units : Absorbed
        The same however the columns of a unit are turned.
    columns : Absorbed
        As in the literature.
    turned : tuple of Absorbed
        By column once more, for other bases of the same units: what of ``columns`` is chance. None for atoms.
    """

    units: Absorbed
    columns: Absorbed
    turned: tuple[Absorbed, ...]

    @property
    def turned_fraction(self) -> tuple[float, float, float]:
        """Mean, lowest and highest fraction over the turns."""
        found = [each.fraction for each in self.turned]
        return _mean(found), min(found, default=np.nan), max(found, default=np.nan)

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values; of turns, the means."""
        turned = [{"fraction": each.fraction, "full": each.full} for each in self.turned]
        return {"units": self.units.to_dict(), "columns": self.columns.to_dict(), "turned": turned}


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else np.nan
