"""A benchmark as somebody meets it: plan and cost before it starts, progress and the time left while it runs."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table

from .cost import Costs
from .executors import Pool
from .plan import Contest, Plan
from .records import Record
from .store import Store
from .sweep import sweep


def carry_out(
    plan: Plan, store: Store, pool: Pool, console: Console, shipped: Mapping[str, Record] | None = None
) -> dict[str, Record]:
    """Show what a plan costs, run what is missing, and show how far it is.

    Parameters
    ----------
    plan : Plan
        The benchmark.
    store : Store
        Holds what is done, and gets the rest.
    pool : Pool
        Where to run.
    console : rich.console.Console
        On a terminal a bar, else a line for each run.
    shipped : mapping of str to Record, optional
        Records by key that need not be made again.

    Returns
    -------
    dict of str to Record
        All records by key.

    Raises
    ------
    RuntimeError, KeyboardInterrupt
        As :func:`sasa_theory.benchmark.sweep.sweep`.
    """
    found = store.read()
    if found.complaint:
        console.print(escape(f"{store.path}: {found.complaint}"))
    done = {**(shipped or {}), **found.records}
    costs, workers = Costs(plan, done), pool.workers
    missing = plan.missing(done)
    if not any(trials + runs for _, trials, runs in missing):
        console.print("Every run of this benchmark is recorded already.")
        return done
    console.print(_plan_table(plan, costs, missing))
    about = f"About {duration(costs.total(done) / workers)} with {workers} at a time."
    console.print(escape(f"{about} Records: {store.path}"))
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[left]}")
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        watch = _Watch(plan, costs, done, workers, console, progress)
        return sweep(plan, store, pool, shipped=shipped, on_record=watch.note)


class _Watch:
    """Counts runs as they end, and estimates what is left by what they took."""

    def __init__(
        self, plan: Plan, costs: Costs, done: Mapping[str, Record], workers: int, console: Console, progress: Progress
    ) -> None:
        self._costs, self._done, self._workers = costs, dict(done), workers
        self._console, self._progress = console, progress
        self._total = sum(trials + runs for _, trials, runs in plan.missing(done))
        self._count = 0
        self._bar: TaskID = progress.add_task("starting", total=self._total, left="")

    def note(self, record: Record) -> None:
        """One more record."""
        self._done[record.key] = record
        self._count += 1
        self._costs.learn(record)
        left = f"about {duration(self._costs.total(self._done) / self._workers)} left"
        seed = "trial" if record.purpose == "trial" else f"seed {record.seed}"
        what = escape(f"{record.design} in {record.world}, {seed}")
        if self._console.is_terminal:
            self._progress.update(self._bar, advance=1, description=what, left=left)
        else:
            self._console.print(f"{self._count}/{self._total}  {what}: {record.seconds:.1f} s; {left}")
        if record.failed:
            self._console.print(f"{what}: {escape(record.failed)}")


def duration(seconds: float) -> str:
    """Seconds in words: ``40 s``, ``5 min``, ``2.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _plan_table(plan: Plan, costs: Costs, missing: list[tuple[Contest, int, int]]) -> Table:
    """What is still to be done."""
    table = Table(title=f"Tier {plan.tier.name}, sizes matched in {plan.match}: still to run")
    for head in ("design", "world", "size", "trials", "runs", "seconds each"):
        table.add_column(head)
    for contest, trials, runs in missing:
        if trials or runs:
            seconds = f"{costs.of(contest, 'run' if runs else 'trial'):.1f}"
            names = escape(contest.entered.label), contest.arena.name, str(contest.size)
            table.add_row(*names, str(trials), str(runs), seconds)
    return table
