"""How much a training run may see."""

from __future__ import annotations

from dataclasses import dataclass

from sasa_theory.designs.config import set_whole


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Tokens to train on and how many of them make a step.

    Attributes
    ----------
    tokens : int
        Rows of activations in all; those that do not fill a last batch are left out.
    batch_size : int
        Rows in a step.

    Raises
    ------
    ValueError
        If a field is no whole number >= 1, or the tokens do not fill one batch.
    """

    tokens: int
    batch_size: int = 4096

    def __post_init__(self) -> None:
        set_whole(self, "tokens", "batch_size")
        if self.tokens < self.batch_size:
            raise ValueError(
                f"tokens must be at least batch_size = {self.batch_size}, got {self.tokens}; "
                f"the nearest possible is {self.batch_size}"
            )

    @property
    def steps(self) -> int:
        """Number of steps: whole batches in the tokens."""
        return self.tokens // self.batch_size
