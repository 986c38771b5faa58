"""Learning rate of each step."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi

from .recipe import Recipe


@dataclass(frozen=True)
class Schedule:
    """Learning rates of a run: a pure function of the step.

    With warm-up w, steps n and s = 0, 1, ..., n - 1, as shares of the peak and between the peak 1 and the floor f:

    * warm-up, s < w: ``(s + 1) / w``;
    * linear: 1 until the last d steps, then ``f + (1 - f) (n - s) / d``;
    * cosine: ``f + (1 - f) (1 + cos(pi (s - w) / (n - w))) / 2``.

    The floor is what a step after the last one would have, so that with floor 0 the last step still counts.

    Attributes
    ----------
    peak : float
        Largest learning rate.
    steps, warmup, decay : int
        Steps in all, of warm-up, and of final decay (ignored if ``cosine``).
    floor : float
        Final share of the peak.
    cosine : bool
        Shape after the warm-up.
    """

    peak: float
    steps: int
    warmup: int = 0
    decay: int = 0
    floor: float = 0.0
    cosine: bool = False

    @classmethod
    def of(cls, recipe: Recipe, steps: int, columns: int) -> Schedule:
        """The schedule that a recipe gives a run of ``steps`` for a design with this many columns.

        Raises
        ------
        ValueError
            If warm-up and decay do not fit into the run.
        """
        return cls(
            peak=recipe.peak(columns),
            steps=steps,
            warmup=recipe.warmup_steps(steps),
            decay=round(recipe.decay * steps),
            floor=recipe.floor,
            cosine=recipe.schedule == "cosine",
        )

    def __call__(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        if step < self.warmup:
            return self.peak * (step + 1) / self.warmup
        if self.cosine:
            height = (1 + cos(pi * (step - self.warmup) / (self.steps - self.warmup))) / 2
        elif step >= self.steps - self.decay:
            height = (self.steps - step) / self.decay
        else:
            height = 1.0
        return self.peak * (self.floor + (1 - self.floor) * height)
