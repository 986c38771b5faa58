"""The whole journey of a newcomer, from a clone to a page, timed: ``python benchmarks/journey.py --json journey.json``.

Clones this repository into an empty folder, with an empty cache, and does there what the README says, in its order.
Stops at the first command that does not end with status 0. Packages come from pip's own cache where it has them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
OURS = ".venv/bin/sasa-theory"


class Step(NamedTuple):
    """What a newcomer does: what for, and the words of a command."""

    what: str
    words: tuple[str, ...]

    @property
    def shown(self) -> str:
        """The command as one types it in an activated environment."""
        return " ".join(self.words).replace(OURS, "sasa-theory")


STEPS = (
    Step("every theorem, set-up of the environment included", ("make", "verify")),
    Step("every theorem again", ("make", "verify")),
    Step("what training finds", ("make", "verify", "ARGS=--trained")),
    Step("a design to start from", (OURS, "new", "my_design.py")),
    Step("is it sound?", (OURS, "check", "my_design.py:MySAE")),
    Step("where does it stand?", (OURS, "bench", "my_design.py:MySAE", "--tier", "smoke")),
    Step("a page of all that", (OURS, "report")),
    Step("circles in a transformer, trained from nothing", (OURS, "real", "demo")),
    Step("the same, the transformer cached", (OURS, "real", "demo", "--out", "again")),
    Step("a taste of every notebook", (OURS, "notebooks", "--execute", "--fast", "--out", "executed")),
)


def timed(step: Step, folder: Path, environment: Mapping[str, str]) -> float:
    """Seconds of a step; what it says is shown only if it fails."""
    begin = time.monotonic()
    done = subprocess.run(step.words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stdout[-4000:]}{done.stderr[-4000:]}\n{step.shown}: status {done.returncode}")
    return time.monotonic() - begin


def spoken(seconds: float) -> str:
    """Seconds as one says them."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def main() -> None:
    """Walk, and print the table of the README."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", type=Path, help="file for the seconds")
    wanted = parser.parse_args()
    with TemporaryDirectory() as empty:
        folder = Path(empty) / "sasa-theory"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
        environment = os.environ | {"SASA_THEORY_CACHE": str(Path(empty) / "cache")}
        seconds = {}
        print("| step | command | time |\n|---|---|---|")
        for step in STEPS:
            seconds[step.what] = timed(step, folder, environment)
            print(f"| {step.what} | `{step.shown}` | {spoken(seconds[step.what])} |", flush=True)
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {date.today()}"
    print(f"\n{machine}")
    if wanted.json:
        wanted.json.write_text(json.dumps({"machine": machine, "seconds": seconds}, indent=1) + "\n")


if __name__ == "__main__":
    main()
