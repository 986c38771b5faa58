"""Limits of containers, read from control groups of both versions."""

from __future__ import annotations

import os

import pytest

from sasa_theory.limits import cores, memory_limit, whole_cores


def group(root, path, **texts):
    folder = root / "sys/fs/cgroup" / path
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name.replace("_", ".", 1)).write_text(text + "\n")


@pytest.fixture
def root(tmp_path):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/outer/inner\n")
    return tmp_path


def test_without_control_groups_there_is_no_limit(tmp_path):
    assert cores(tmp_path) == len(os.sched_getaffinity(0))
    assert memory_limit(tmp_path) is None


def test_the_least_of_a_group_and_those_around_it(root):
    group(root, "outer", cpu_max="50000 100000", memory_max="4000")
    group(root, "outer/inner", cpu_max="max 100000", memory_max="9000")
    assert cores(root) == 0.5
    assert whole_cores(root) == 1
    assert memory_limit(root) == 4000


def test_other_groups_do_not_matter(root):
    group(root, "outer/inner", cpu_max="max 100000", memory_max="max")
    group(root, "other", cpu_max="10000 100000", memory_max="5")
    assert cores(root) == whole_cores(root) == len(os.sched_getaffinity(0))
    assert memory_limit(root) is None


def test_in_a_container_the_group_is_the_root(tmp_path):
    group(tmp_path, "", cpu_max="25000 100000", memory_max="77")
    assert cores(tmp_path) == 0.25
    assert memory_limit(tmp_path) == 77


@pytest.mark.parametrize(
    ("quota", "limit", "expected"), [("40000", "512", (0.4, 512)), ("-1", str(2**63 - 4096), None)]
)
def test_version_1(tmp_path, quota, limit, expected):
    for folder, name, text in (
        ("cpu", "cpu.cfs_quota_us", quota),
        ("cpu", "cpu.cfs_period_us", "100000"),
        ("memory", "memory.limit_in_bytes", limit),
    ):
        (tmp_path / "sys/fs/cgroup" / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / "sys/fs/cgroup" / folder / name).write_text(text + "\n")
    found = cores(tmp_path), memory_limit(tmp_path)
    assert found == (expected or (len(os.sched_getaffinity(0)), None))
