"""What one run of a benchmark leaves behind: numbers and all that determines them, under a key made from the latter."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal

Purpose = Literal["run", "trial"]
"""``run``: to be ranked; ``trial``: to choose a learning rate by, on a held-out seed."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One metric in a record, beside what it has to be compared with; see :class:`sasa_theory.metrics.Score`.

    Attributes
    ----------
    version : int
        Of the metric's formula.
    value : float
        For the design; NaN where it is not defined.
    null : pair of float, or None
        Lowest and highest value of random dictionaries.
    oracle : float or None
        Value of the true subspaces.
    floor : float or None
        What theory says cannot be passed.
    """

    version: int
    value: float
    null: tuple[float, float] | None = None
    oracle: float | None = None
    floor: float | None = None


@dataclass(frozen=True, kw_only=True)
class Record:
    """One design trained in one world with one seed and one budget.

    Attributes
    ----------
    identity : dict
        Everything that determines the metrics, as plain values: design, world, seed, sizes, budget, recipe, versions of
        the metrics.
    metrics : dict
        By name; empty if the run failed.
    design, world : str
        What they are called.
    seed : int
        Of world, weights and rows.
    purpose : str
        See :data:`Purpose`.
    failed : str
        Why there are no metrics, e.g. that training diverged; empty if there are.
    trials : tuple of dict
        What was tried before: learning rate, coefficient, and what came of it. Empty for trials themselves.
    training : float
        Seconds of one training, of a processor: other work on the machine does not count.
    judging : float
        The same of everything after it, a second training for seed consistency included.
    parameters : int
        Numbers that were trained.
    peak_memory : int
        Bytes: the most that the process, which may have done other runs before, ever held.
    versions : dict
        Of packages that the last digits depend on.
    """

    identity: dict[str, Any]
    metrics: dict[str, Measured]
    design: str
    world: str
    seed: int
    purpose: Purpose = "run"
    failed: str = ""
    trials: tuple[dict[str, Any], ...] = ()
    training: float = 0.0
    judging: float = 0.0
    parameters: int = 0
    peak_memory: int = 0
    versions: dict[str, str] = field(default_factory=dict)

    @cached_property
    def key(self) -> str:
        """Address of the record: the same for two runs if and only if they had to give the same metrics."""
        return digest(self.identity)

    @property
    def seconds(self) -> float:
        """Seconds in all."""
        return self.training + self.judging

    def value(self, metric: str) -> float:
        """Value of a metric; NaN if the record lacks it."""
        return self.metrics[metric].value if metric in self.metrics else math.nan

    def to_line(self) -> bytes:
        """One line of JSON, its end included; numbers that are not finite become text."""
        return json.dumps(_safe({"key": self.key, **asdict(self)}), allow_nan=False).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes | str) -> Record:
        """Read back what :meth:`to_line` wrote.

        Raises
        ------
        ValueError
            If the line is no record, or its key is not that of what it says.
        """
        try:
            values = json.loads(line)
            key = values.pop("key")
            metrics = {name: _measured(entry) for name, entry in values.pop("metrics").items()}
            record = cls(metrics=metrics, trials=tuple(map(_numbers, values.pop("trials"))), **values)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"this line is no record: {type(error).__name__}: {error}") from None
        if record.key != key:
            raise ValueError(f"this record was changed: its key is {key}, that of what it says {record.key}")
        return record


def digest(identity: Mapping[str, Any]) -> str:
    """SHA-256 of plain values in canonical JSON: sorted names, no spaces, shortest decimals."""
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _measured(entry: Mapping[str, Any]) -> Measured:
    null = entry["null"]
    return Measured(
        version=entry["version"],
        value=float(entry["value"]),
        null=None if null is None else (float(null[0]), float(null[1])),
        oracle=None if entry["oracle"] is None else float(entry["oracle"]),
        floor=None if entry["floor"] is None else float(entry["floor"]),
    )


def _numbers(trial: Mapping[str, Any]) -> dict[str, Any]:
    """Undo :func:`_safe` in a trial, whose texts are all numbers."""
    return {name: float(value) if isinstance(value, str) else value for name, value in trial.items()}


def _safe(value: Any) -> Any:
    """Plain values with text in the place of what JSON has no number for."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {name: _safe(entry) for name, entry in value.items()}
    return [_safe(entry) for entry in value] if isinstance(value, list | tuple) else value
