"""``sasa-theory check``: whether a design keeps the promises that training and metrics rely on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .completion import design_names
from .consoles import console as console_of
from .exit_status import FAILS

app = typer.Typer()


@app.command(epilog="Example: sasa-theory check my_design.py:MySAE --expect rows_alone_in_training='rows compete'")
def check(
    design: Annotated[
        str,
        typer.Argument(
            help="file.py:Class, module:Class or the name of a design.", metavar="DESIGN", autocompletion=design_names
        ),
    ],
    width: Annotated[int, typer.Option(min=3, help="Dimension of the activations to try it on.")] = 12,
    expect: Annotated[
        list[str] | None, typer.Option(help="A check that fails on purpose; may be repeated.", metavar="CHECK=REASON")
    ] = None,
) -> None:
    """Check that a design keeps the promises that training and metrics rely on; failures come with how to mend them.

    A class is called with width=, columns= (48), active= (12 columns that may fire in a row), seed= and sparsity=
    (0.01), as far as it has parameters of these names.

    Exit status: 0 it does; 1 a check fails, or one that is expected to fail passes; 2 bad arguments, or a design that
    cannot be imported or made; 130 interrupted.
    """
    from functools import partial

    from sasa_theory.bounds.validate import choice
    from sasa_theory.designs.from_file import factory_from, users_line
    from sasa_theory.report.check_grid import check_grid
    from sasa_theory.testing.checks.registry import CHECKS
    from sasa_theory.testing.conformance import check_design
    from sasa_theory.testing.small import EXEMPTIONS, small

    expected = dict(EXEMPTIONS.get(design, {}))
    for exemption in expect or []:
        name, equals, reason = exemption.partition("=")
        if not (equals and reason):
            raise typer.BadParameter(f"must be CHECK=REASON, got {exemption!r}", param_hint="--expect")
        try:
            expected[choice("check", name, CHECKS)] = reason
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--expect") from None
    try:
        by_place = ":" in design or design.endswith(".py")
        sizes = {"columns": 48, "active": 12, "sparsity": 0.01}  # whatever a unit has of 1, 2, 3, 4, 6 or 12 columns
        factory = partial(factory_from(design), width, seed=0, **sizes) if by_place else small(design, width)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="DESIGN") from None
    try:
        report = check_design(factory, expected, width=width)
    except Exception as error:  # whatever the class raises when it is made
        path = str(Path(design.rpartition(":")[0]).resolve())
        raise typer.BadParameter(users_line(error, path), param_hint="DESIGN") from None
    console_of().print(check_grid(report))
    raise typer.Exit(0 if report.ok else FAILS)
