"""Two processes on the CPU, started as torchrun starts them, against one."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file
from torch import distributed

from sasa_theory import designs
from sasa_theory.training import process_group
from sasa_theory.training.processes import Processes

# One launch for everything, since starting takes longer than training. The source is in double precision, so that
# rounding decides no selection.
COMMON = """
import torch
from sasa_theory import designs
from sasa_theory.training import Budget, Diverged, Ensemble, Memory, Recipe, process_group, train

torch.set_num_threads(1)
generator = torch.Generator().manual_seed(5)
source = Memory((torch.randn(512, 20, generator=generator).relu() @ torch.randn(20, 12, generator=generator)).double())
budget, recipe = Budget(tokens=30 * 128, batch_size=128), Recipe(lr=3e-3, clip=1.0, normalise="unit_mean_square")
settings = {"log_every": 10, "progress": False}

def topk(seed=0):
    return designs.get("topk", width=12, atoms=24, k=3, seed=seed).double()

def sasa():
    blocks = {"groups": 8, "rank": 3, "active": 2, "penalty_unit": "sum", "penalty_coefficient": 0.05}
    return designs.get("sasa/paper", width=12, **blocks).double()

RUNS = {"topk": topk, "sasa": sasa, "ensemble": lambda: Ensemble([topk(0), topk(1)], [1.0, 0.3])}
"""
SCRIPT = (
    COMMON
    + """
import gc, signal, sys, weakref
from pathlib import Path
from safetensors.torch import save_file
from sasa_theory.training.source import MemoryStream

folder = Path(sys.argv[1])
signal.signal(signal.SIGINT, signal.default_int_handler)

class Interrupted(Memory):
    "Ctrl-C during the 15th step."

    def batches(self, *args):
        stream = super().batches(*args)
        stream.__class__ = Interrupting
        return stream

class Interrupting(MemoryStream):
    def __next__(self):
        if self.state_dict()["position"] == 14 * 64:
            signal.raise_signal(signal.SIGINT)
        return super().__next__()

with process_group() as processes:
    group = weakref.ref(torch.distributed.group.WORLD)
    gc.disable()  # so that leaving the group has to collect what refers to it
    for name, build in RUNS.items():
        design = train(build(), source, budget, recipe, folder=folder / name, **settings).design
        if processes.rank == 0:
            save_file({name: tensor.contiguous() for name, tensor in design.state_dict().items()}, folder / f"{name}.w")
    plain = Recipe(lr=3e-3, clip=1.0)
    stops = Interrupted(source.activations) if processes.rank == 1 else source
    try:
        train(topk(), stops, budget, plain, folder=folder / "stopped", **settings)
    except KeyboardInterrupt as interrupt:
        (folder / f"interrupted-{processes.rank}").write_text(str(interrupt))
    resumed = train(topk(), source, budget, plain, folder=folder / "stopped", resume=True, **settings)
    whole = train(topk(), source, budget, plain, **settings)
    same = all(map(torch.equal, resumed.design.parameters(), whole.design.parameters()))
    (folder / f"same-{processes.rank}").write_text(f"{same} {len(whole.log)}")
    broken = source.activations.clone()
    broken[7] = torch.nan
    try:
        train(topk(), Memory(broken), budget, Recipe(), **settings)
    except Diverged as diverged:
        (folder / f"diverged-{processes.rank}").write_text(str(diverged))
(folder / f"gone-{processes.rank}").write_text(str(group() is None))
"""
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What two processes left behind."""
    folder = tmp_path_factory.mktemp("two")
    (folder / "script.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    arguments = [str(folder / "script.py"), str(folder)]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("name", ["topk", "sasa", "ensemble"])
def test_two_processes_give_what_one_gives(name, folder):
    alone = {}
    exec(COMMON, alone)
    one = alone["train"](alone["RUNS"][name](), alone["source"], alone["budget"], alone["recipe"], **alone["settings"])
    weights = one.design.state_dict()
    for key, tensor in load_file(folder / f"{name}.w").items():
        torch.testing.assert_close(tensor, weights[key], rtol=1e-6, atol=1e-8)
    log = [json.loads(line) for line in (folder / name / "log.jsonl").read_text().splitlines()]
    for before, after in zip(one.log, log, strict=True):
        for field in ("loss", "ev", "l0", "dead"):
            assert after[field] == pytest.approx(getattr(before, field), rel=1e-6)
        assert after["terms"] == pytest.approx(before.terms, rel=1e-6)


def test_ctrl_c_in_one_process_stops_all_and_they_resume_to_the_same_bits(folder):
    for rank in range(2):
        assert "stopped after step 15" in (folder / f"interrupted-{rank}").read_text()
        assert (folder / f"same-{rank}").read_text() == "True 3"


def test_data_that_break_one_process_stop_all_at_the_same_step(folder):
    other, own = sorted((folder / f"diverged-{rank}").read_text() for rank in range(2))
    assert other.split(":")[0] == own.split(":")[0]
    assert "rows of another process are to blame" in other
    assert "the data hold NaN or infinite values in 1 of the batch's 64 rows" in own


def test_no_thread_of_the_group_outlives_it(folder):
    assert [(folder / f"gone-{rank}").read_text() for rank in range(2)] == ["True", "True"]  # or exiting may abort


def test_what_a_loss_notes_is_averaged_too(monkeypatch):
    design = designs.get("batch-topk", width=4, atoms=8, k=2, seed=1)
    loss = design.loss(torch.randn(16, 4, generator=torch.Generator().manual_seed(0)))
    processes = Processes()
    processes.size = 2
    monkeypatch.setattr(distributed, "all_reduce", lambda tensor: tensor.mul_(2))  # the other process holds the same
    together = processes._of_all_rows(loss)
    assert together.terms == pytest.approx({name: float(term) for name, term in loss.terms.items()})
    assert together.noted == pytest.approx({"threshold": float(loss.noted["threshold"])})
    assert together.noted["threshold"] != together.terms["reconstruction"]
    assert torch.equal(together.fired, 2 * loss.fired)


def test_without_torchrun_there_is_one_process():
    with process_group() as processes:
        assert (processes.rank, processes.size) == (0, 1)


def test_a_batch_that_cannot_be_shared_is_refused_with_the_nearest():
    processes = Processes()
    processes.size = 4
    assert processes.share(12) == 3
    with pytest.raises(ValueError, match="multiple of the 4 processes, got 10; the nearest possible is 8"):
        processes.share(10)
