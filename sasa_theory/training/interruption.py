"""Ctrl-C between two steps instead of within one, so that what is saved is whole."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType


class Interrupt:
    """Whether Ctrl-C was pressed."""

    requested = False


@contextmanager
def deferred(*, active: bool = True) -> Iterator[Interrupt]:
    """Inside, the first Ctrl-C only sets ``requested``; a second one interrupts at once, as ever.

    Nothing changes if not ``active``, nor outside the main thread, which alone can do so, nor where Ctrl-C is ignored,
    as in processes that a script starts in the background.
    """
    interrupt = Interrupt()
    ignored = signal.getsignal(signal.SIGINT) in (signal.SIG_IGN, None)  # None: the handler is not Python's to restore
    if not active or ignored or current_thread() is not main_thread():
        yield interrupt
        return

    def note(number: int, frame: FrameType | None) -> None:
        interrupt.requested = True
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)
