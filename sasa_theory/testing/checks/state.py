"""State: all of it is saved, looking changes none of it, and nothing but it decides the result."""

from __future__ import annotations

import torch
from torch import Tensor

from sasa_theory.designs import Design

from ..check import Check, Complaint, difference, first_of
from ..subject import Subject

_MANY = 180
"""Copies of the rows for two threads: PyTorch does not divide less than 32,768 entries among them."""


def _snapshot(design: Design) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in design.state_dict().items()}


def _changed(before: dict[str, Tensor], design: Design, by: str) -> Complaint:
    after = design.state_dict()
    changed = [name for name, tensor in before.items() if not torch.equal(tensor, after[name])]
    return f"{by} changed {', '.join(changed)}" if changed else None


def _round_trip(subject: Subject, x: Tensor) -> Complaint:
    trained, other = subject.trained(x), subject.design(seed=1)
    saved = _snapshot(trained)
    other.load_state_dict(saved)
    return first_of(
        difference("encode of a design that loaded the state of a trained one", other.encode(x), trained.encode(x)),
        difference("forward of a design that loaded the state of a trained one", other(x), trained(x)),
    )


def _evaluation_pure(subject: Subject, x: Tensor) -> Complaint:
    design = subject.design()
    before = _snapshot(design)
    codes = design.encode(x)
    for call in (lambda: design.decode(codes), lambda: design(x), lambda: design.presence(codes)):
        call()
    return _changed(before, design, "encode, decode, forward or presence in evaluation mode")


def _loss_pure(subject: Subject, x: Tensor) -> Complaint:
    design = subject.training()
    before = _snapshot(design)
    torch.manual_seed(0)
    first = design.loss(x).total
    complaint = _changed(before, design, "loss")
    torch.manual_seed(0)
    return first_of(complaint, difference("loss(x).total at a second call", design.loss(x).total, first))


def _same_again(subject: Subject, x: Tensor) -> Complaint:
    design = subject.design()
    torch.manual_seed(0)
    codes, rows = design.encode(x), design(x)
    torch.manual_seed(1)
    return first_of(
        difference("encode(x) at a second call", design.encode(x), codes, 0.0),
        difference("forward(x) at a second call", design(x), rows, 0.0),
    )


def _threads(subject: Subject, x: Tensor) -> Complaint:
    design, many, before = subject.design(), x.repeat(_MANY, 1), torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            codes = design.encode(many)
            found.append((codes, design.decode(codes)))
    finally:
        torch.set_num_threads(before)
    (codes, rows), (codes_of_two, rows_of_two) = found
    return first_of(
        difference("encode(x) on two threads", codes_of_two, codes),
        difference("decode(encode(x)) on two threads", rows_of_two, rows),
    )


def _loss_valid(subject: Subject, x: Tensor) -> Complaint:
    design = subject.training()
    loss = design.loss(x)
    fields = {"total": (), "error": (), "active": (), "row_errors": (len(x),), "fired": (design.n_units,)}
    for name, shape in fields.items():
        found = tuple(getattr(loss, name).shape)
        if found != shape:
            return f"loss(x).{name} has shape {found}, expected {shape}"
    tracked = [name for name in fields if name != "total" and getattr(loss, name).requires_grad]
    tracked += [f"terms[{name!r}]" for name, term in loss.terms.items() if term.requires_grad]
    if tracked:
        return f"loss(x).{tracked[0]} is not detached"
    if next(iter(loss.terms), None) != "reconstruction":
        return f"the first of loss(x).terms must be 'reconstruction', got {list(loss.terms)}"
    return difference("loss(x).error, the mean of row_errors,", loss.error, loss.row_errors.mean(), 1e-6)


CHECKS = (
    Check(
        name="state_round_trip",
        demand="A design that loads the state_dict of a trained one gives the same results.",
        mend="register every tensor that training moves, or that was drawn at random, as a parameter or a buffer",
        run=_round_trip,
    ),
    Check(
        name="evaluation_pure",
        demand="In evaluation mode encode, decode, forward and presence change no state.",
        mend="update running statistics in end_step, or at least only if self.training",
        run=_evaluation_pure,
    ),
    Check(
        name="same_again",
        demand="In evaluation mode a second call gives exactly the same, whatever the random generator.",
        mend="draw random numbers in __init__ or in training mode only",
        run=_same_again,
    ),
    Check(
        name="threads",
        demand="One thread and two give the same results but for rounding.",
        mend="let no comparison of equal numbers decide what fires where sums may be rounded differently",
        run=_threads,
    ),
    Check(
        name="loss_valid",
        demand="loss(x) has the shapes of Loss, terms from 'reconstruction' on, and gradients in total alone.",
        mend="build it by plain_loss of sasa_theory.designs.contract, or leave loss out",
        run=_loss_valid,
    ),
    Check(
        name="loss_pure",
        demand="loss(x) changes no state: a second call gives the same.",
        mend="move the update into end_step(loss, rows); the field noted of Loss carries numbers there",
        run=_loss_pure,
    ),
)
