"""One pytest test a check, for the test files of whoever writes a design."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from torch import nn

from .checks.registry import CHECKS
from .conformance import NonConformanceError, check_one

if TYPE_CHECKING:
    import pytest


def parametrize_checks(
    factory: Callable[[], nn.Module], expected_failures: Mapping[str, str] | None = None, *, width: int | None = None
) -> pytest.MarkDecorator:
    """Parametrise a test by the checks of a design.

    >>> @parametrize_checks(lambda: MySAE(width=12))
    ... def test_my_design_conforms(check):
    ...     check()

    A check that does not apply is skipped; one that fails as expected is an xfail; one that was expected to fail and
    passes fails.

    Parameters
    ----------
    factory, expected_failures, width
        As of :func:`~sasa_theory.testing.check_design`.

    Raises
    ------
    ValueError
        If there is no check of an expected name, with the nearest.
    """
    import pytest

    from sasa_theory.bounds.validate import choice

    for name in expected_failures or {}:
        choice("check", name, CHECKS)

    def bound(name: str) -> Callable[[], None]:
        def check() -> None:
            result = check_one(name, factory, expected_failures, width=width)
            if result.status == "skipped":
                pytest.skip(result.message)
            if result.status == "expected":
                pytest.xfail(result.message)
            if result.status != "passed":
                raise NonConformanceError(str(result))

        return check

    return pytest.mark.parametrize("check", [pytest.param(bound(name), id=name) for name in CHECKS])
