"""Numbers that are no numbers, very large and very small ones, and ties."""

from __future__ import annotations

import torch
from torch import Tensor

from ..check import Check, Complaint, Skipped, difference, first_of, not_finite
from ..subject import Subject
from .gradients import loss_gradients

_REFUSALS = (ValueError, ArithmeticError, RuntimeError)
_TINY, _HUGE = 1e-12, 1e6


def _shown(subject: Subject, x: Tensor, value: float) -> Complaint:
    design, spoilt = subject.design(), x.clone()
    spoilt[0, 0] = value
    try:
        codes = design.encode(spoilt)
        results = {"forward(x)": design(spoilt), "decode(encode(x))": design.decode(codes)}
    except _REFUSALS:
        return None
    for what, rows in results.items():
        if bool(rows[0].isfinite().all()):
            return f"with {value} in row 0, {what} of that row is finite: nobody will notice"
    without = {"forward(x)": design(x), "decode(encode(x))": design.decode(design.encode(x))}
    return first_of(
        *(
            difference(f"with {value} in row 0, {what} of the other rows", rows[1:], without[what][1:])
            for what, rows in results.items()
        )
    )


def _nan(subject: Subject, x: Tensor) -> Complaint:
    return _shown(subject, x, float("nan"))


def _infinity(subject: Subject, x: Tensor) -> Complaint:
    return _shown(subject, x, float("inf"))


def _finite(subject: Subject, x: Tensor, what: str, *, moved: bool) -> Complaint:
    x = x.float()
    design = subject.design(torch.float32, moved=moved)
    codes = design.encode(x)
    training = subject.training(torch.float32, moved=moved)
    return first_of(
        not_finite(f"encode of {what}", codes),
        not_finite(f"presence of {what}", design.presence(codes)),
        not_finite(f"forward of {what}", design(x)),
        not_finite(f"loss of {what}", training.loss(x).total),
        *(
            not_finite(f"the gradient of {name} on {what}", gradient)
            for name, gradient in loss_gradients(training, x).items()
            if gradient is not None
        ),
    )


def _tiny(subject: Subject, x: Tensor) -> Complaint:
    return _finite(subject, _TINY * x, f"rows times {_TINY:g}", moved=False)


def _huge(subject: Subject, x: Tensor) -> Complaint:
    return _finite(subject, _HUGE * x, f"rows times {_HUGE:g}", moved=True)


def _zero(subject: Subject, x: Tensor) -> Complaint:
    if not x.any():
        raise Skipped("no row is other than 0")  # then there is no variance either, which a loss may divide by
    return _finite(subject, torch.cat((torch.zeros_like(x[:1]), x)), "rows of which the first is 0", moved=False)


def _ties(subject: Subject, x: Tensor) -> Complaint:
    design, signs = subject.design(moved=False), x.sign()
    with torch.no_grad():
        for parameter in design.parameters():
            parameter.sign_()  # products are then small whole numbers, most of which occur several times
    torch.manual_seed(0)
    first = design.encode(signs)
    torch.manual_seed(1)
    return first_of(
        difference("encode of the same rows, among ties, a second time", design.encode(signs), first),
        difference(
            "encode of the same rows, among ties, twice in a batch",
            design.encode(signs.repeat(2, 1)),
            first.repeat(2, 1),
        ),
    )


_SCALES = "no square, exponential or quotient that leaves float32: divide by the largest first, clamp_min divisors"

CHECKS = (
    Check(
        name="nan_shown",
        demand="NaN in a row is refused, or shows in its reconstruction, and in no other.",
        mend="drop nan_to_num, selections by comparison that turn NaN into 0, sums over rows; refuse it or let it pass",
        run=_nan,
    ),
    Check(
        name="infinity_shown",
        demand="An infinity in a row is refused, or shows in its reconstruction, and in no other.",
        mend="drop clamps and nan_to_num on the way; raise ValueError or let it pass",
        run=_infinity,
    ),
    Check(
        name="tiny_scale",
        demand=f"In float32 rows times {_TINY:g} give finite results and gradients.",
        mend=_SCALES,
        run=_tiny,
    ),
    Check(
        name="huge_scale",
        demand=f"In float32 rows times {_HUGE:g} give finite results and gradients.",
        mend=_SCALES,
        run=_huge,
    ),
    Check(
        name="zero_rows",
        demand="A row of zeros among others gives finite results and gradients.",
        mend="a root, a norm or a quotient has no derivative at 0: torch.where a safe value in before it",
        run=_zero,
    ),
    Check(
        name="ties",
        demand="Among equal scores the choice depends on the scores alone: same rows, same codes.",
        mend="break ties by position, e.g. by torch.sort(stable=True), never at random",
        run=_ties,
    ),
)
