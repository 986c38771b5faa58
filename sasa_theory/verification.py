"""One run of the claims on this machine: worker processes, progress, evidence on disk, figures."""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast, get_args

from filelock import FileLock
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from sasa_theory.bounds.validate import choice
from sasa_theory.claims import Claim, Effort, Record, Result, Task, plan, select, verify
from sasa_theory.claims.evidence_log import EvidenceLog
from sasa_theory.limits import whole_cores
from sasa_theory.report.verdicts import verdict_table
from sasa_theory.workers import begin_worker, one_blas_thread_each

_WIDE = 126  # columns that the full table needs


def run_verification(
    claims: Sequence[Claim[Any]], log: EvidenceLog, console: Console, *, jobs: int | None = None
) -> bool:
    """Run ``claims``, print the table, write evidence and figures; return whether all are verified.

    Parameters
    ----------
    claims : sequence of Claim
        What to verify.
    log : EvidenceLog
        Says effort and seed, keeps the records, and holds those of an interrupted run; figures go into ``figures/``
        beside it.
    console : rich.console.Console
        Where the table goes; the progress bar is silent off a terminal.
    jobs : int, optional
        Worker processes, one per core if omitted. Numbers do not depend on it.
    """
    tasks = plan(claims, log.effort, log.seed)
    figures = log.path.parent / "figures"
    if not log.kept:  # a new run: figures of an earlier one would look as if they were its own
        for figure in figures.glob("[A-Z][0-9].png"):
            figure.unlink()
    with _workers(jobs) as executor:
        found = _measured(tasks, log, console, executor)
        console.print(verdict_table(found, wide=console.width >= _WIDE))
        _draw(found, figures, executor, console)
    failed = [f"{result.claim.id} is {result.outcome}" for result in found if result.outcome != "verified"]
    count = f"{len(found)} claim{'s' if len(found) > 1 else ''}"
    console.print("; ".join(failed) if failed else f"{count} verified, every falsifier violated.")
    console.print(f"Every number: {log.path}", markup=False)
    return not failed


def results(*claim_ids: str, effort: Effort | None = None, seed: int = 0, folder: Path | None = None) -> list[Result]:
    """Verify some claims, for a notebook: what a run left behind in the folder is not measured again.

    Parameters
    ----------
    claim_ids : str
        Of the claims.
    effort : str, optional
        ``fast``, ``quick`` or ``full``; if omitted, what the environment variable ``SASA_THEORY_EFFORT`` says, else
        ``fast``.
    seed : int
        Same seed, same numbers.
    folder : Path, optional
        Where evidence is kept from one run to the next; if omitted, what the environment variable
        ``SASA_THEORY_EVIDENCE`` says. In none, nothing is kept.

    Raises
    ------
    ValueError
        If a claim or the effort is unknown.
    """
    effort = cast(Effort, choice("effort", effort or os.environ.get("SASA_THEORY_EFFORT", "fast"), get_args(Effort)))
    claims = select(claim_ids)
    kept = folder or os.environ.get("SASA_THEORY_EVIDENCE")
    with TemporaryDirectory() as nowhere, _workers(None) as executor:
        home = Path(kept or nowhere)
        home.mkdir(parents=True, exist_ok=True)
        with FileLock(home / ".lock"):  # or of two notebooks at work one would lose what it measured
            log = _kept_log(home, effort, seed)
            return _measured(plan(claims, effort, seed), log, Console(quiet=True), executor)


def _kept_log(folder: Path, effort: Effort, seed: int) -> EvidenceLog:
    """The log of a run that was the same, else one of its own beside it: what a run measured is not thrown away."""
    try:
        path = folder / "evidence.jsonl"
        return EvidenceLog(path, effort, seed, resume=True)
    except ValueError:  # of another effort, seed or state of the program
        path = folder / f"evidence-{effort}-{seed}.jsonl"
    try:
        return EvidenceLog(path, effort, seed, resume=True)
    except ValueError:
        return EvidenceLog(path, effort, seed)


def _measured(tasks: Sequence[Task], log: EvidenceLog, console: Console, executor: ProcessPoolExecutor) -> list[Result]:
    """Run what the log lacks of these tasks, and put everything in order in the log."""
    wanted, claims = set(tasks), {task.claim for task in tasks}
    done = [record for record in log.kept if record.task in wanted]
    # conclusions are drawn anew
    other = [r for r in log.kept if r.task not in wanted and not (r.task.kind == "conclude" and r.task.claim in claims)]
    with _progress(console) as progress:
        bar = progress.add_task("claims", total=len(tasks), completed=len(done))

        def keep(record: Record) -> None:
            log.append(record)
            progress.update(bar, advance=1, description=record.task.claim)

        found = verify(tasks, executor, done=done, on_record=keep)
    log.rewrite([*other, *(record for result in found for record in result.records)])
    return found


def _draw(results: Sequence[Result], folder: Path, executor: ProcessPoolExecutor, console: Console) -> None:
    if importlib.util.find_spec("seaborn") is None:
        console.print("Figures skipped: they need seaborn (pip install 'sasa-theory[plot]').", markup=False)
        return
    from sasa_theory.report.figures import save_figure

    folder.mkdir(exist_ok=True)
    for future in [executor.submit(save_figure, result, folder) for result in results]:
        future.result()
    console.print(f"Figures: {folder}", markup=False)


@contextmanager
def _workers(jobs: int | None) -> Iterator[ProcessPoolExecutor]:
    """Fresh processes with one BLAS thread each."""
    context = multiprocessing.get_context("spawn")
    with one_blas_thread_each():
        executor = ProcessPoolExecutor(jobs or whole_cores(), context, initializer=begin_worker)
        try:
            yield executor
        finally:
            executor.shutdown(cancel_futures=True)


def _progress(console: Console) -> Progress:
    columns = TextColumn("{task.description:>6}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
