"""Run claims on any executor; every measurement is seeded by its place, so that neither jobs nor order change it."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, Future, as_completed
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from .contract import Claim, Effort, Evidence, Verdict
from .registry import CLAIMS

Kind = Literal["measure", "falsify"]
Outcome = Literal["verified", "violated", "vacuous", "inconclusive"]


@dataclass(frozen=True)
class Task:
    """One measurement of one claim: what a worker process needs to know."""

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
        safe = {key: str(v) if isinstance(v, float) and not np.isfinite(v) else v for key, v in numbers.items()}
        return {
            **asdict(self.task),
            "setting": self.setting,
            **safe,
            "verdict": self.evidence.verdict,
            "seconds": round(self.seconds, 4),
        }

    @classmethod
    def from_json(cls, line: dict[str, Any]) -> Record:
        """Read back what :meth:`to_json` wrote."""
        task = Task(**{key: line[key] for key in Task.__dataclass_fields__})
        numbers = ("bound", "measured", "low", "high", "tolerance", "below", "above")
        evidence = Evidence(
            relation=line["relation"], samples=line["samples"], **{key: float(line[key]) for key in numbers}
        )
        return cls(task, line["setting"], evidence, line["seconds"])


@dataclass(frozen=True)
class Result:
    """What all records of one claim come to.

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
        inside = self._verdicts("measure")
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
        inside = [r for r in self.records if r.task.kind == "measure"]
        return min(inside, key=lambda r: (rank[r.evidence.verdict], r.evidence.relation == "==", r.evidence.margin))

    @property
    def deviation(self) -> float:
        """Largest relative deviation where the bound is attained; NaN if it never is."""
        attained = [r for r in self.records if r.task.kind == "measure" and r.evidence.relation == "=="]
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
        tasks += [Task(claim.id, "measure", i, effort, seed) for i in range(len(claim.grid(effort)))]
        tasks += [Task(claim.id, "falsify", i, effort, seed) for i in range(len(claim.falsifiers(effort)))]
    return tasks


def run(task: Task) -> Record:
    """Carry out one task with a generator seeded by the seed, the claim, the kind and the index."""
    claim = CLAIMS[task.claim]
    inside = task.kind == "measure"
    setting = (claim.grid if inside else claim.falsifiers)(task.effort)[task.index]
    rng = np.random.default_rng([task.seed, zlib.crc32(task.claim.encode()), int(inside), task.index])
    start = time.perf_counter()
    try:
        evidence = (claim.measure if inside else claim.falsify)(setting, rng)
    except Exception as error:
        error.add_note(f"while {task.claim} was to {task.kind} at {setting}")
        raise
    return Record(task, asdict(setting), evidence, time.perf_counter() - start)


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
        One per claim, in the order of the tasks; records in the order of the plan.
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
    ids = list(dict.fromkeys(task.claim for task in tasks))
    return [Result(CLAIMS[i], tuple(finished[task] for task in tasks if task.claim == i)) for i in ids]
