"""``sasa-theory report``: records as a page to look at, and as figures and tables for a paper."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated

import typer

from .completion import tier_names
from .consoles import console as console_of

_NEEDED = ("jinja2", "plotly", "itables", "latex2mathml", "seaborn")

app = typer.Typer()


@app.command(epilog="Example: sasa-theory report bench verify --out report --anonymous")
def report(
    records: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Files or folders of bench, verify and real; if omitted, ./verify, ./verify-trained and ./bench*.",
            metavar="RECORDS",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the page.", file_okay=False)] = Path("report"),
    tier: Annotated[
        str | None,
        typer.Option(
            help="Add the shipped baselines of this tier, or none; those that can be compared with RECORDS if omitted.",
            autocompletion=tier_names,
        ),
    ] = None,
    scene: Annotated[
        list[str] | None,
        typer.Option(
            help="Draw a saved design in the world it was trained in (scale small, seed 0); may be repeated.",
            metavar="WORLD:FOLDER",
        ),
    ] = None,
    anonymous: Annotated[
        bool, typer.Option("--anonymous", help="Leave out names of files, paths, hosts and users.")
    ] = False,
    title: Annotated[str | None, typer.Option(help="Of the page.")] = None,
) -> None:
    """Make one page of records: index.html needs nothing else and no network; beside it figures/, tables/, submit.json.

    Renders from records alone; only --scene loads a design. Damaged lines of records are passed over, and said.

    Exit status: 0; 2 bad arguments, no records, or a file that holds something else; 3 it failed; 130 interrupted.
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise typer.BadParameter(f"the page needs {', '.join(missing)}: pip install 'sasa-theory[report]'")
    from sasa_theory.report.command import make_report
    from sasa_theory.report.page.building import TITLE, Options
    from sasa_theory.report.page.scene import Stored

    try:
        options = Options(title=title or TITLE, anonymous=anonymous, scenes=tuple(map(Stored.parse, scene or ())))
        notes = make_report(records or (), out, tier, options)
    except (ValueError, OSError) as error:
        raise typer.BadParameter(str(error)) from None
    console = console_of()
    for note in notes:
        console.print(f"Passed over: {note}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"Open {out / 'index.html'}", highlight=False, markup=False, soft_wrap=True)
