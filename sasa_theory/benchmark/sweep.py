"""Carry out a plan on any executor: every run once, whoever is killed in between."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait

from .executors import Pool
from .job import run, versions
from .plan import Contest, Plan
from .records import Record
from .store import Store

LIVES = 3
"""Times in a row that workers may be killed without a single run being completed in between."""


def sweep(
    plan: Plan,
    store: Store,
    pool: Pool,
    *,
    shipped: Mapping[str, Record] | None = None,
    on_record: Callable[[Record], None] = lambda record: None,
) -> dict[str, Record]:
    """Do what is missing of a plan and record it.

    Only this process writes: each record as its run ends. Killed at any moment, the same call goes on with what is not
    recorded. Runs whose worker was killed are submitted again.

    Parameters
    ----------
    plan : Plan
        What to do.
    store : Store
        Where records are looked for and go.
    pool : Pool
        Where to run.
    shipped : mapping of str to Record, optional
        Further records by key, e.g. those that this package brings along; they are not written again.
    on_record : callable
        Called in this process with each new record, after it was written.

    Returns
    -------
    dict of str to Record
        All records by key, new and old.

    Raises
    ------
    RuntimeError
        If workers are killed three times in a row (:data:`LIVES`) without a run being completed, or one of them has
        another version of this package, so that its records cannot be compared with those made here.
    KeyboardInterrupt
        Upon Ctrl-C; runs under way are given up, records stay.
    """
    done = {**(shipped or {}), **store.read().records}
    deaths = 0
    while plan.due(done):
        before = len(done)
        try:
            with pool.open() as executor:
                _drain(plan, store, pool, executor, done, on_record)
        except pool.lost as error:
            deaths = 1 if len(done) > before else deaths + 1
            if deaths == LIVES:
                names = sorted({contest.entered.label for contest, _ in plan.due(done).values()})
                raise RuntimeError(
                    f"workers were killed {LIVES} times in a row without completing a run of {', '.join(names)}; "
                    "perhaps memory is short: use fewer workers"
                ) from error
    return done


def _drain(
    plan: Plan,
    store: Store,
    pool: Pool,
    executor: Executor,
    done: dict[str, Record],
    on_record: Callable[[Record], None],
) -> None:
    """Submit runs as soon as they can start, and record them as they end, until there are none."""
    under_way: dict[Future[Record], tuple[Contest, str]] = {}
    try:
        while True:
            submitted = {key for _, key in under_way.values()}
            for key, (contest, job) in plan.due(done).items():
                if key not in submitted:
                    under_way[executor.submit(run, job)] = contest, key
            if not under_way:
                return
            finished = wait(under_way, return_when=FIRST_COMPLETED).done
            for future in sorted(finished, key=lambda future: future.exception() is not None):  # keep what succeeded
                contest, key = under_way.pop(future)
                record = contest.told(_asked_for(key, future.result()), done)
                store.append(record)
                done[key] = record
                on_record(record)
    finally:
        pool.give_up(under_way)


def _asked_for(key: str, record: Record) -> Record:
    """The record, if it is of the run that was submitted."""
    if record.key != key:
        here, there = versions(), record.versions
        raise RuntimeError(
            f"a worker recorded another run of {record.design} than it was given: it has sasa-theory "
            f"{there.get('sasa-theory')} (torch {there.get('torch')}), here is {here['sasa-theory']} (torch "
            f"{here['torch']}); install the same version of sasa-theory on all machines"
        )
    return record
