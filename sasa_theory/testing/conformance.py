"""Whether a design keeps its promises: every check tried on it, failures shrunk to their smallest counterexample."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from sasa_theory.bounds.validate import choice
from sasa_theory.designs.from_file import users_line

from .check import Check, Skipped
from .checks.registry import CHECKS
from .shrinking import shrink
from .subject import Subject

Status = Literal["passed", "failed", "expected", "stale", "skipped"]
"""``expected``: failed as the caller said; ``stale``: passed although the caller said that it fails."""


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """What became of one check.

    Attributes
    ----------
    check : Check
        The demand.
    status : Status
        How it came out.
    message : str
        What is wrong; why a failure is expected or a check skipped; empty where it passed.
    rows : tuple of tuples of float, or None
        For a failure, the smallest rows found that show it; no rows if any will do.
    """

    check: Check
    status: Status
    message: str = ""
    rows: tuple[tuple[float, ...], ...] | None = None

    def __str__(self) -> str:
        if self.status != "failed":
            return f"{self.check.name} {self.status}" + (f": {self.message}" if self.message else "")
        shown = "any rows" if not self.rows else f"rows {[[float(f'{v:.4g}') for v in row] for row in self.rows]}"
        first = f"{self.check.name}: {self.message} (on {shown})"
        return f"{first}\n  demanded: {self.check.demand}\n  mend: {self.check.mend}"


class NonConformanceError(AssertionError):
    """Raised for a design that breaks a check, or for an exemption that it no longer needs."""


@dataclass(frozen=True)
class Report:
    """What became of every check.

    Attributes
    ----------
    design : str
        Name of the design's class.
    results : tuple of CheckResult
        In the order of the checks.
    """

    design: str
    results: tuple[CheckResult, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing failed that was not expected to, and every expected failure still happens."""
        return not self.failures

    @property
    def failures(self) -> tuple[CheckResult, ...]:
        """What failed, and stale exemptions."""
        return tuple(result for result in self.results if result.status in ("failed", "stale"))

    def __getitem__(self, name: str) -> CheckResult:
        """The result of the check of that name."""
        return {result.check.name: result for result in self.results}[choice("check", name, CHECKS)]

    def raise_for_failures(self) -> None:
        """Say what is wrong, if anything is.

        Raises
        ------
        NonConformanceError
            With every failure, its smallest counterexample and how to mend it.
        """
        if not self.ok:
            title = f"{self.design} breaks {len(self.failures)} of {len(self.results)} checks"
            raise NonConformanceError("\n".join([title, *map(str, self.failures)]))


def check_design(
    factory: Callable[[], nn.Module],
    expected_failures: Mapping[str, str] | None = None,
    *,
    width: int | None = None,
    seed: int = 0,
) -> Report:
    """Try every check on a design, on a few small rows.

    The module's class may declare ``batch_dependent = True``, if rows compete in training mode, and ``invariances``,
    see :class:`~sasa_theory.designs.Design`; it need not derive from that class.

    Parameters
    ----------
    factory : callable
        Returns a freshly initialised module with ``encode`` and ``decode``, see
        :func:`~sasa_theory.designs.as_design`; a new one at every call. Keep it small (a width of 12 will do).
    expected_failures : mapping of str to str, optional
        Names of checks that the design breaks on purpose, each with the reason. One that passes is stale, and fails.
    width : int, optional
        Dimension of the activations, for modules without an attribute ``width``.
    seed : int
        Seed of the rows.

    Returns
    -------
    Report
        Its ``ok`` says whether the design conforms.

    Raises
    ------
    ValueError
        If there is no check of an expected name (with the nearest), if the factory returns one module twice, or if the
        module is no design.
    TypeError
        If the module lacks ``encode`` or ``decode``.
    """
    expected = dict(expected_failures or {})
    for name in expected:
        choice("check", name, CHECKS)
    subject = Subject(factory, width)
    return Report(subject.name, tuple(_result(check, subject, seed, expected) for check in CHECKS.values()))


def check_one(
    name: str,
    factory: Callable[[], nn.Module],
    expected_failures: Mapping[str, str] | None = None,
    *,
    width: int | None = None,
    seed: int = 0,
) -> CheckResult:
    """As :func:`check_design`, for the check of that name alone.

    Raises
    ------
    ValueError, TypeError
        As :func:`check_design`.
    """
    check = CHECKS[choice("check", name, CHECKS)]
    return _result(check, Subject(factory, width), seed, dict(expected_failures or {}))


def _result(check: Check, subject: Subject, seed: int, expected: Mapping[str, str]) -> CheckResult:
    def tried(x: Tensor) -> tuple[str, str] | None:
        """Kind of the failure and what to say about it."""
        with _own_randomness():
            try:
                complaint = check.run(subject, x.clone())
            except Skipped:
                raise
            except Exception as error:
                return type(error).__name__, users_line(error, subject.file)
        return None if complaint is None else ("complaint", complaint)

    rows = subject.rows(seed)
    try:
        found = tried(rows)
    except Skipped as reason:
        return CheckResult(check=check, status="skipped", message=str(reason))
    if found is None:
        if check.name in expected:
            message = f"it passes, so that this exemption can go: {expected[check.name]}"
            return CheckResult(check=check, status="stale", message=message)
        return CheckResult(check=check, status="passed")
    if check.name in expected:
        return CheckResult(check=check, status="expected", message=expected[check.name])

    def breaks_alike(x: Tensor) -> bool:
        try:
            again = tried(x)
        except Skipped:
            return False
        return again is not None and again[0] == found[0]

    rows = shrink(rows, breaks_alike)
    _, message = tried(rows) or found  # the second if the design itself is not deterministic
    return CheckResult(check=check, status="failed", message=message, rows=tuple(map(tuple, rows.tolist())))


@contextmanager
def _own_randomness() -> Iterator[None]:
    """What a check draws from PyTorch's default generator is the same every time and leaves no trace."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(0)
        yield
