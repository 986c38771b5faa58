"""What a check is: one demand on a design, tried on rows of activations, and how to mend what breaks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .subject import Subject

Complaint = str | None
"""What is wrong, in one sentence; None if nothing is."""

ROUNDING = 1e-9
"""Relative difference of float64 results that sums in another order may have."""


class Skipped(Exception):  # noqa: N818 (no error)
    """Raised by a check that does not apply; says why."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One demand.

    Attributes
    ----------
    name : str
        By which failures are expected.
    demand : str
        What every design must do, in one sentence.
    mend : str
        What usually breaks it and how to mend that.
    run : callable
        From a subject and rows of activations, float64, shape (n, width), to a complaint. An exception is one too.
    """

    name: str
    demand: str
    mend: str
    run: Callable[[Subject, Tensor], Complaint]


def difference(what: str, got: Tensor, expected: Tensor, tolerance: float = ROUNDING) -> Complaint:
    """A complaint if tensors differ in shape, in type, or anywhere by more than the tolerance of the largest entry."""
    if got.shape != expected.shape:
        return f"{what} has shape {tuple(got.shape)}, expected {tuple(expected.shape)}"
    if got.dtype != expected.dtype:
        return f"{what} has type {got.dtype}, expected {expected.dtype}"
    if torch.equal(got, expected) or not got.numel():
        return None
    got, expected = got.detach().double(), expected.detach().double()
    scale = float(expected.abs().max())
    gap = float((got - expected).abs().max())
    if gap <= tolerance * scale:  # false where either is NaN
        return None
    return f"{what} differs by {gap:.2g} where the largest entry is {scale:.2g}"


def not_finite(what: str, tensor: Tensor) -> Complaint:
    """A complaint if an entry is NaN or infinite."""
    bad = int((~tensor.isfinite()).sum())
    return f"{what} has {bad} entries that are not finite, of {tensor.numel()}" if bad else None


def first_of(*complaints: Complaint) -> Complaint:
    """The first complaint there is."""
    return next((complaint for complaint in complaints if complaint is not None), None)
