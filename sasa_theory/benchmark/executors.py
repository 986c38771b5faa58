"""Where runs happen: processes of this machine, a Dask cluster, SLURM, or any executor that a caller has."""

from __future__ import annotations

import multiprocessing
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from sasa_theory.bounds.validate import choice, count
from sasa_theory.limits import whole_cores
from sasa_theory.workers import begin_worker, one_blas_thread_each

_PATIENCE = 12
"""Questions in a row about a job of a batch system that may fail before it is given up."""


class Pool(ABC):
    """Opens executors, again if the workers of one were killed."""

    @property
    def workers(self) -> int:
        """How many runs go on at a time, for estimates."""
        return 1

    @property
    def lost(self) -> tuple[type[BaseException], ...]:
        """What a future raises if its worker was killed; its run is then submitted again."""
        return (BrokenExecutor,)

    @abstractmethod
    def open(self) -> Any:
        """A context manager that gives an executor; if it is left by an exception, runs under way are given up."""

    def give_up(self, futures: Iterable[Future[Any]]) -> None:
        """Take back what was submitted and is not done."""
        for future in futures:
            future.cancel()


@dataclass(frozen=True)
class Processes(Pool):
    """Fresh processes of this machine, one thread each; they end with their parent, whatever ends that.

    Attributes
    ----------
    number : int
        How many; one a core by default.
    """

    number: int = field(default_factory=whole_cores)

    def __post_init__(self) -> None:
        count("number of processes", self.number)

    @property
    def workers(self) -> int:
        """Their number."""
        return self.number

    def give_up(self, futures: Iterable[Future[Any]]) -> None:
        """Nothing: the processes are ended, and an executor that loses them must not find its futures cancelled."""

    @contextmanager
    def open(self) -> Iterator[Executor]:
        """A pool of spawned processes."""
        others = multiprocessing.active_children()
        context = multiprocessing.get_context("spawn")
        with one_blas_thread_each():
            executor = ProcessPoolExecutor(self.number, context, initializer=begin_worker)
            try:
                yield executor
            except BaseException:
                executor.shutdown(wait=False, cancel_futures=True)
                for child in multiprocessing.active_children():
                    if child not in others:
                        child.terminate()
                raise
            finally:
                executor.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class Dask(Pool):
    """The workers of a running Dask cluster.

    Attributes
    ----------
    address : str
        Of its scheduler, ``host:port``. Files of designs must be there under the same path.
    """

    address: str

    def __post_init__(self) -> None:
        _package("distributed", "a Dask cluster", "dask")

    @property
    def workers(self) -> int:
        """Its processes: the runs of one process wait for each other, however many threads it has."""
        with self._client() as client:
            return max(1, len(client.nthreads()))

    @property
    def lost(self) -> tuple[type[BaseException], ...]:
        """Dask itself runs the jobs of a killed worker again, and raises this only if that happens repeatedly."""
        return (_package("distributed", "a Dask cluster", "dask").KilledWorker,)

    @contextmanager
    def open(self) -> Iterator[Executor]:
        """An executor of a new client."""
        with self._client() as client:
            executor = client.get_executor(pure=False)
            try:
                yield executor
            finally:
                executor.shutdown(wait=False)

    def _client(self) -> Any:
        client = _package("distributed", "a Dask cluster", "dask").Client
        try:
            return client(f"tcp://{self.address}", timeout="10s", set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise ValueError(f"no Dask scheduler answers at {self.address}: {error}") from None


@dataclass(frozen=True)
class Slurm(Pool):
    """Jobs of a SLURM cluster, one a run, through submitit.

    Attributes
    ----------
    settings : tuple of pair of str
        Parameters of submitit's ``AutoExecutor``, e.g. ``slurm_partition`` and ``timeout_min``.
    folder : Path
        Where submitit keeps jobs and their output; all machines must see it.
    """

    settings: tuple[tuple[str, str], ...] = ()
    folder: Path = Path("slurm")

    def __post_init__(self) -> None:
        _package("submitit", "SLURM", "slurm")

    @property
    def lost(self) -> tuple[type[BaseException], ...]:
        """Jobs that SLURM ended."""
        return (_package("submitit.core.utils", "SLURM", "slurm").UncompletedJobError,)

    @contextmanager
    def open(self) -> Iterator[Executor]:
        """An executor that submits jobs; those under way are cancelled if it is left early."""
        submitter = _package("submitit", "SLURM", "slurm").AutoExecutor(folder=self.folder)
        submitter.update_parameters(**{name: int(v) if v.isdigit() else v for name, v in self.settings})
        executor = Polled(submitter)
        try:
            yield executor
        finally:
            executor.shutdown(cancel_futures=True)


class Polled(Executor):
    """Jobs of a batch system, which must be asked whether they are done, as futures.

    Parameters
    ----------
    submitter
        Its ``submit(function, *arguments)`` returns a job with ``done()``, ``result()`` and ``cancel()``.
    seconds : float
        Between two questions. A question that fails is asked again; after 12 in a row the job's future has the error.
    """

    def __init__(self, submitter: Any, seconds: float = 5.0) -> None:
        self._submitter, self._seconds = submitter, seconds
        self._jobs: dict[Future[Any], Any] = {}
        self._lock, self._over = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Hand a call to the batch system."""
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        with self._lock:
            self._jobs[future] = self._submitter.submit(fn, *args, **kwargs)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Stop asking; with ``cancel_futures``, take back what is not done."""
        while wait and not cancel_futures and self._jobs:
            time.sleep(self._seconds)
        self._over.set()
        self._thread.join()
        if cancel_futures:
            for job in self._jobs.values():
                job.cancel()

    def _ask(self) -> None:
        failures: Counter[Future[Any]] = Counter()
        while not self._over.wait(self._seconds):
            with self._lock:
                jobs = dict(self._jobs)
            for future, job in jobs.items():
                try:
                    if not job.done():
                        failures.pop(future, None)
                        continue
                except Exception as error:  # the batch system may well answer the next time
                    failures[future] += 1
                    if failures[future] == _PATIENCE:
                        self._forget(future)
                        future.set_exception(error)
                    continue
                self._forget(future)
                try:
                    future.set_result(job.result())
                except Exception as error:
                    future.set_exception(error)

    def _forget(self, future: Future[Any]) -> None:
        with self._lock:
            del self._jobs[future]


@dataclass(frozen=True)
class Given(Pool):
    """An executor that a caller has, and closes.

    Attributes
    ----------
    executor : concurrent.futures.Executor
        Any.
    number : int
        How many runs it does at a time, for estimates.
    """

    executor: Executor
    number: int = 1

    @property
    def workers(self) -> int:
        """What the caller said."""
        return self.number

    @contextmanager
    def open(self) -> Iterator[Executor]:
        """That executor."""
        yield self.executor


def pool(spec: str, folder: Path = Path(".")) -> Pool:
    """The pool that a text stands for.

    Parameters
    ----------
    spec : str
        ``processes``, ``processes:4``, ``dask://host:port``, ``slurm`` or, with parameters of submitit,
        ``slurm:slurm_partition=cpu,timeout_min=60``.
    folder : Path
        Where a pool may keep files.

    Raises
    ------
    ValueError
        If there is none of that name, its parameters are malformed, or a package that it needs is missing.
    """
    if spec.startswith("dask://"):
        return Dask(spec.removeprefix("dask://"))
    name, _, rest = spec.partition(":")
    choice("executor", name, ("processes", "dask://host:port", "slurm"))
    if name == "processes":
        if rest and not rest.isdigit():
            raise ValueError(f"processes:N needs a whole number N, got {rest!r}")
        return Processes(int(rest)) if rest else Processes()
    settings = [entry.partition("=") for entry in rest.split(",") if entry]
    for setting, equals, value in settings:
        if not (setting and equals and value):
            raise ValueError(f"parameters of slurm are given as name=value,name=value, got {rest!r}")
    return Slurm(tuple((setting, value) for setting, _, value in settings), folder / "slurm")


def _package(name: str, what: str, extra: str) -> Any:
    """An optional package.

    Raises
    ------
    ValueError
        If it is not installed, with the extra that brings it.
    """
    try:
        return import_module(name)
    except ImportError:
        top = name.partition(".")[0]
        raise ValueError(f"{what} needs the package {top}: pip install 'sasa-theory[{extra}]'") from None
