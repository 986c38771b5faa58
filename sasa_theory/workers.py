"""Workers whose results do not depend on how many cores there are."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_ALONE = threading.Lock()
"""Held by what seeds PyTorch's default generator or sets its threads: both belong to the whole process."""

_BLAS_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@contextmanager
def one_blas_thread_each() -> Iterator[None]:
    """Processes started inside have one BLAS thread: the last bits of a matrix product depend on the number.

    The environment says so, which a process reads when it first imports NumPy; afterwards it is as it was.
    """
    before = {name: os.environ.get(name) for name in _BLAS_THREADS}
    os.environ.update(dict.fromkeys(_BLAS_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def begin_worker() -> None:
    """Leave Ctrl-C to the parent, which ends its workers in order, and end with it if it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None  # this is a worker

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def one_thread() -> Iterator[None]:
    """Inside, torch uses one thread, and no other thread of this process is inside."""
    import torch  # not needed where nothing is trained, and slow to import

    with _ALONE:
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)
