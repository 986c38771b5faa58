"""Interrupted runs: killed, stopped by hand, out of disk; resumed to the same bits, or refused with the reason."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from sasa_theory import designs
from sasa_theory.designs import Design
from sasa_theory.training import Budget, Memory, Recipe, Trained, checkpoints, train
from sasa_theory.training.source import Stream

BUDGET = Budget(tokens=40 * 8, batch_size=8)
RECIPE = Recipe(lr=1e-2, normalise="unit_mean_square", ema=0.9, clip=1.0, resample_every=6)

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")


def source(seed: int = 0) -> Memory:
    return Memory(5 * torch.randn(200, 6, generator=torch.Generator().manual_seed(seed)))


def design() -> Design:
    return designs.get("batch-topk", width=6, atoms=90, k=2, dead_after=200)


def run(folder: Path | None, over: Any = None, **settings: Any) -> Trained:
    return train(design(), over or source(), BUDGET, RECIPE, folder=folder, log_every=7, **settings)


def weights(trained: Trained) -> dict[str, Tensor]:
    assert trained.average is not None
    average = {f"average.{name}": tensor for name, tensor in trained.average.state_dict().items()}
    return trained.design.state_dict() | average


def same(one: Trained, other: Trained) -> bool:
    a, b = weights(one), weights(other)
    logs = [[(e.step, e.loss, e.ev, e.l0, e.dead, e.terms) for e in trained.log] for trained in (one, other)]
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a) and logs[0] == logs[1]


@pytest.fixture(scope="module")
def uninterrupted() -> Trained:
    return run(None)


class Rigged(Memory):
    """A source that does something before it hands out its n-th batch."""

    def __init__(self, inner: Memory, n: int, act: Callable[[], object]) -> None:
        super().__init__(inner.activations)
        self._n, self._act = n, act

    def batches(self, batch_size: int, generator: torch.Generator, shard: Sequence[int] = (0, 1)) -> Any:
        return _Stream(super().batches(batch_size, generator, shard), self._n, self._act)


class _Stream(Iterator[Tensor]):
    def __init__(self, inner: Stream, n: int, act: Callable[[], object]) -> None:
        self._inner, self._left, self._act = inner, n, act
        self.state_dict, self.load_state_dict = inner.state_dict, inner.load_state_dict

    def __next__(self) -> Tensor:
        self._left -= 1
        if self._left == 0:
            self._act()
        return next(self._inner)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def in_child(job: Callable[[], object], kill_after: float | None = None) -> int:
    """Exit status of the job in a process of its own, killed after so many seconds if it still runs."""
    child = os.fork()
    if child == 0:
        torch.set_num_threads(1)
        try:
            job()
        except BaseException:
            os._exit(3)
        os._exit(0)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("saving", [{"checkpoint_steps": 1}, {"checkpoint_steps": 9}, {"checkpoint_seconds": 0.01}])
def test_killed_between_steps_and_resumed_to_the_same_bits(
    tmp_path: Path, uninterrupted: Trained, saving: dict[str, Any]
) -> None:
    """Calibration takes batches too: the first of them would be the death of every attempt."""
    for moment in random.Random(0).sample(range(1, 16), 2):
        rigged = _AfterCalibration(source(), moment, die)
        status = in_child(lambda rigged=rigged: run(tmp_path, rigged, resume=True, **saving))
        assert status == -signal.SIGKILL
    resumed = run(tmp_path, resume=True, **saving)
    assert same(resumed, uninterrupted)
    written = [json.loads(line)["loss"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert written == [entry.loss for entry in uninterrupted.log]


class _AfterCalibration(Rigged):
    """Acts in the stream that training uses, which is the first one; the scale is estimated from another."""

    def batches(self, batch_size: int, generator: torch.Generator, shard: Sequence[int] = (0, 1)) -> Any:
        n, self._n = self._n, 0
        return _Stream(Memory(self.activations).batches(batch_size, generator, shard), n, self._act)


def test_killed_at_any_time_and_resumed_to_the_same_bits(tmp_path: Path, uninterrupted: Trained) -> None:
    """Whatever it was just doing: stepping, writing, renaming or removing."""
    delays = random.Random(1)
    for _ in range(6):
        in_child(lambda: run(tmp_path, resume=True, checkpoint_steps=1), kill_after=delays.uniform(0.01, 0.1))
    assert same(run(tmp_path, resume=True, checkpoint_steps=1), uninterrupted)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["log.jsonl", "step-000039", "step-000040"]


@pytest.mark.parametrize(("moment", "last"), [("writing", 18), ("renaming", 18), ("removing", 27)])
def test_killed_while_a_checkpoint_is_being_written(
    tmp_path: Path, uninterrupted: Trained, monkeypatch: pytest.MonkeyPatch, moment: str, last: int
) -> None:
    """At step 27: half the tensors written; all written, under the temporary name; in place, the oldest still there."""

    def half(tensors: dict[str, Tensor], path: Path) -> None:
        save_file(tensors, path)
        if "000027" in str(path):
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
            die()

    def rename(path: Path, target: Path) -> Path:
        if target.name == "step-000027":
            die()
        return real_rename(path, target)

    def remove(path: Path, ignore_errors: bool = False) -> None:
        if path.name == "step-000009":
            die()

    real_rename = Path.rename
    with monkeypatch.context() as patch:
        if moment == "writing":
            patch.setattr(checkpoints, "save_file", half)
        elif moment == "renaming":
            patch.setattr(Path, "rename", rename)
        else:
            patch.setattr(checkpoints.shutil, "rmtree", remove)
        assert in_child(lambda: run(tmp_path, checkpoint_steps=9)) == -signal.SIGKILL
    found = checkpoints.latest(tmp_path)
    assert found is not None
    assert found.step == last
    assert same(run(tmp_path, resume=True, checkpoint_steps=9), uninterrupted)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["log.jsonl", "step-000036", "step-000040"]


@pytest.fixture
def _listening() -> Iterator[None]:
    """A process started in the background may ignore Ctrl-C from its birth."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_listening")
def test_ctrl_c_saves_where_it_stands(tmp_path: Path, uninterrupted: Trained) -> None:
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match=r"stopped after step 24, saved in .*; continue with resume=True"):
        run(tmp_path, _AfterCalibration(source(), 24, lambda: signal.raise_signal(signal.SIGINT)))
    assert signal.getsignal(signal.SIGINT) is handler
    found = checkpoints.latest(tmp_path)
    assert found is not None
    assert found.step == 24
    assert same(run(tmp_path, resume=True), uninterrupted)


@pytest.mark.usefixtures("_listening")
def test_a_second_ctrl_c_stops_at_once_and_leaves_the_last_good_checkpoint(tmp_path: Path) -> None:
    def twice() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, _AfterCalibration(source(), 24, twice), checkpoint_steps=9)
    found = checkpoints.latest(tmp_path)
    assert found is not None
    assert found.step == 18


@pytest.mark.usefixtures("_listening")
def test_where_ctrl_c_is_ignored_it_stays_ignored(tmp_path: Path, uninterrupted: Trained) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    rigged = _AfterCalibration(source(), 24, lambda: signal.raise_signal(signal.SIGINT))
    assert same(run(tmp_path, rigged), uninterrupted)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_a_full_disk_leaves_the_last_good_checkpoint_and_says_so(tmp_path: Path, uninterrupted: Trained) -> None:
    """The system refuses files larger than a limit, as it would refuse any on a full disk."""

    def limited() -> None:
        with pytest.raises(OSError, match=r"step 27 could not be written .*step-000018\. Make room") as caught:
            run(tmp_path, _AfterCalibration(source(), 25, limit), checkpoint_steps=9)
        assert "File too large" in str(caught.value)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, resource.RLIM_INFINITY))

    assert in_child(limited) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["log.jsonl", "step-000009", "step-000018"]
    assert same(run(tmp_path, resume=True), uninterrupted)


def test_a_log_that_cannot_be_written_says_where_to_continue(tmp_path: Path, uninterrupted: Trained) -> None:
    def limited() -> None:
        def limit() -> None:
            size = (tmp_path / "log.jsonl").stat().st_size + 10
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

        with pytest.raises(OSError, match=r"log.jsonl could not be written at step 14 .* last checkpoint"):
            run(tmp_path, _AfterCalibration(source(), 11, limit), checkpoint_steps=9)

    assert in_child(limited) == 0
    assert same(run(tmp_path, resume=True), uninterrupted)


def test_a_finished_run_resumes_to_its_result(tmp_path: Path, uninterrupted: Trained) -> None:
    first = run(tmp_path, resume=True)  # nothing there yet: it simply begins
    before = sorted(p.name for p in tmp_path.iterdir())
    again = run(tmp_path, resume=True)
    assert same(first, uninterrupted)
    assert same(again, uninterrupted)
    assert sorted(p.name for p in tmp_path.iterdir()) == before == ["log.jsonl", "step-000040"]


def test_the_last_two_checkpoints_are_kept(tmp_path: Path) -> None:
    run(tmp_path, checkpoint_steps=9)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["log.jsonl", "step-000036", "step-000040"]
    assert not list(tmp_path.rglob("*.pt"))
    assert sorted(p.name for p in (tmp_path / "step-000040").iterdir()) == ["state.json", "tensors.safetensors"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"design": designs.get("batch-topk", width=6, atoms=90, k=3, dead_after=200)}, "design.k was 2, got 3"),
        (
            {"design": designs.get("batch-topk", width=6, atoms=91, k=2, dead_after=200)},
            "design.columns was 90, got 91",
        ),
        ({"recipe": Recipe(lr=1e-3)}, "recipe.lr was 0.01, got 0.001"),
        ({"budget": Budget(tokens=321, batch_size=8)}, "budget.tokens was 320, got 321"),
        ({"seed": 1}, "seed was 0, got 1"),
        ({"source": source(1)}, "of another source: data of the state"),
    ],
)
def test_a_folder_of_another_run_is_refused_by_field(tmp_path: Path, change: dict[str, Any], field: str) -> None:
    run(tmp_path)
    settings = {"design": design(), "source": source(), "budget": BUDGET, "recipe": RECIPE} | change
    with pytest.raises(ValueError, match=field):
        train(**settings, folder=tmp_path, resume=True)


def test_a_used_folder_needs_resume_and_resume_needs_a_folder(tmp_path: Path) -> None:
    run(tmp_path)
    with pytest.raises(ValueError, match="holds the checkpoints of a run; continue it with resume=True"):
        run(tmp_path)
    with pytest.raises(ValueError, match="resume=True needs the folder"):
        run(None, resume=True)


@pytest.mark.parametrize("name", ["tensors.safetensors", "state.json"])
def test_a_damaged_checkpoint_is_named_with_the_remedy(tmp_path: Path, name: str, uninterrupted: Trained) -> None:
    run(tmp_path, checkpoint_steps=9)
    broken = tmp_path / "step-000040"
    (broken / name).write_bytes((broken / name).read_bytes()[:100])
    with pytest.raises(ValueError, match=r"step-000040 is damaged .*; remove .*step-000040 to continue"):
        run(tmp_path, resume=True)
    for path in broken.iterdir():
        path.unlink()
    broken.rmdir()
    assert same(run(tmp_path, resume=True), uninterrupted)


def test_the_only_checkpoint_damaged_means_to_train_anew(tmp_path: Path) -> None:
    run(tmp_path)
    (tmp_path / "step-000040" / "state.json").unlink()
    with pytest.raises(ValueError, match=r"step-000040 is damaged .*; remove .*step-000040 to train anew"):
        run(tmp_path, resume=True)


def test_checkpoints_of_a_newer_version_are_refused(tmp_path: Path) -> None:
    run(tmp_path)
    path = tmp_path / "step-000040" / "state.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 2}))
    with pytest.raises(ValueError, match="version is 2, this program reads 1; update"):
        run(tmp_path, resume=True)
