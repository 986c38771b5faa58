"""What the log reports of the steps since its last entry, without making a device wait in between."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from sasa_theory.designs.contract import Loss


class Reading(NamedTuple):
    """Means over the steps since the last reading; float64, shape (members,) for an ensemble and () otherwise.

    Attributes
    ----------
    terms : dict of str to Tensor
        Parts of the loss as they entered it; their sum is the loss.
    noted : dict of str to Tensor
        What the losses noted besides, see :class:`~sasa_theory.designs.Loss`.
    loss, error, active : Tensor
        Loss, squared error summed over the width, active columns a row.
    dead : Tensor
        Share of the units that fired for no row of these steps.
    first : Tensor
        Loss of the first step of all.
    variance : float
        ``E||x - mean x||^2`` over the rows that :meth:`Meter.see` was shown since training began.
    """

    terms: dict[str, Tensor]
    noted: dict[str, Tensor]
    loss: Tensor
    error: Tensor
    active: Tensor
    dead: Tensor
    first: Tensor
    variance: float

    @property
    def explained(self) -> Tensor:
        """Explained variance ``1 - error / variance``; NaN if the activations do not vary."""
        return 1 - self.error / self.variance if self.variance > 0 else torch.full_like(self.error, torch.nan)


class Meter:
    """Collects losses as they are, still on their device, and adds them up when read."""

    def __init__(self) -> None:
        self._scalars: dict[str, list[Tensor]] = {"loss": [], "error": [], "active": []}
        self._terms: list[dict[str, Tensor]] = []
        self._noted: list[dict[str, Tensor]] = []
        self._fired: Tensor | None = None
        self._first: Tensor | None = None
        self._seen = 0
        self._shift = self._sum = torch.zeros(())
        self._squares = 0.0

    def add(self, loss: Loss) -> None:
        """Note the loss of a step."""
        if self._first is None:
            self._first = loss.total
        self._scalars["loss"].append(loss.total)
        self._scalars["error"].append(loss.error)
        self._scalars["active"].append(loss.active)
        self._terms.append(loss.terms)
        self._noted.append(loss.noted)
        if self._fired is None:
            self._fired = loss.fired.clone()
        else:
            self._fired += loss.fired

    def see(self, batch: Tensor) -> None:
        """Let a batch enter the variance of the activations. Sums run around the first mean, so none cancels."""
        if self._seen == 0:
            self._shift = batch.mean(dim=0)
            self._sum = torch.zeros(batch.shape[1], dtype=torch.float64)
        centred = batch - self._shift.to(batch)
        self._sum += centred.sum(dim=0).to("cpu", torch.float64)
        self._squares += float(centred.square().sum())
        self._seen += len(batch)

    @property
    def variance(self) -> float:
        """``E||x - mean x||^2`` of what was seen."""
        return (self._squares - float(self._sum.square().sum()) / self._seen) / self._seen

    def read(self) -> Reading:
        """The means since the last reading, which start anew."""
        assert self._fired is not None, "a reading needs a step before it"
        assert self._first is not None
        means = {name: _mean(values) for name, values in self._scalars.items()}
        terms, noted = (
            {name: _mean(column) for name, column in self._columns(kept).items()} for kept in (self._terms, self._noted)
        )
        dead = (self._fired == 0).to("cpu", torch.float64).mean(dim=-1)
        for values in self._scalars.values():
            values.clear()
        self._terms.clear()
        self._noted.clear()
        self._fired = None
        return Reading(terms, noted, means["loss"], means["error"], means["active"], dead, self._first, self.variance)

    def tensors(self) -> dict[str, Tensor]:
        """Everything between two readings, for a checkpoint."""
        out = {
            "seen": torch.tensor(self._seen),
            "shift": self._shift,
            "sum": self._sum,
            "squares": torch.tensor(self._squares, dtype=torch.float64),
        }
        if self._first is not None:
            out["first"] = self._first
        if self._fired is not None:
            out |= {f"scalar.{name}": torch.stack(values) for name, values in self._scalars.items()}
            for kind, kept in (("term", self._terms), ("noted", self._noted)):
                out |= {f"{kind}.{name}": torch.stack(column) for name, column in self._columns(kept).items()}
            out["fired"] = self._fired
        return out

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue from what :meth:`tensors` gave."""
        self._seen, self._squares = int(tensors["seen"]), float(tensors["squares"])
        self._shift, self._sum = tensors["shift"], tensors["sum"].to("cpu")
        self._fired, self._first = tensors.get("fired"), tensors.get("first")
        self._scalars = {name: list(tensors.get(f"scalar.{name}", ())) for name in self._scalars}
        self._terms, self._noted = (
            [
                {name.removeprefix(kind): column[row] for name, column in tensors.items() if name.startswith(kind)}
                for row in range(len(self._scalars["loss"]))
            ]
            for kind in ("term.", "noted.")
        )

    def _columns(self, kept: list[dict[str, Tensor]]) -> dict[str, list[Tensor]]:
        """Values of each name step by step; 0 where a step did without it."""
        names = dict.fromkeys(name for step in kept for name in step)
        zero = torch.zeros_like(self._scalars["error"][0])
        return {name: [step.get(name, zero) for step in kept] for name in names}


def _mean(values: list[Tensor]) -> Tensor:
    return torch.stack(values).to("cpu", torch.float64).mean(dim=0)
