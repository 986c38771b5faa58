"""Does SASA give each feature one group of the feature's own rank, where atoms split it? Run by hand, see README.md."""

from __future__ import annotations

import argparse
import platform
import time
from typing import NamedTuple

import torch
from torch import Tensor

from sasa_theory import designs
from sasa_theory.training import Budget, Recipe, train
from synthetic import Feature, Features, World, preset

DIMENSIONS, EACH = (1, 2, 3, 4), 4
BATCH, JUDGED = 1024, 20_000
SHARE = 0.9
"""Of a feature's energy, that its units must hold."""
PRESENT = 0.1
"""Of the energy of a unit's strongest direction: weaker directions do not count towards its rank."""

GROUPS = {"groups": 24, "rank": 4, "active": 2}
ATOMS = {"atoms": 96}
CONTENDERS = {
    "sasa/paper": (GROUPS, 1e-2),
    "topk/signed": (ATOMS | {"k": 8}, 3e-3),
    "topk": (ATOMS | {"k": 8}, 3e-3),
    "relu": (ATOMS | {"sparsity": 0.05}, 3e-3),
}
"""Settings, 96 columns each, and learning rate; SASA first, then controls."""


class Found(NamedTuple):
    """What a trained design made of a world's features; tensors have one entry a feature."""

    explained: float
    """Explained variance."""
    units: Tensor
    """Fewest units that hold nine tenths of the feature's energy."""
    exact: Tensor
    """Whether the unit that holds most of it holds most of no other feature, and has the feature's rank."""
    capture: Tensor
    """Share of the feature's subspace that lies in that unit's."""
    purity: Tensor
    """Share of that unit's subspace that lies in the feature's."""


def build_world(seed: int) -> World:
    """Four features of each dimension 1 to 4, uniform on spheres in orthogonal subspaces, two active a row."""
    features = tuple(Features(Feature("subspace", dim, radius="sphere"), EACH) for dim in DIMENSIONS)
    return World.build(preset("theorem", "small", features=features), seed=seed)


@torch.no_grad()
def judge(design: designs.Design, world: World) -> Found:
    """Compare a design's units with the world's features on fresh rows.

    A unit is what it adds to reconstructions: its columns of the code, decoded alone. Its subspace is spanned by the
    principal directions of that, as many as are PRESENT.
    """
    sample = world.sample(JUDGED, torch.Generator().manual_seed(2**31))
    x, on = sample.x, sample.truth.dense()
    codes, bases = design.encode(x), [world.basis(i) for i in range(world.config.size)]
    offset = design.decode(torch.zeros_like(codes[:1]))
    adds = [design.decode(codes * (design.units() == unit)) - offset for unit in range(design.n_units)]
    spectra = [torch.linalg.eigh(part.T @ part / len(x)) for part in adds]
    ranks = [int((values > PRESENT * values[-1]).sum()) if values[-1] > 0 else 0 for values, _ in spectra]
    spans = [vectors[:, len(vectors) - rank :].T for (_, vectors), rank in zip(spectra, ranks, strict=True)]
    energies = torch.stack(
        [torch.stack([(part[on[:, i]] @ basis.T).square().sum() for part in adds]) for i, basis in enumerate(bases)]
    )
    best = energies.argmax(dim=1).tolist()
    largest = energies.sort(dim=1, descending=True).values.cumsum(dim=1)
    overlaps = torch.stack([(spans[unit] @ basis.T).square().sum() for unit, basis in zip(best, bases, strict=True)])
    dims, best_ranks = torch.tensor([len(basis) for basis in bases]), torch.tensor([ranks[unit] for unit in best])
    alone = torch.tensor([best.count(unit) == 1 for unit in best])
    return Found(
        explained=float(1 - (design(x) - x).square().sum() / (x - x.mean(dim=0)).square().sum()),
        units=(largest < SHARE * largest[:, -1:]).sum(dim=1) + 1,
        exact=alone & (best_ranks == dims),
        capture=overlaps / dims,
        purity=overlaps / best_ranks.clamp_min(1),
    )


def main() -> None:
    """Train every contender on every seed and print one line each; then a table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seeds", type=int, default=10, help="seeds of worlds and weights for SASA")
    arguments.add_argument("--controls", type=int, default=3, help="of these, seeds for each control; default 3")
    arguments.add_argument("--steps", type=int, default=3000, help=f"training steps of {BATCH} rows; default 3000")
    options = arguments.parse_args()
    torch.set_num_threads(1)
    table = []
    for name, (settings, rate) in CONTENDERS.items():
        found, seconds, cpu = [], [], []
        for seed in range(options.seeds if name == "sasa/paper" else options.controls):
            world = build_world(seed)
            design = designs.get(name, seed=seed, width=world.width, **settings)
            began, began_cpu = time.perf_counter(), time.process_time()
            budget = Budget(tokens=options.steps * BATCH, batch_size=BATCH)
            train(design, world, budget, Recipe(lr=rate), seed=seed, progress=False)
            seconds.append(time.perf_counter() - began)
            cpu.append(time.process_time() - began_cpu)
            found.append(judge(design, world))
            print(f"{name}, seed {seed}, {seconds[-1]:.1f} s:", *_cells(found[-1:]), sep="  ", flush=True)
        if found:
            table.append([name, str(len(found)), *_cells(found), _range(seconds), _range(cpu)])
    heads = ["design", "seeds", "EV, least", "units a feature of dimension 1", "2", "3", "4"]
    heads += ["exact ranks", "capture, least", "purity, least", "seconds a run", "CPU seconds"]
    print(f"\n{platform.machine()}, torch {torch.__version__}, one thread, {options.steps} steps of {BATCH}\n")
    for row in (heads, ["---"] * len(heads), *table):
        print(f"| {' | '.join(row)} |")


def _cells(found: list[Found]) -> list[str]:
    """EV, units by dimension, exact ranks, capture and purity of some seeds together."""
    units = torch.stack([each.units for each in found]).double().unflatten(1, (len(DIMENSIONS), EACH)).mean(dim=(0, 2))
    exact = torch.stack([each.exact for each in found])
    least = [min(float(values.min()) for values in (each[field] for each in found)) for field in (3, 4)]
    return [
        f"{min(each.explained for each in found):.4f}",
        *(f"{value:.2f}" for value in units.tolist()),
        f"{int(exact.sum())} of {exact.numel()}",
        *(f"{value:.4f}" for value in least),
    ]


def _range(values: list[float]) -> str:
    return f"{min(values):.0f} to {max(values):.0f}"


if __name__ == "__main__":
    main()
