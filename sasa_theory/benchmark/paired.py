"""Values of one metric for several designs on the same seeds: what a comparison is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sasa_theory.bounds.validate import Floats, choice, real
from sasa_theory.metrics.contract import Direction

_DIRECTIONS = ("higher", "lower", "nearest")


@dataclass(frozen=True, kw_only=True)
class Paired:
    """One metric, by design, one value a seed; value s of every design is of the same seed (same world, same rows).

    >>> Paired(metric="ev", direction="higher", values={"topk": [0.91, 0.93], "relu": [0.88, 0.89]})

    Attributes
    ----------
    metric : str
        Its name.
    direction : Direction
        Which values are better; ``nearest``: those nearest to ``oracle``.
    values : mapping of str to array_like, each of shape (seeds,)
        By design. Values that are not finite mean that the metric is not defined there.
    oracle : array_like, optional
        Value of the truth, one for all seeds or one a seed; needed where the direction is ``nearest``.

    Raises
    ------
    ValueError
        If there is no design or no seed, numbers of seeds differ, or the oracle is missing or of another shape.
    """

    metric: str
    direction: Direction
    values: Mapping[str, ArrayLike]
    oracle: ArrayLike | None = None

    def __post_init__(self) -> None:
        choice("direction", self.direction, _DIRECTIONS)
        arrays = {name: np.asarray(values, dtype=np.float64) for name, values in self.values.items()}
        shapes = {name: array.shape for name, array in arrays.items()}
        if not arrays or len(set(shapes.values())) > 1 or any(len(s) != 1 or not s[0] for s in shapes.values()):
            raise ValueError(
                f"values of {self.metric} must hold the same number of seeds, at least 1, for every design, "
                f"got shapes {shapes}"
            )
        object.__setattr__(self, "values", arrays)
        if self.direction == "nearest" and self.oracle is None:
            raise ValueError(f"{self.metric} ranks by the distance to its oracle: give oracle, got None")
        if self.oracle is not None:
            oracle = real("oracle", self.oracle)
            if oracle.shape not in ((), (self.seeds,)):
                raise ValueError(
                    f"oracle of {self.metric} must be one number or one for each of {self.seeds} seeds, "
                    f"got shape {oracle.shape}"
                )
            object.__setattr__(self, "oracle", oracle)

    @property
    def seeds(self) -> int:
        """Number of seeds."""
        return len(np.asarray(next(iter(self.values.values()))))

    @property
    def defined(self) -> tuple[str, ...]:
        """Designs whose values are finite at every seed.

        A design is not compared on the seeds that it got through alone: it would profit from those it failed.
        """
        return tuple(name for name, values in self.values.items() if np.isfinite(np.asarray(values)).all())

    def goodness(self, design: str) -> Floats:
        """A design's values so that more is better: ``v``, ``-v`` or ``-|v - oracle|``; shape (seeds,).

        Raises
        ------
        ValueError
            If the design is unknown.
        """
        values = np.asarray(self.values[choice("design", design, self.values)])
        if self.direction == "nearest":
            return -np.abs(values - np.asarray(self.oracle))
        return values if self.direction == "higher" else -values
