"""Rows do not know of each other, and what comes in is left as it was."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sasa_theory.designs import Design
from sasa_theory.designs.wrapped import Wrapped

from ..check import Check, Complaint, Skipped, difference, first_of
from ..subject import Subject


def _each_alone(design: Design, x: Tensor) -> Complaint:
    together = design.encode(x)
    alone = torch.cat([design.encode(row.unsqueeze(0)) for row in x])
    reconstructed = torch.cat([design(row.unsqueeze(0)) for row in x])
    return first_of(
        difference("encode of the batch, from encode of each row,", together, alone),
        difference("forward of the batch, from forward of each row,", design(x), reconstructed),
    )


def _rows_alone(subject: Subject, x: Tensor) -> Complaint:
    return _each_alone(subject.design(), x)


def _rows_alone_in_training(subject: Subject, x: Tensor) -> Complaint:
    if subject.batch_dependent:
        raise Skipped("the design declares batch_dependent: in training mode rows may depend on each other")
    return _each_alone(subject.training(), x)


def _rows_permuted(subject: Subject, x: Tensor) -> Complaint:
    design, order = subject.design(), torch.arange(len(x)).flip(0)
    return first_of(
        difference("encode of the rows in reverse order", design.encode(x[order]), design.encode(x)[order]),
        difference("forward of the rows in reverse order", design(x[order]), design(x)[order]),
    )


def _rows_strided(subject: Subject, x: Tensor) -> Complaint:
    design, strided = subject.design(), x.T.contiguous().T
    codes = design.encode(x)
    return first_of(
        difference("encode of rows that are strided in memory", design.encode(strided), codes),
        difference("forward of rows that are strided in memory", design(strided), design(x)),
        difference("loss of rows that are strided in memory", design.loss(strided).total, design.loss(x).total),
        difference(
            "decode of codes that are strided in memory", design.decode(codes.T.contiguous().T), design.decode(codes)
        ),
    )


def _inputs_untouched(subject: Subject, x: Tensor) -> Complaint:
    for design in (subject.design(), subject.training()):
        codes = design.encode(x.clone()).detach()
        for method, given in ((design.encode, x), (design, x), (design.loss, x), (design.decode, codes)):
            passed = given.clone()
            method(passed)
            if not torch.equal(passed, given):
                name = "forward" if isinstance(method, Design) else method.__name__
                return f"{name} changed {int((passed != given).sum())} entries of the tensor that it was given"
    return None


def _forward(subject: Subject, x: Tensor) -> Complaint:
    design = subject.design()
    expected = design.decode(design.encode(x))
    given = design.module(x) if isinstance(design, Wrapped) and _has_forward(design.module) else design(x)
    if not isinstance(given, Tensor):
        raise Skipped(f"forward returns a {type(given).__name__}; nothing here asks a module for it")
    return difference("forward(x), from decode(encode(x)),", given, expected)


def _has_forward(module: nn.Module) -> bool:
    return type(module).forward is not nn.Module.forward


CHECKS = (
    Check(
        name="rows_alone",
        demand="In evaluation mode a row is encoded and reconstructed the same alone and in a batch.",
        mend="use statistics of the batch in training mode only, and running ones, kept as buffers, in evaluation mode",
        run=_rows_alone,
    ),
    Check(
        name="rows_permuted",
        demand="In evaluation mode rows in another order give the same codes in that order.",
        mend="let nothing depend on the position of a row in the batch",
        run=_rows_permuted,
    ),
    Check(
        name="rows_alone_in_training",
        demand="In training mode too, unless the design declares batch_dependent = True.",
        mend="if rows are meant to compete within the batch, set the class attribute batch_dependent = True",
        run=_rows_alone_in_training,
    ),
    Check(
        name="strided_rows",
        demand="Rows that are not contiguous in memory, as of a transposed tensor, are treated like any others.",
        mend="use reshape, flatten and unflatten in place of view",
        run=_rows_strided,
    ),
    Check(
        name="inputs_untouched",
        demand="No method changes the tensor that it is given.",
        mend="replace operations in place (x -= b, relu_, masked_fill_, clamp_) by those that return a new tensor",
        run=_inputs_untouched,
    ),
    Check(
        name="forward_decodes_codes",
        demand="In evaluation mode forward(x) is decode(encode(x)).",
        mend="call decode(encode(x)), or add every bias and scale on the fast way too",
        run=_forward,
    ),
)
