"""How long a page of 10,000 records takes, interpreter and imports aside: ``python benchmarks/report_speed.py``.

The records are shipped ones under other names and seeds, their values moved a little: 20 designs in 5 worlds, 100
seeds.
"""

from __future__ import annotations

import json
import random
import sys
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from sasa_theory.benchmark.records import Record
from sasa_theory.benchmark.shipped import shipped
from sasa_theory.report.command import make_report
from sasa_theory.report.page import Options

DESIGNS, WORLDS, SEEDS = 20, 5, 100


def invented(rng: random.Random) -> list[Record]:
    """Records enough, each with all metrics."""
    patterns = [record for record in shipped("standard").values() if record.purpose == "run"]
    trained = [record for record in patterns if record.identity["recipe"] is not None]
    found = []
    for world in range(WORLDS):
        for design in range(DESIGNS):
            pattern = trained[(world * DESIGNS + design) % len(trained)]
            for seed in range(SEEDS):
                identity = json.loads(json.dumps(pattern.identity))
                identity |= {"seed": seed, "world": {**trained[0].identity["world"], "noise": world / 100}}
                identity["design"] = {"name": f"design {design}", "source": f"{design:064d}"}
                metrics = {
                    name: replace(one, value=one.value * rng.uniform(0.9, 1.1)) for name, one in pattern.metrics.items()
                }
                names = {"design": f"design {design}", "world": f"world {world}"}
                found.append(replace(pattern, identity=identity, metrics=metrics, seed=seed, **names))
    return found


def main() -> None:
    """Write, read, build; print the seconds."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "records.jsonl"
        path.write_bytes(b"".join(record.to_line() for record in invented(random.Random(0))))
        start, work = time.perf_counter(), time.process_time()
        make_report([path], Path(folder) / "report", "none", Options())
        seconds, processor = time.perf_counter() - start, time.process_time() - work
        size = (Path(folder) / "report" / "index.html").stat().st_size / 2**20
    sys.stdout.write(
        f"{DESIGNS * WORLDS * SEEDS:,} records: {seconds:.1f} s, of a processor {processor:.1f} s; {size:.1f} MiB\n"
    )


if __name__ == "__main__":
    main()
