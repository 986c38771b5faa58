"""Large blocks stay with the process during training, and go back to the system afterwards."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path

import pytest
import torch

from sasa_theory.training.allocator import available, keep_large_blocks


def faults() -> int:
    """Pages that the system had to provide while a block above every threshold of glibc's came and went."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(2):
        torch.ones(2**23)  # 32 MB and a header
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def measure() -> dict[str, int]:
    left = []
    while not faults():  # what earlier tests freed may still be there, and serve without a fault
        left.append(torch.ones(2**23))
    outside = faults()
    with keep_large_blocks():
        with keep_large_blocks():
            torch.ones(2**23)
        for _ in range(4):
            faults()  # small blocks find their places between the large ones
        inside, held = faults(), resident()
    return {"outside": outside, "inside": inside, "afterwards": faults(), "released": held - resident()}


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_pages_are_cleared_once_instead_of_each_time_and_given_back_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [n for n in os.environ if n.startswith("MALLOC_") or n == "GLIBC_TUNABLES"]:
        monkeypatch.delenv(name)
    if os.fork() == 0:  # the count of page faults of a process that nothing else runs in
        torch.set_num_threads(1)
        (tmp_path / "found").write_text(json.dumps(measure()))
        os._exit(0)
    os.wait()
    found = json.loads((tmp_path / "found").read_text())
    if not available():  # another C library: nothing may change
        assert abs(found["inside"] - found["outside"]) < 0.1 * found["outside"] + 100
        return
    assert found["inside"] < 0.1 * found["outside"]
    assert found["afterwards"] > 0.5 * found["outside"]
    assert found["released"] > 2**24


def test_whoever_tuned_malloc_keeps_the_last_word(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MALLOC_ARENA_MAX", "GLIBC_TUNABLES"):
        with monkeypatch.context() as patch:
            patch.setenv(name, "1")
            assert not available()
            with keep_large_blocks():
                pass
