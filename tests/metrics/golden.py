"""Values of every metric on spoilt dictionaries: ``python -m tests.metrics.golden`` writes them to ``golden.json``.

Run it after adding a metric, or after changing a formula and raising its version; no other value may then change.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch

from sasa_theory.metrics import METRICS, Observation, observe
from synthetic import World

from . import dictionaries

FILE = Path(__file__).with_suffix(".json")
COMMAND = "python -m tests.metrics.golden"
ROWS = 1500


def measured() -> dict[str, list[float | None]]:
    """Each metric's version and its values for all dictionaries; None for NaN, which JSON does not have."""
    observations = spoilt()
    return {
        name: [metric.version, *(_plain(metric.measure(observation).value) for observation in observations)]
        for name, metric in METRICS.items()
    }


def spoilt() -> tuple[Observation, ...]:
    """What every formula has something to say about.

    Units blurred more and more that reconstruct too little, two in one; copies of which one fires at a time; and in a
    world of families, as many units a row as are long enough, and a parent's unit that falls silent beside its child's;
    there also copies that partly cancel, a dead unit, a cover by lines, and a feature that is just not recovered.
    """
    known = dictionaries.world(seed=3, noise=0.05)
    generator = torch.Generator().manual_seed(5)
    blurred = [
        0.8 * basis + 0.04 * i * torch.randn(basis.shape, generator=generator)
        for i, basis in enumerate(dictionaries.truth(known), start=1)
    ]
    dimmed = dictionaries.Fixed([*blurred[:4], torch.cat(blurred[4:])], 2)
    copies = dictionaries.Halves(blurred)
    families = dictionaries.families(noise=0.05)
    return (
        observe(dimmed, known, ROWS, seed=1),
        observe(copies, known, ROWS, seed=2),
        observe(Absorbing(families), families, ROWS, seed=3),
        observe(dictionaries.Patchwork(families), families, ROWS, seed=4),
    )


class Absorbing(dictionaries.Fixed):
    """Every unit long enough fires, but the first parent's only without its first child's, which spans both."""

    def __init__(self, families: World) -> None:
        bases = dictionaries.truth(families)
        super().__init__([*bases[:2], torch.cat((bases[2], bases[0])), *bases[3:]], 6, gates=bases)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        lengths = torch.stack([(x @ gate.T).norm(dim=1) for gate in self.gates], dim=1)
        on = lengths > 0.5
        on[:, 0] &= ~on[:, 2]
        return (x @ self.encoder.T) * on[:, self.of]


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else float(f"{value:.6g}")


if __name__ == "__main__":
    lines = (f'  "{name}": {json.dumps(values)}' for name, values in sorted(measured().items()))
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
