"""Run claims on any executor; every measurement is seeded by its place, so that neither jobs nor order change it."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, Future, as_completed
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from sasa_theory.workers import one_thread

from .contract import Claim, Effort, Evidence, Verdict
from .registry import find

Kind = Literal["measure", "falsify", "conclude"]
Outcome = Literal["verified", "violated", "vacuous", "inconclusive"]


@dataclass(frozen=True)
class Task:
    """One measurement of one claim, or one conclusion from all of them: what a worker process needs to know."""

    claim: str
    kind: Kind
    index: int
    effort: Effort
    seed: int


@dataclass(frozen=True)
class Record:
    """One finished measurement.

    Attributes
    ----------
    task : Task
        Which measurement it is.
    setting : dict
        Fields of the claim's setting.
    evidence : Evidence
        Bound, measured value, interval.
    seconds : float
        Wall time of the measurement; the only field that differs between two runs of one seed.
    """

    task: Task
    setting: dict[str, Any]
    evidence: Evidence
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Flat mapping for one JSON line; non-finite numbers become text."""
        numbers = {**asdict(self.evidence), "margin": self.evidence.margin}
        return {
            **asdict(self.task),
            "setting": self.setting,
            **_without_infinities(numbers),
            "verdict": self.evidence.verdict,
            "seconds": round(self.seconds, 4),
        }

    @classmethod
    def from_json(cls, line: dict[str, Any]) -> Record:
        """Read back what :meth:`to_json` wrote."""
        task = Task(**{key: line[key] for key in Task.__dataclass_fields__})
        numbers = ("bound", "measured", "low", "high", "tolerance", "below", "above")
        also = {
            name: tuple(map(float, value)) if isinstance(value, list) else float(value)
            for name, value in line["also"].items()
        }
        evidence = Evidence(
            relation=line["relation"], samples=line["samples"], **{key: float(line[key]) for key in numbers}, also=also
        )
        return cls(task, line["setting"], evidence, line["seconds"])


@dataclass(frozen=True)
class Result:
    """What all records of one claim come to.

    What is said of measurements below is meant of conclusions as well.

    Attributes
    ----------
    claim : Claim
        The claim judged.
    records : tuple of Record
        Its measurements and falsifiers.
    outcome : {"verified", "violated", "vacuous", "inconclusive"}
        ``violated`` if a measurement is, ``vacuous`` if a falsifier is not, ``inconclusive`` if a measurement decides
        nothing, else ``verified``.
    """

    claim: Claim[Any]
    records: tuple[Record, ...]

    @property
    def outcome(self) -> Outcome:
        """Verdict on the claim as a whole."""
        inside = self._verdicts("measure") + self._verdicts("conclude")
        if "violated" in inside:
            return "violated"
        if set(self._verdicts("falsify")) != {"violated"}:
            return "vacuous"
        return "verified" if set(inside) == {"holds"} else "inconclusive"

    @property
    def closest(self) -> Record:
        """The measurement to look at: a violated or undecided one, else the inequality of smallest margin.

        If all are equalities, the one of largest deviation.
        """
        rank = {"violated": 0, "inconclusive": 1, "holds": 2}
        inside = [r for r in self.records if r.task.kind != "falsify"]
        return min(inside, key=lambda r: (rank[r.evidence.verdict], r.evidence.relation == "==", r.evidence.margin))

    @property
    def deviation(self) -> float:
        """Largest relative deviation where the bound is attained; NaN if it never is."""
        attained = [r for r in self.records if r.task.kind != "falsify" and r.evidence.relation == "=="]
        return max((-r.evidence.margin for r in attained), default=float("nan"))

    @property
    def weakest_falsifier(self) -> Record:
        """The falsifier that comes closest to passing."""
        outside = [r for r in self.records if r.task.kind == "falsify"]
        return max(outside, key=lambda r: (r.evidence.verdict != "violated", r.evidence.margin))

    @property
    def seconds(self) -> float:
        """Sum of the measurements' times."""
        return sum(r.seconds for r in self.records)

    def _verdicts(self, kind: Kind) -> list[Verdict]:
        return [r.evidence.verdict for r in self.records if r.task.kind == kind]


def plan(claims: Iterable[Claim[Any]], effort: Effort, seed: int) -> list[Task]:
    """List every measurement and falsifier of ``claims``."""
    tasks: list[Task] = []
    for claim in claims:
        for kind in ("measure", "falsify"):
            tasks += [Task(claim.id, kind, i, effort, seed) for i in range(len(settings(claim, kind, effort)))]
    return tasks


def settings(claim: Claim[Any], kind: Kind, effort: Effort) -> list[Any]:
    """What a claim is measured or falsified at; claims that do not train have nothing faster than quick."""
    if effort == "fast" and "trained" not in claim.tags:
        effort = "quick"
    return (claim.grid if kind == "measure" else claim.falsifiers)(effort)


def run(task: Task) -> Record:
    """Carry out a measurement or a falsifier with a generator seeded by the seed, the claim, the kind and the index.

    What trains does so on one thread: the last bits of a matrix product depend on how many there are.
    """
    claim = find(task.claim)
    setting = settings(claim, task.kind, task.effort)[task.index]
    start = time.perf_counter()
    try:
        with one_thread() if "trained" in claim.tags else nullcontext():
            evidence = (claim.measure if task.kind == "measure" else claim.falsify)(setting, _rng(task))
    except Exception as error:
        error.add_note(f"while {task.claim} was to {task.kind} at {setting}")
        raise
    return Record(task, asdict(setting), evidence, time.perf_counter() - start)


def conclusions(claim: Claim[Any], records: Sequence[Record]) -> list[Record]:
    """What a claim makes of all its measurements together."""
    measured = [record for record in records if record.task.kind == "measure"]
    if not measured:
        return []
    first = measured[0].task
    grid = settings(claim, "measure", first.effort)
    start = time.perf_counter()
    found = [(grid[record.task.index], record.evidence) for record in measured]
    said = claim.conclude(found, _rng(replace(first, kind="conclude", index=0)))
    seconds = (time.perf_counter() - start) / max(1, len(said))
    return [
        Record(replace(first, kind="conclude", index=i), asdict(about), evidence, seconds)
        for i, (about, evidence) in enumerate(said)
    ]


def _rng(task: Task) -> np.random.Generator:
    kind = {"falsify": 0, "measure": 1, "conclude": 2}[task.kind]
    return np.random.default_rng([task.seed, zlib.crc32(task.claim.encode()), kind, task.index])


def _without_infinities(value: Any) -> Any:
    """The same with non-finite numbers as text, which JSON has no numbers for."""
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _without_infinities(entry) for key, entry in value.items()}
    return [_without_infinities(entry) for entry in value] if isinstance(value, tuple) else value


def verify(
    tasks: Sequence[Task],
    executor: Executor | None = None,
    *,
    done: Sequence[Record] = (),
    on_record: Callable[[Record], None] = lambda record: None,
) -> list[Result]:
    """Run tasks and judge their claims.

    Parameters
    ----------
    tasks : sequence of Task
        From :func:`plan`.
    executor : concurrent.futures.Executor, optional
        Where to run them (processes, Dask, SLURM); in this process if omitted.
    done : sequence of Record
        Records of an earlier, interrupted run; their tasks are not run again.
    on_record : callable
        Called in this process with each new record as it arrives, in any order.

    Returns
    -------
    list of Result
        One per claim, in the order of the tasks; records in the order of the plan, conclusions last.
    """
    finished = {record.task: record for record in done}
    missing = [task for task in tasks if task not in finished]
    futures: list[Future[Record]] = [executor.submit(run, task) for task in missing] if executor else []
    try:
        for record in (f.result() for f in as_completed(futures)) if executor else map(run, missing):
            finished[record.task] = record
            on_record(record)
    except BaseException:
        for future in futures:
            future.cancel()
        raise
    results = []
    for claim in map(find, dict.fromkeys(task.claim for task in tasks)):
        records = [finished[task] for task in tasks if task.claim == claim.id]
        results.append(Result(claim, (*records, *conclusions(claim, records))))
    return results
