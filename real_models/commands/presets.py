"""``sasa-theory real presets``: published runs as configs."""

from __future__ import annotations

from typing import Annotated

import typer

from sasa_theory.commands.consoles import console as console_of

from ..refusals import refusals

app = typer.Typer()


@app.command(epilog="Example: sasa-theory real presets gpt2/sasa-paper")
def presets(
    name: Annotated[str | None, typer.Argument(help="Show all settings of this one.", metavar="NAME")] = None,
) -> None:
    """List published runs on language models, or print one as a config, with what of it is not published.

    Exit status: 0; 2 there is no preset of that name.
    """
    from rich.table import Table

    from sasa_theory.bounds.validate import choice

    from ..presets import real_presets

    found, console = real_presets(), console_of()
    if name is None:
        table = Table("preset", "what it is", "source", box=None, pad_edge=False)
        for key, preset in found.items():
            table.add_row(key, preset.summary, preset.source)
        console.print(table)
        return
    with refusals("NAME"):
        preset = found[choice("preset", name, found)]
    console.print(f"{preset.summary}. Source: {preset.source}", highlight=False, soft_wrap=True)
    for note in preset.notes:
        console.print(f"Note: {note}", highlight=False, soft_wrap=True, markup=False)
    typer.echo(preset.experiment.to_json(), nl=False)
