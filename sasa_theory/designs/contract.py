"""What a design is: two methods, and what training, metrics and claims may ask beyond them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from sasa_theory.bounds.validate import count

_NOTHING: dict[str, Tensor] = {}  # never written to; a dict because vmap takes no other mapping


class Loss(NamedTuple):
    """What one training step learns from a batch. Everything but ``total`` is detached.

    Attributes
    ----------
    total : Tensor, shape ()
        What is minimised.
    terms : dict of str to Tensor, shape ()
        The parts of ``total`` as they enter it (coefficient included), first of all ``reconstruction``.
    error : Tensor, shape ()
        Mean over the batch of ``||x - x_hat||^2``, summed over the width: explained variance is computed from it.
    row_errors : Tensor, shape (n,)
        ``||x - x_hat||^2`` of each row; ``error`` is their mean.
    fired : Tensor, shape (units,)
        Number of rows in which each unit fired.
    active : Tensor, shape ()
        Mean number of active columns a row (L0).
    noted : dict of str to Tensor, shape ()
        Numbers of the batch that are no part of ``total`` but that :meth:`Design.end_step` needs, e.g. a threshold to
        be averaged. Several processes average them; the log shows them beside the terms.
    """

    total: Tensor
    terms: dict[str, Tensor]
    error: Tensor
    row_errors: Tensor
    fired: Tensor
    active: Tensor
    noted: dict[str, Tensor] = _NOTHING


class Design(nn.Module, ABC):
    """A sparse autoencoder design. Only :meth:`encode` and :meth:`decode` must be written.

    A *unit* is what may stand for one feature: a column of the code by default (an atom), a group of columns in SASA.

    The four hooks run around each training step, in this order: :meth:`begin_step`, loss and backward,
    :meth:`project_gradients`, the optimiser, :meth:`end_step`. :meth:`loss` itself changes no state, so that it may be
    evaluated for many members of an ensemble at once (:func:`torch.func.vmap`); hooks therefore treat every parameter
    and buffer as if it might have one more leading dimension, one entry a member. Coefficients of the loss are buffers,
    so that members may differ in them.

    Parameters
    ----------
    width : int
        Dimension of the activations.
    columns : int
        Dimension of the code.
    """

    leading: ClassVar[int] = 0
    """Leading dimensions of every parameter that count the members of an ensemble."""

    batch_dependent: ClassVar[bool] = False
    """Whether in training mode what fires in a row may depend on the other rows of the batch."""

    invariances: ClassVar[tuple[str, ...]] = ()
    """What a fresh design keeps: ``scale``, that ``encode(a x) = a encode(x)`` for a > 0, or ``sign``, for a = -1."""

    def __init__(self, width: int, columns: int) -> None:
        super().__init__()
        self.width, self.columns = int(count("width", width)), int(count("columns", columns))

    @abstractmethod
    def encode(self, x: Tensor) -> Tensor:
        """Codes of activations: shape (n, width) to (n, columns). A column that is 0 is inactive."""

    @abstractmethod
    def decode(self, codes: Tensor) -> Tensor:
        """Reconstructions of codes: shape (n, columns) to (n, width)."""

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruction ``decode(encode(x))``, perhaps by a faster way. Shape (n, width)."""
        return self.decode(self.encode(x))

    def units(self) -> Tensor:
        """The unit that each column belongs to, whole numbers 0, 1, ..., shape (columns,). Default: each its own."""
        return torch.arange(self.columns)

    @property
    def n_units(self) -> int:
        """Number of units."""
        return int(self.units().max()) + 1

    def presence(self, codes: Tensor) -> Tensor:
        """How strongly each unit fires: the norm of its columns, shape (n, units); 0 where it is silent."""
        squares = codes.new_zeros(len(codes), self.n_units)
        return squares.index_add(1, self.units().to(codes.device), codes.square()).sqrt()

    @property
    def takes_members(self) -> bool:
        """Whether :meth:`loss` itself copes with a leading dimension of members in every parameter and buffer.

        This is faster than ``vmap``; all fields of the loss must then have that dimension too.
        """
        return False

    def loss(self, x: Tensor) -> Loss:
        """What to minimise on a batch, shape (n, width). Default: the mean squared error, summed over the width."""
        codes = self.encode(x)
        return plain_loss(x, self.decode(codes), {}, **self.firings(codes))

    def firings(self, codes: Tensor) -> dict[str, Tensor]:
        """The fields ``fired`` and ``active`` of :class:`Loss` for these codes."""
        on = codes.detach() != 0
        fired = (self.presence(codes.detach()) > 0).sum(dim=0)
        return {"fired": fired, "active": on.sum() / max(len(codes), 1)}

    def begin_step(self, step: int, steps: int) -> None:
        """Set what follows a schedule for this step of ``steps``, from 0: a pure function of both and of buffers."""

    def project_gradients(self) -> None:
        """Remove the part of the gradients along which a constraint holds the parameters."""

    def end_step(self, loss: Loss, rows: int) -> None:
        """Restore constraints after the optimiser's step and take note of which units fired in the ``rows`` rows."""

    def log_extra(self) -> dict[str, Any]:
        """Plain numbers of the design's state to show in the log, e.g. how often a penalty had to be skipped."""
        return {}


def plain_loss(
    x: Tensor,
    x_hat: Tensor,
    penalties: dict[str, Tensor],
    fired: Tensor,
    active: Tensor,
    row_weight: Tensor | None = None,
) -> Loss:
    """A :class:`Loss` whose reconstruction term is the squared error summed over the width, plus penalties.

    Activations and reconstructions may have leading dimensions of members, which all fields then have.
    ``row_weight``, shape (n,), multiplies each row's error in what is minimised; ``error`` and ``row_errors`` stay
    unweighted.
    """
    row_errors = (x_hat - x).square().sum(dim=-1)
    reconstruction = (row_errors if row_weight is None else row_weight * row_errors).mean(dim=-1)
    total = reconstruction + sum(penalties.values()) if penalties else reconstruction
    terms = {"reconstruction": reconstruction.detach()} | {name: value.detach() for name, value in penalties.items()}
    row_errors = row_errors.detach()
    return Loss(total, terms, row_errors.mean(dim=-1), row_errors, fired, active)
