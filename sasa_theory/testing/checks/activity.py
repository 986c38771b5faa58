"""What counts as firing, and that units and codes mean what the metrics take them to mean."""

from __future__ import annotations

import torch
from torch import Tensor

from sasa_theory.tolerances import AFFINE

from ..check import Check, Complaint, Skipped, difference, first_of
from ..subject import Subject


def _on_by_unit(codes: Tensor, units: Tensor, n_units: int) -> Tensor:
    """Whether any column of each unit is not 0, shape (n, units)."""
    counts = torch.zeros(len(codes), n_units, dtype=torch.int64)
    return counts.index_add(1, units, (codes.detach() != 0).long()) > 0


def _fires(subject: Subject, x: Tensor) -> Complaint:
    if subject.design().encode(x).count_nonzero():
        return None
    return f"not one of {len(x)} rows of unit variance has a code that is not 0; the other checks then show little"


def _presence(subject: Subject, x: Tensor) -> Complaint:
    design = subject.design()
    codes = design.encode(x)
    presence, on = design.presence(codes).detach(), _on_by_unit(codes, design.units(), design.n_units)
    if bool((presence < 0).any()):
        return f"presence goes down to {float(presence.min()):.2g}; it is a strength and must be >= 0"
    hidden = on & ~(presence > 0)
    if bool(hidden.any()):
        row, unit = hidden.nonzero()[0].tolist()
        shown = codes[row][design.units() == unit].tolist()
        return f"unit {unit} has the codes {[float(f'{c:.3g}') for c in shown]} but its presence is 0"
    loud = ~on & (presence > 0)
    if bool(loud.any()):
        return f"unit {int(loud.nonzero()[0, 1])} has only codes that are 0 but its presence is not 0"
    return None


def _loss_counts(subject: Subject, x: Tensor) -> Complaint:
    design = subject.design()
    codes, loss = design.encode(x), design.loss(x)
    fired = _on_by_unit(codes, design.units(), design.n_units).sum(dim=0).double()
    active = (codes.detach() != 0).sum().double() / len(x)
    return first_of(
        difference(
            "loss(x).fired, rows in which each unit has a code other than 0,", loss.fired.double(), fired.double()
        ),
        difference("loss(x).active, mean number of codes other than 0,", loss.active.double(), active, 1e-6),
    )


def _rotation(subject: Subject, x: Tensor) -> Complaint:
    design = subject.design()
    codes, units = design.encode(x).detach(), design.units()
    if design.n_units == design.columns:
        raise Skipped("every unit has one column")
    turned, generator = codes.clone(), torch.Generator().manual_seed(0)
    for unit in range(design.n_units):
        own = (units == unit).nonzero().squeeze(1)
        normal = torch.randn(len(own), len(own), generator=generator, dtype=codes.dtype)
        turned[:, own] = codes[:, own] @ torch.linalg.qr(normal).Q
    return difference("presence after a rotation within each unit", design.presence(turned), design.presence(codes))


def _affine(subject: Subject, x: Tensor) -> Complaint:
    design = subject.design()
    first, second = design.encode(x).detach(), design.encode(-x.flip(1)).detach()
    mixed = design.decode(1.7 * first - 0.7 * second)
    return difference(
        "decode(1.7 a - 0.7 b), from 1.7 decode(a) - 0.7 decode(b),",
        mixed,
        1.7 * design.decode(first) - 0.7 * design.decode(second),
        AFFINE,
    )


def _declared(subject: Subject, x: Tensor) -> Complaint:
    if not subject.invariances:
        raise Skipped("the design declares no invariances")
    design = subject.design(moved=False)
    codes = design.encode(x)
    known = {"scale": 2.0, "sign": -1.0}
    for name in subject.invariances:
        if name not in known:
            return f"the invariance {name!r} is declared; known are {', '.join(map(repr, known))}"
        complaint = difference(
            f"encode({known[name]:g} x), from {known[name]:g} encode(x),",
            design.encode(known[name] * x),
            known[name] * codes,
        )
        if complaint is not None:
            return complaint
    return None


CHECKS = (
    Check(
        name="fires",
        demand="A fresh design has codes other than 0 on rows of unit variance.",
        mend="start thresholds lower, or the encoder's rows longer",
        run=_fires,
    ),
    Check(
        name="presence",
        demand="presence(codes) is >= 0, and 0 for just those units whose codes are all 0; negative codes are not 0.",
        mend="measure the size of signed codes: their absolute value, or the norm of the unit's columns",
        run=_presence,
    ),
    Check(
        name="presence_rotation",
        demand="Rotating the codes within a unit leaves its presence as it was.",
        mend="let presence be the norm of the unit's columns, or of what they add to the reconstruction",
        run=_rotation,
    ),
    Check(
        name="loss_counts",
        demand="In evaluation mode fired and active of the loss count every code other than 0, negative ones included.",
        mend="count codes != 0, not codes > 0; the method firings(codes) does",
        run=_loss_counts,
    ),
    Check(
        name="decoder_affine",
        demand="decode is z D + b: it keeps weighted means.",
        mend="move everything that is not linear into encode; metrics take decoder rows for directions",
        run=_affine,
    ),
    Check(
        name="declared_invariances",
        demand="A fresh design keeps what it declares in invariances: 'scale', encode(2 x) = 2 encode(x), or 'sign'.",
        mend="take the name from the class attribute invariances, or let encode commute with positive factors or signs",
        run=_declared,
    ),
)
