"""``sasa-theory designs``: what can be trained."""

from __future__ import annotations

from typing import Annotated

import typer

from .completion import design_names
from .consoles import FILE_WIDTH
from .consoles import console as console_of

app = typer.Typer()


@app.command(epilog="Example: sasa-theory designs sasa/paper")
def designs(
    name: Annotated[
        str | None,
        typer.Argument(help="Show the settings of this design.", metavar="NAME", autocompletion=design_names),
    ] = None,
) -> None:
    """List the designs of sparse autoencoders, or show the settings of one.

    Exit status: 0; 2 there is no design of that name; 130 interrupted.
    """
    from sasa_theory.bounds.validate import choice
    from sasa_theory.designs import presets
    from sasa_theory.report.design_list import design_settings, design_table

    console = console_of()
    if name is None:
        console.print(design_table(presets(), wide=console.width >= FILE_WIDTH))
        return
    try:
        preset = presets()[choice("design", name, presets())]
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="NAME") from None
    console.print(design_settings(name, preset))
