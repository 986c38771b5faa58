"""Looking at a design without leaving a trace in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor

from sasa_theory.designs.contract import Design


@contextmanager
def evaluating(design: Design) -> Iterator[None]:
    """Inside, the design is in evaluation mode; afterwards it is as it was."""
    training = design.training
    design.eval()
    try:
        yield
    finally:
        design.train(training)


def encoded(design: Design, x: Tensor) -> Tensor:
    """Codes of activations, refused unless all are finite: a NaN is neither 0 nor above 0, so it would pass as silence.

    Raises
    ------
    ValueError
        If activations or codes are NaN or infinite.
    """
    check_finite("activations", x)
    codes = design.encode(x)
    check_finite(f"codes of {type(design).__name__}", codes)
    return codes


def check_finite(what: str, values: Tensor) -> None:
    """Refuse NaN and infinities, naming the first row that has one. Shape (n, anything)."""
    bad = ~values.isfinite().all(dim=1)
    if bad.any():
        row = int(bad.nonzero()[0])
        first = values[row][~values[row].isfinite()][0].item()
        raise ValueError(f"{what} must be finite, got {first} in row {row} of a block of {len(values)} rows")
