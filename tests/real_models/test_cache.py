"""Activations on disk: the right rows, the same bytes after any interruption, one clear error for whatever is wrong."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from itertools import islice
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from real_models import cache
from real_models.activations import in_order
from real_models.cache import write_cache
from real_models.cached import CachedActivations

from .tabled import WIDTH, source

ROWS, SHARD = 100, 32
SETTINGS = {"rows": ROWS, "shard_rows": SHARD, "dtype": "float32"}


def written(folder, a=None, **changes):
    return write_cache(a or source(), folder=folder, **(SETTINGS | changes))


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name != ".lock"}


def expected(rows=ROWS) -> torch.Tensor:
    found = list(islice(in_order(source()), -(-rows // 21)))  # 3 sequences of 7 positions each
    return torch.cat(found)[:rows]


@pytest.mark.parametrize(("dtype", "error"), [("float32", 0), ("bfloat16", 2**-8), ("float16", 2**-11)])
def test_the_rows_of_the_text_come_back_in_order(tmp_path, dtype, error):
    written(tmp_path, dtype=dtype)
    found = torch.cat(list(CachedActivations(tmp_path, window=1).in_order()))
    torch.testing.assert_close(found, expected(), rtol=error, atol=1e-6 if error else 0)
    assert found.dtype == torch.float32
    assert sorted(files(tmp_path)) == ["index.json", *(f"rows-{k:06d}.safetensors" for k in range(4))]


def test_size_and_room_are_told_before_anything_is_written(tmp_path, monkeypatch):
    plans = []

    def announce(plan):
        plans.append(plan)
        assert not files(tmp_path / "a")

    index = written(tmp_path / "a", announce=announce)
    (plan,) = plans
    real = sum(shard.size for shard in index.shards)
    assert real <= plan.bytes == plan.missing < real + 4 * 4096
    assert (plan.rows, plan.width, plan.shards) == (ROWS, WIDTH, 4)
    assert "100 rows of width 6 in 4 shards" in str(plan)
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: usage(plan.bytes - 1))
    with pytest.raises(OSError, match=r"too little room in .* 0.00 GiB free"):
        written(tmp_path / "b")
    assert not files(tmp_path / "b")
    written(tmp_path / "a", announce=plans.append)  # nothing is missing there
    assert plans[-1].missing == 0


class KilledError(BaseException):
    pass


@pytest.mark.parametrize("moment", range(8))
def test_an_interrupted_run_ends_with_the_same_bytes(tmp_path, monkeypatch, moment):
    """Each shard and each index is renamed once: stop before every one of them, leaving the half-written file."""
    whole = tmp_path / "whole"
    written(whole)
    own, left = os.replace, [moment]

    def stop(one, other):
        if not left[0]:
            shutil.copy(one, str(one) + "-torn")
            raise KilledError
        left[0] -= 1
        own(one, other)

    folder = tmp_path / "stopped"
    monkeypatch.setattr("os.replace", stop)
    with pytest.raises(KilledError):
        written(folder)
    assert any(name.endswith("-torn") for name in files(folder))
    monkeypatch.setattr("os.replace", own)
    if moment > 1:  # there is an index already
        with pytest.raises(ValueError, match=f"holds {moment // 2} of 4 shards"):
            CachedActivations(folder)
    written(folder)
    assert files(folder) == files(whole)


def test_kill_9_leaves_what_can_be_continued(tmp_path):
    program = """
import os, signal, sys
from tests.real_models.test_cache import written
own, calls = os.replace, []
def deadly(one, other):
    calls.append(one)
    if len(calls) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    own(one, other)
os.replace = deadly
written(sys.argv[1])
"""
    folder = tmp_path / "killed"
    root = Path(__file__).parents[2]
    ended = subprocess.run([sys.executable, "-c", program, str(folder)], cwd=root, check=False, capture_output=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert len(json.loads((folder / "index.json").read_text())["shards"]) == 1
    written(folder)
    written(tmp_path / "whole")
    assert files(folder) == files(tmp_path / "whole")


@pytest.mark.parametrize("shard", [0, 2, 3])
def test_a_lost_or_torn_shard_is_made_anew_alone(tmp_path, shard):
    written(tmp_path)
    before = files(tmp_path)
    path = tmp_path / f"rows-{shard:06d}.safetensors"
    for damage, told in (
        (path.unlink, "is missing"),
        (lambda: path.write_bytes(path.read_bytes()[:-5]), "size is"),
        (lambda: path.write_bytes(b"x" * path.stat().st_size), "is damaged"),
    ):
        damage()
        with pytest.raises(ValueError, match=rf"{path.name}:? {told}.*only this shard is made anew"):
            CachedActivations(tmp_path)
        times = {other: other.stat().st_mtime_ns for other in tmp_path.glob("*.safetensors") if other != path}
        written(tmp_path)
        assert files(tmp_path) == before
        assert times == {other: other.stat().st_mtime_ns for other in times}


def test_changed_numbers_are_found_by_their_checksum(tmp_path):
    written(tmp_path)
    CachedActivations(tmp_path).verify()
    path = tmp_path / "rows-000001.safetensors"
    content = bytearray(path.read_bytes())
    content[-7] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"rows-000001.safetensors: checksum .* remove it"):
        CachedActivations(tmp_path).verify()
    path.unlink()
    written(tmp_path)
    CachedActivations(tmp_path).verify()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"rows": 101}, "rows is 100 there, 101 here"),
        ({"shard_rows": 50}, "shard_rows is 32 there, 50 here"),
        ({"dtype": "bfloat16"}, "dtype is 'float32' there"),
        ({"a": {"seed": 1}}, "source.model is"),
        ({"a": {"skip": 2}}, "source.harvest.skip is 1 there, 2 here"),
        ({"a": {"documents": 8}}, "source.corpus is"),
    ],
)
def test_a_cache_of_other_rows_is_left_alone(tmp_path, changes, told):
    written(tmp_path)
    before = files(tmp_path)
    other = source(**changes.get("a", {}))
    with pytest.raises(ValueError, match=rf"index.json: {told}.*give another folder"):
        written(tmp_path, other, **{name: value for name, value in changes.items() if name != "a"})
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda told: told.pop("rows"), "field rows is missing"),
        (lambda told: told.update(rows="many"), "wrong type"),
        (lambda told: told.update(width=0), "width is 0, expected at least 1"),
        (lambda told: told.update(dtype="int4"), "dtype is 'int4'"),
        (lambda told: told.update(version=2), "version is 2, this program reads 1"),
        (lambda told: told.update(format="other"), "format is not"),
        (lambda told: told.update(shard_rows=31), "shards do not hold"),
        (lambda told: told.update(width=7), r"rows are float32 of shape \(32, 6\), the index says .*\(32, 7\)"),
    ],
)
def test_a_damaged_index_is_named_with_its_field(tmp_path, change, told):
    written(tmp_path)
    path = tmp_path / "index.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=told):
        CachedActivations(tmp_path)


def test_other_folders_are_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(ValueError, match=r"holds mine.txt and no index.json"):
        written(tmp_path)
    with pytest.raises(ValueError, match="is a file"):
        written(tmp_path / "mine.txt")
    with pytest.raises(ValueError, match="holds no cached activations"):
        CachedActivations(tmp_path)
    (tmp_path / "index.json").write_text("{")
    with pytest.raises(ValueError, match=r"index\.json is damaged"):
        CachedActivations(tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "precious"
    (tmp_path / "busy").mkdir()
    with FileLock(tmp_path / "busy" / ".lock"), pytest.raises(ValueError, match="another process is writing"):
        written(tmp_path / "busy")
