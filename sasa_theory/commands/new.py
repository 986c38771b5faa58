"""``sasa-theory new``: a file to start a design of your own from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command(epilog="Example: sasa-theory new my_design.py")
def new(
    file: Annotated[Path, typer.Argument(help="Name of the new file; a file that exists is left as it is.")],
) -> None:
    """Write a small sparse autoencoder that works, to start a design of your own from.

    Exit status: 0; 2 there is such a file, or it cannot be written; 130 interrupted.
    """
    from sasa_theory.benchmark.template import write_template

    try:
        write_template(file)
    except (ValueError, OSError) as error:
        raise typer.BadParameter(str(error), param_hint="FILE") from None
    typer.echo(f"{file} holds a design that works. Next: sasa-theory check {file}:MySAE")
    typer.echo(f"Then: sasa-theory bench {file}:MySAE")
