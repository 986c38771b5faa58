"""What commands share: one sentence where something cannot be done, exit statuses, how to go on, and threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console


@contextmanager
def refusals(hint: str | None = None) -> Iterator[None]:
    """What cannot be done ends with one sentence and exit status 2, Ctrl-C with 130, what is our fault with 3."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise typer.BadParameter(str(error), param_hint=hint) from None
    except ImportError as error:
        what = f"language models need more packages ({error}): pip install 'sasa-theory[real]'"
        raise typer.BadParameter(what, param_hint=hint) from None
    except KeyboardInterrupt:
        typer.echo("Interrupted.", err=True)
        raise typer.Exit(130) from None
    except (typer.Exit, typer.BadParameter):
        raise
    except Exception:
        from rich.console import Console

        Console(stderr=True).print_exception()
        raise typer.Exit(3) from None


@contextmanager
def resumable(console: Console, out: Path) -> Iterator[None]:
    """Around training: upon Ctrl-C say how to go on and end with 130; end with 3 if it diverged."""
    from sasa_theory.training.divergence import Diverged

    try:
        yield
    except KeyboardInterrupt:
        said = f"Interrupted; the same command with --resume goes on from {out}."
        console.print(said, highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(130) from None
    except Diverged as error:
        console.print(f"Training diverged: {error}", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(3) from None


def use_threads(threads: int | None) -> None:
    """Let PyTorch use so many threads; its own number if None."""
    if threads is not None:
        import torch

        torch.set_num_threads(threads)


def quiet() -> None:
    """No bars of transformers for weights that are read in a moment, and no tables of what an error says."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
