"""``sasa-theory real demo``: known circles in a transformer that is trained here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sasa_theory.commands.consoles import console as console_of

from ..refusals import quiet, refusals

app = typer.Typer()


@app.command(epilog="Example: sasa-theory real demo --architecture mistral --out my-demo")
def demo(
    architecture: Annotated[str, typer.Option(help="Of the transformer: gpt2 or mistral.")] = "gpt2",
    learned: Annotated[
        bool, typer.Option("--learned", help="Train embeddings too: clocks of several circles, dimension measured.")
    ] = False,
    falsifier: Annotated[
        bool, typer.Option("--falsifier/--no-falsifier", help="The transformer of a single clock as well.")
    ] = True,
    seeds: Annotated[int, typer.Option(min=2, help="Trainings of each design.")] = 5,
    jobs: Annotated[int | None, typer.Option(min=0, help="Worker processes; as many as cores if omitted.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for demo.json and figures.", file_okay=False)] = Path("real-demo"),
) -> None:
    """Look for known circles in a really trained transformer; see whether turning one turns the answer.

    Trains a small GPT-2 or Mistral to add on twelve clocks, unless it is cached, then SASA, TopK and signed TopK on its
    residual stream over several seeds; judges them against the circles, beside chance and truth; turns each clock's
    circle inside what a design's units span; and repeats the search on a transformer whose circles cannot be separated.

    With --learned no single group is expected to hold all circles of a clock, but fewer groups than atoms.

    Half a minute to a minute on two cores, up to three from nothing. The cache folder is that of SASA_THEORY_CACHE,
    else the user's.

    Exit status: 0 all expectations hold; 1 one does not; 2 bad arguments or a damaged cache; 3 failed; 130 interrupted.
    """
    import importlib.util
    from dataclasses import replace

    from sasa_theory.bounds.validate import choice

    console = console_of()
    with refusals():
        from ..clocks.demo import Plan, demonstrate
        from ..clocks.separation import SINGLE
        from ..clocks.transformer import Lesson
        from ..clocks.verdicts import metric_table, moved_table, verdict_table, verdicts
        from ..results import write_json

        quiet()
        chosen = choice("--architecture", architecture, ("gpt2", "mistral"))
        lesson = Lesson(architecture=chosen, learned=learned)  # type: ignore[arg-type]
        single = replace(SINGLE, architecture=lesson.architecture) if falsifier else None
        plan = Plan(lesson=lesson, seeds=seeds, falsifier=single)
        found = demonstrate(plan, jobs=jobs)
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / "demo.json", found.to_dict())
        for table in (metric_table(found), moved_table(found), verdict_table(found)):
            console.print(table)
        console.print(f"Numbers: {out / 'demo.json'} ({found.seconds:.0f} s)", highlight=False)
        if importlib.util.find_spec("seaborn") is None:
            console.print("Figures skipped: they need seaborn (pip install 'sasa-theory[plot]').", markup=False)
        else:
            from ..clocks.pictures import save_pictures

            for path in save_pictures(found, found.world, out):
                console.print(f"Figure: {path}", highlight=False)
    if not all(one.holds for one in verdicts(found)):
        raise typer.Exit(1)
