"""What a container may use of the machine, which the operating system itself does not say."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

_V2 = "cpu.max", "memory.max"
_V1_QUOTA, _V1_PERIOD = "cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"
_V1_MEMORY = "memory/memory.limit_in_bytes"
_ENDLESS = 2**60  # bytes: version 1 says "no limit" with a number near 2**63


def cores(root: Path = Path("/")) -> float:
    """Processor cores that this process may use: its affinity, or less where a control group allows less.

    Parameters
    ----------
    root : Path
        Of the file system.
    """
    shares = [float(os.cpu_count() or 1)]
    if sys.platform == "linux":
        shares.append(len(os.sched_getaffinity(0)))
    for folder in _groups(root):
        quota, _, period = _text(folder / _V2[0]).partition(" ")
        if quota.isdigit() and period:
            shares.append(int(quota) / int(period))
    quota, period = _text(root / "sys/fs/cgroup" / _V1_QUOTA), _text(root / "sys/fs/cgroup" / _V1_PERIOD)
    if quota.isdigit() and period:
        shares.append(int(quota) / int(period))
    return min(shares)


def whole_cores(root: Path = Path("/")) -> int:
    """Workers that need not wait for one another: whole cores that this process may use, at least one."""
    return max(1, int(cores(root)))


def memory_limit(root: Path = Path("/")) -> int | None:
    """Bytes that a control group allows this process; None where it sets no limit.

    Parameters
    ----------
    root : Path
        Of the file system.
    """
    texts = [_text(folder / _V2[1]) for folder in _groups(root)] + [_text(root / "sys/fs/cgroup" / _V1_MEMORY)]
    return min((int(text) for text in texts if text.isdigit() and int(text) < _ENDLESS), default=None)


def _groups(root: Path) -> Iterator[Path]:
    """Folders of this process's control group, version 2, and of those around it."""
    mounted = root / "sys/fs/cgroup"
    own = next((line[3:] for line in _text(root / "proc/self/cgroup").splitlines() if line.startswith("0::")), "/")
    inner = mounted / own.lstrip("/")
    yield from (folder for folder in (inner, *inner.parents) if folder.is_relative_to(mounted))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
