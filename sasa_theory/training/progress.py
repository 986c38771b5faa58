"""A progress bar on terminals, and nothing anywhere else."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from .log import Entry


class Bar:
    """Context manager that shows where training stands, drawn at each entry of the log: it costs the steps nothing.

    Parameters
    ----------
    steps : int
        Steps of the run.
    start : int
        Steps already taken.
    shown : bool
        Whether to draw at all; off a terminal nothing is drawn in any case.
    """

    def __init__(self, steps: int, start: int = 0, *, shown: bool = True) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("step {task.completed}/{task.total}"),
            BarColumn(),
            TextColumn("{task.description}"),
            TimeRemainingColumn(),
            console=console,
            auto_refresh=False,
            disable=not (shown and console.is_terminal),
        )
        self._task = self._progress.add_task("", total=steps, completed=start)
        self._last: Entry | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, entry: Entry) -> None:
        """Draw the entry: explained variance, L0, share of dead units and speed."""
        tokens, seconds = entry.tokens, entry.seconds
        if self._last is not None:
            tokens, seconds = tokens - self._last.tokens, seconds - self._last.seconds
        self._last = entry
        ev = "-" if entry.ev is None else f"{entry.ev:.4f}"
        text = f"EV {ev}  L0 {entry.l0:.1f}  dead {entry.dead:.1%}  {tokens / max(seconds, 1e-9):,.0f} tokens/s"
        self._progress.update(self._task, completed=entry.step, description=text, refresh=True)
