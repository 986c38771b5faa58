"""Benchmarks of a second or two, and an executor that needs no process."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Any

from sasa_theory.benchmark import Arena, Given, Plan, Pool, Record, Tier
from sasa_theory.training import Budget
from synthetic import Feature, Features, preset

METRICS = ("ev", "recovery")
CONFIG = preset("manifolds", "small", width=8, features=(Features(Feature("circle"), 2), Features(Feature("sphere"))))
TIER = Tier(
    name="micro",
    arenas=(Arena("shapes", CONFIG, 1),),
    budget=Budget(tokens=640, batch_size=64),
    seeds=2,
    rows=256,
    rates=(1e-3, 1e-2),
    factors=(1.0,),
    baselines=("topk",),
)


def plan(*specs: str, **settings: Any) -> Plan:
    return Plan(tier=TIER, specs=specs or ("topk", "sasa/paper"), metrics=METRICS, **settings)


def record(number: int = 0, **fields: Any) -> Record:
    values: dict[str, Any] = {"identity": {"number": number}, "metrics": {}, "design": "d", "world": "w", "seed": 0}
    return Record(**values | fields)


class AtOnce(Executor):
    """Runs what is submitted in this process, and keeps count."""

    def __init__(self) -> None:
        self.count = 0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.count += 1
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def at_once() -> Pool:
    return Given(AtOnce())


class Dying(Pool):
    """Opens executors that are lost after some runs."""

    def __init__(self, lives: list[int]) -> None:
        self.lives, self.opened = lives, 0

    @contextmanager
    def open(self) -> Iterator[Executor]:
        lives = self.lives[self.opened]
        self.opened += 1

        class Mortal(AtOnce):
            def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
                from concurrent.futures.process import BrokenProcessPool

                if self.count < lives:
                    return super().submit(fn, *args, **kwargs)
                future: Future[Any] = Future()
                future.set_exception(BrokenProcessPool("a worker was killed"))
                return future

        yield Mortal()
