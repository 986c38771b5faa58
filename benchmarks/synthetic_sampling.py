"""Samples per second of the synthetic worlds, side by side with SAELens' generator and with a plain loop over features.

See README.md in this folder for how to install the peer and how to read the table. Run by hand, never by the tests:

    python benchmarks/synthetic_sampling.py --rounds 7 --json sampling.json
"""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.table import Table
from torch import Tensor

from synthetic import Exactly, World, preset

BATCH = 4096
TURN = 1.0
"""Seconds."""
PEER = "SAELens"
MISSING = (
    "sae-lens is not installed, so only the loop is compared; to compare with SAELens, install both packages into one "
    "scratch environment: pip install -e . sae-lens==6.54.12"
)

Draw = Callable[[], object]


@dataclass(frozen=True)
class Comparison:
    """Two contenders and how many times faster the first is meant to be."""

    ours: str
    other: str
    goal: float


@dataclass(frozen=True)
class Speedup:
    """How many times faster ours was: median, least and largest over the rounds."""

    ours: str
    other: str
    goal: float
    median: float
    least: float
    largest: float


@dataclass(frozen=True)
class Setting:
    """How SAELens is run.

    Attributes
    ----------
    full : bool
        With hierarchy and correlation, or plain.
    sparse : bool
        Whether its activations are sparse tensors.
    part : int
        Samples per call; a batch is made of several calls.
    processes : int
        Worker processes with one thread each; 0 is this process with torch's threads. Workers drop what they draw, so
        nothing is charged for moving it.
    """

    full: bool
    sparse: bool
    part: int
    processes: int


SETTINGS = {
    "hierarchy + correlation": Setting(full=True, sparse=False, part=BATCH, processes=0),
    "hierarchy + correlation, tuned": Setting(full=True, sparse=False, part=256, processes=2),
    "plain sparse": Setting(full=False, sparse=True, part=BATCH, processes=0),
    "plain sparse, tuned": Setting(full=False, sparse=True, part=256, processes=2),
}
"""Untuned is one call a batch with torch's own threads; tuned is the fastest found on two cores, see README.md."""

COMPARISONS = (
    Comparison("synthsae16k", f"{PEER}, hierarchy + correlation", 10),
    Comparison("synthsae16k", f"{PEER}, hierarchy + correlation, tuned", 10),
    Comparison("synthsae16k", f"{PEER}, plain sparse", 3),
    Comparison("synthsae16k", f"{PEER}, plain sparse, tuned", 3),
    Comparison("sasa_dimension", "sasa_dimension, loop", 2),
    Comparison("sasa_rank", "sasa_rank, loop", 2),
)


def world_batches(name: str) -> Draw:
    """Batches of a preset at the scale of its source."""
    world = World.build(preset(name), seed=0)
    return world.batches(BATCH, torch.Generator().manual_seed(1)).__next__


def loop_batches(name: str) -> Draw:
    """Batches of a world of Gaussian subspaces with exactly s active, drawn feature by feature."""
    return _loop(World.build(preset(name), seed=0)).__next__


def _loop(world: World) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(1)
    firing, noise, dims = world.config.firing, world.config.noise, world.config.dims
    if not isinstance(firing, Exactly):
        raise TypeError(f"the loop draws exactly s active features, got {firing!r}")
    bases = world.bases.split(list(dims))
    stds = [(energy / d) ** 0.5 for energy, d in zip(world.energies(), dims, strict=True)]
    noise_std = (noise * float((world.marginals() * world.energies()).sum()) / world.width) ** 0.5
    while True:
        fires = torch.zeros(BATCH, len(dims), dtype=torch.bool)
        chosen = torch.rand(BATCH, len(dims), generator=generator).topk(firing.active).indices
        fires.scatter_(1, chosen, True)
        x = torch.randn(BATCH, world.width, generator=generator) * noise_std
        for i, basis in enumerate(bases):
            rows = torch.nonzero(fires[:, i]).flatten()
            z = torch.randn(len(rows), dims[i], generator=generator) * stds[i]
            x[rows] += z @ basis
        yield x


def noise_alone() -> Draw:
    """A batch of independent normal numbers in width 768: what every world with noise has to draw."""
    generator = torch.Generator().manual_seed(1)
    return lambda: torch.randn(BATCH, 768, generator=generator)


def peer_model(setting: Setting) -> Any:
    """SAELens' SynthSAEBench-16k (arXiv 2602.14687); its directions stay random, which costs sampling nothing."""
    from sae_lens import synthetic as peer

    model = peer.SyntheticModel(
        peer.SyntheticModelConfig(
            num_features=16384,
            hidden_dim=768,
            firing_probability=peer.ZipfianFiringProbabilityConfig(exponent=0.5, max_prob=0.4, min_prob=5e-4),
            hierarchy=peer.HierarchyConfig(
                total_root_nodes=128,
                branching_factor=4,
                max_depth=3,
                mutually_exclusive_portion=1.0,
                compensate_probabilities=True,
                scale_children_by_parent=True,
            )
            if setting.full
            else None,
            correlation=peer.LowRankCorrelationConfig(rank=25, correlation_scale=0.1) if setting.full else None,
            mean_firing_magnitudes=peer.LinearMagnitudeConfig(start=5.0, end=4.0),
            std_firing_magnitudes=peer.FoldedNormalMagnitudeConfig(mean=0.5, std=0.5),
            bias=0.5,
            seed=42,
        )
    )
    model.use_sparse_tensors = setting.sparse
    return model


def peer_batches(setting: Setting, stack: ExitStack) -> Draw:
    """Batches of SAELens under a setting; worker processes live until ``stack`` closes."""
    if setting.processes == 0:
        model = peer_model(setting)
        return lambda: [model.sample(setting.part) for _ in range(BATCH // setting.part)]
    pool = ProcessPoolExecutor(setting.processes, get_context("spawn"), _start_worker, (setting,))
    stack.enter_context(pool)
    shares = [BATCH // setting.processes] * setting.processes
    return lambda: list(pool.map(_work, shares))


_worker: dict[str, Any] = {}  # a worker process' setting and model


def _start_worker(setting: Setting) -> None:
    torch.set_num_threads(1)
    _worker.update(setting=setting, model=peer_model(setting))


def _work(samples: int) -> None:
    part = _worker["setting"].part
    for _ in range(samples // part):
        _worker["model"].sample(part)


def measure(contenders: dict[str, Draw], rounds: int) -> dict[str, list[float]]:
    """Seconds a batch of each contender in each round; every round runs all, each time starting with another.

    In its turn a contender draws as many batches as fill about TURN seconds, so that a busy machine slows all alike.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    batches = {}
    for name, draw in contenders.items():
        draw()  # warm up
        batches[name] = max(1, round(TURN / _time(draw)))
    names = list(contenders)
    for k in range(rounds):
        for name in names[k % len(names) :] + names[: k % len(names)]:
            total = _time(lambda draw=contenders[name], n=batches[name]: [draw() for _ in range(n)])
            seconds[name].append(total / batches[name])
    return seconds


def _time(job: Draw) -> float:
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def compare(seconds: dict[str, list[float]]) -> list[Speedup]:
    """Speedups of the comparisons whose contenders were measured, round against round."""
    found = []
    for c in COMPARISONS:
        if c.other in seconds:
            ratios = [b / a for a, b in zip(seconds[c.ours], seconds[c.other], strict=True)]
            found.append(Speedup(**asdict(c), median=statistics.median(ratios), least=min(ratios), largest=max(ratios)))
    return found


def show(seconds: dict[str, list[float]], speedups: list[Speedup]) -> None:
    """Print both tables."""
    speeds = Table("contender", "ms a batch", "samples/s", title=f"batch {BATCH}, medians")
    for name, times in seconds.items():
        median = statistics.median(times)
        speeds.add_row(name, f"{1e3 * median:.1f}", f"{BATCH / median:,.0f}")
    ratios = Table("ours", "other", "times faster", "range", "goal", "met", title="ratios within rounds")
    for s in speedups:
        met = "yes" if s.median >= s.goal else "NO"
        ratios.add_row(s.ours, s.other, f"{s.median:.1f}", f"{s.least:.1f} to {s.largest:.1f}", f"{s.goal:g}", met)
    console = Console()
    console.print(speeds, ratios)


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; in each every contender has one turn.")] = 7,
    json_path: Annotated[Path | None, typer.Option("--json", help="Write times and ratios to this file.")] = None,
) -> None:
    """Measure the synthetic worlds against their peers."""
    contenders: dict[str, Draw] = {"noise alone": noise_alone()}
    with ExitStack() as stack:
        for name in ("synthsae16k", "sasa_dimension", "sasa_rank"):
            contenders[name] = world_batches(name)
        for name in ("sasa_dimension", "sasa_rank"):
            contenders[f"{name}, loop"] = loop_batches(name)
        try:
            peer_version = version("sae-lens")
            for name, setting in SETTINGS.items():
                contenders[f"{PEER}, {name}"] = peer_batches(setting, stack)
        except PackageNotFoundError:
            peer_version = None
            typer.echo(MISSING, err=True)
        seconds = measure(contenders, rounds)
    speedups = compare(seconds)
    show(seconds, speedups)
    if json_path is not None:
        record = {
            "machine": platform.platform(),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            "sae-lens": peer_version,
            "batch": BATCH,
            "seconds": seconds,
            "speedups": [asdict(s) for s in speedups],
        }
        json_path.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
