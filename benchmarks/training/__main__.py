"""Measure training against its peers: ``python -m benchmarks.training --rounds 5 --json training.json``.

See README.md one folder up for how to install the peers and how to read the tables. Run by hand, never by the tests.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from fnmatch import fnmatchcase
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import typer

from . import report
from .settings import CONTENDERS, ENTRIES, SETTINGS, Entry
from .tuning import environment

_ROOT = Path(__file__).parents[2]
_INSTALL = (
    "pip install -e . sae-lens==6.54.12 dictionary-learning==0.1.0 eai-sparsify==1.3.3 overcomplete==0.3.0 "
    '"matplotlib<3.9"'
)
_LAST_WORDS = 2000


def versions() -> dict[str, str | None]:
    """Installed versions of what the contenders need; None where it is missing."""
    found: dict[str, str | None] = {}
    for name in sorted({contender.distribution for contender in CONTENDERS.values()}):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def wanted(patterns: Sequence[str]) -> list[Entry]:
    """The entries of the installed contenders whose names match one of the patterns; all if there is no pattern."""
    installed = versions()
    missing = [name for name, found in installed.items() if found is None]
    if missing:
        typer.echo(
            f"left out, as not installed: {', '.join(missing)}; a scratch environment has them after\n{_INSTALL}"
        )
    chosen = [entry for entry in ENTRIES if not patterns or any(fnmatchcase(str(entry), p) for p in patterns)]
    if not chosen:
        raise typer.BadParameter(f"no entry matches {', '.join(patterns)}; they are called e.g. {ENTRIES[0]}")
    return [entry for entry in chosen if installed[CONTENDERS[entry.contender].distribution] is not None]


def turn(entry: Entry) -> dict[str, Any]:
    """One turn of an entry in a process of its own.

    Raises
    ------
    RuntimeError
        If it fails, with the last it said.
    """
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.training.worker", entry.setting, entry.mode, entry.contender],
        env=environment(entry.mode, SETTINGS[entry.setting]),
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{entry} failed:\n{done.stderr[-_LAST_WORDS:]}")
    return json.loads(done.stdout.splitlines()[-1])


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; in each every contender has one turn.")] = 5,
    only: Annotated[
        list[str] | None, typer.Option(help="Pattern of entries to measure, e.g. 'large/tuned/*'; may be repeated.")
    ] = None,
    json_path: Annotated[Path | None, typer.Option("--json", help="Write everything measured to this file.")] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the ratios as a table for README.md too.")
    ] = False,
) -> None:
    """Measure training against its peers."""
    entries = wanted(only or [])
    results: dict[str, list[dict[str, Any]]] = {str(entry): [] for entry in entries}
    for k in range(rounds):
        start = k * len(entries) // rounds
        for entry in entries[start:] + entries[:start]:
            if str(entry) in results:
                add_turn(entry, results)
        typer.echo(f"round {k + 1} of {rounds} done", err=True)
        if json_path is not None:
            json_path.write_text(json.dumps(record(results), indent=1) + "\n")
    found = report.ratios(results)
    report.show(results, found)
    if markdown:
        typer.echo(report.markdown(results, found))
    if len(results) < len(entries):
        raise typer.Exit(1)


def add_turn(entry: Entry, results: dict[str, list[dict[str, Any]]]) -> None:
    """Add a turn to the results; a contender that fails leaves them, and the others go on."""
    try:
        result = turn(entry)
    except RuntimeError as error:
        typer.echo(f"left out from here on: {error}", err=True)
        del results[str(entry)]
        return
    results[str(entry)].append(result)
    typer.echo(f"{entry}: {1e3 * result['seconds']:.3g} ms, {result['steps']} steps", err=True)


def record(results: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """What to keep of a measurement."""
    return {
        "machine": platform.platform(),
        "cores": os.cpu_count(),
        "versions": versions(),
        "settings": {name: asdict(setting) for name, setting in SETTINGS.items()},
        "results": results,
        "ratios": [asdict(ratio) for ratio in report.ratios(results)],
    }


if __name__ == "__main__":
    typer.run(main)
