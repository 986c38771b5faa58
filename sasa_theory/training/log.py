"""The log of a run: entries in memory, in a file of JSON lines, and in TensorBoard where that is asked for."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any, Protocol

from sasa_theory.whole_files import write_text

FILE = "log.jsonl"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the log. Means run over the steps since the entry before.

    Attributes
    ----------
    step : int
        Steps taken so far.
    tokens : int
        Tokens seen so far.
    loss : float
        Mean of what is minimised.
    terms : dict of str to float
        Its parts, coefficients included, and what the losses noted besides; null in the file if not finite.
    ev : float or None
        Explained variance ``1 - E||x - x_hat||^2 / E||x - mean x||^2``; the numerator is that of the steps since the
        entry before, the denominator that of all batches at which an entry was written. None for constant activations.
    l0 : float
        Active columns a token.
    dead : float
        Share of the units that fired for no token since the entry before.
    lr : float
        Learning rate of the last step.
    seconds : float
        Time spent on training so far.
    extra : dict
        What the design shows of its own, see :meth:`sasa_theory.designs.Design.log_extra`.
    members : dict of str to list
        ``loss``, ``ev``, ``l0`` and ``dead`` of each member of an ensemble, whose means stand above; else empty.
    """

    step: int
    tokens: int
    loss: float
    terms: dict[str, float | None]
    ev: float | None
    l0: float
    dead: float
    lr: float
    seconds: float
    extra: dict[str, Any] = field(default_factory=dict)
    members: dict[str, list[float | None]] = field(default_factory=dict)


class _Writer(Protocol):
    def add_scalar(self, tag: str, value: float, step: int, /) -> None: ...

    def close(self) -> None: ...


class Log:
    """Entries of a run; those beyond ``step`` in an existing file are cut off, since training is about to repeat them.

    Parameters
    ----------
    folder : Path or None
        Where ``log.jsonl`` goes, if anywhere.
    step : int
        Step that training continues from.
    tensorboard : Path or None
        Folder for TensorBoard's files.

    Raises
    ------
    ImportError
        If TensorBoard is wanted and not installed.
    """

    def __init__(self, folder: Path | None, step: int = 0, tensorboard: Path | None = None) -> None:
        self._path = None if folder is None else folder / FILE
        self.entries: list[Entry] = [] if self._path is None else _cut(self._path, step)
        self._board = None if tensorboard is None else _board(tensorboard, step)

    def add(self, entry: Entry) -> None:
        """Append an entry everywhere.

        Raises
        ------
        OSError
            If it cannot be written, e.g. because the disk is full.
        """
        self.entries.append(entry)
        if self._path is not None:
            try:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(entry)) + "\n")
            except OSError as error:
                raise OSError(
                    f"{self._path} could not be written at step {entry.step} ({error}). "
                    "Make room and continue from the last checkpoint with resume=True"
                ) from error
        if self._board is not None:
            values = {"loss": entry.loss, "l0": entry.l0, "dead": entry.dead, "lr": entry.lr}
            values |= {f"terms/{name}": value for name, value in entry.terms.items() if value is not None}
            values |= {} if entry.ev is None else {"ev": entry.ev}
            for name, value in values.items():
                self._board.add_scalar(name, value, entry.step)

    def close(self) -> None:
        """Close TensorBoard's file."""
        if self._board is not None:
            self._board.close()


def number(value: float) -> float | None:
    """The value, or None where JSON could not hold it."""
    return value if isfinite(value) else None


def _cut(path: Path, step: int) -> list[Entry]:
    entries = []
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                entry = Entry(**json.loads(line))
            except (ValueError, TypeError):
                break  # the line that a crash cut short
            if entry.step <= step:
                entries.append(entry)
        write_text(path, "".join(json.dumps(asdict(entry)) + "\n" for entry in entries))
    return entries


def _board(folder: Path, step: int) -> _Writer:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ImportError("tensorboard is not installed; pip install tensorboard, or train without it") from None
    writer: _Writer = SummaryWriter(str(folder), purge_step=step + 1)  # hides what is about to be repeated
    return writer
