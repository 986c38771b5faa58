"""Two processes on the CPU, started as torchrun starts them, against one."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from sasa_theory.training import process_group
from sasa_theory.training.processes import Processes

SCRIPT = """
import sys
import torch
from safetensors.torch import save_file
from sasa_theory import designs
from sasa_theory.training import Budget, Memory, Recipe, process_group, train

torch.set_num_threads(1)
name, folder = sys.argv[1:]
blocks = {"groups": 8, "rank": 3, "active": 2, "penalty_unit": "sum", "penalty_coefficient": 0.05}
settings = {"topk": {"atoms": 24, "k": 3}, "sasa/paper": blocks}
generator = torch.Generator().manual_seed(5)
source = Memory(torch.randn(512, 20, generator=generator).relu() @ torch.randn(20, 12, generator=generator))
source = Memory(source.activations.double())  # so that rounding decides no selection
with process_group() as processes:
    design = designs.get(name, width=12, **settings[name]).double()
    recipe = Recipe(lr=3e-3, clip=1.0, normalise="unit_mean_square")
    budget = Budget(tokens=30 * 128, batch_size=128)
    train(design, source, budget, recipe, folder=folder + "/run", log_every=10, progress=False)
    if processes.rank == 0:
        save_file({name: tensor.contiguous() for name, tensor in design.state_dict().items()}, folder + "/weights")
"""


def launch(name, folder, processes):
    folder.mkdir()
    (folder / "script.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    arguments = [str(folder / "script.py"), name, str(folder)]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    log = [json.loads(line) for line in (folder / "run" / "log.jsonl").read_text().splitlines()]
    return load_file(folder / "weights"), log


@pytest.mark.parametrize("name", ["topk", "sasa/paper"])
def test_two_processes_give_what_one_gives(name, tmp_path):
    one, log_of_one = launch(name, tmp_path / "one", 1)
    two, log_of_two = launch(name, tmp_path / "two", 2)
    for key, tensor in two.items():
        torch.testing.assert_close(tensor, one[key], rtol=1e-6, atol=1e-8)
    for before, after in zip(log_of_one, log_of_two, strict=True):
        assert after["l0"] == pytest.approx(before["l0"])
        assert after["terms"]["reconstruction"] == pytest.approx(before["terms"]["reconstruction"], rel=1e-6)
        assert after["dead"] == before["dead"]


def test_without_torchrun_there_is_one_process():
    with process_group() as processes:
        assert (processes.rank, processes.size) == (0, 1)


def test_a_batch_that_cannot_be_shared_is_refused_with_the_nearest():
    processes = Processes()
    processes.size = 4
    assert processes.share(12) == 3
    with pytest.raises(ValueError, match="multiple of the 4 processes, got 10; the nearest possible is 8"):
        processes.share(10)
