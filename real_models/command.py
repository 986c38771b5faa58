"""The commands ``sasa-theory real ...`` together: language models from the command line."""

from __future__ import annotations

import typer

from .commands import check_checkpoint, compare, concepts, demo, evaluate, fetch, presets, train

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")
for _each in (presets, fetch, train, evaluate, compare, concepts, demo, check_checkpoint):
    app.add_typer(_each.app)


@app.callback()
def real() -> None:
    """Sparse autoencoders on the activations of language models: the same metrics on units."""
