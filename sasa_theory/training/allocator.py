"""Let the C library keep large blocks between steps, instead of asking the system for each tensor anew.

glibc maps every large block (from somewhere between 128 kB and 32 MB on) from the system and returns it when freed. A
training step frees and asks again for the same large buffers, and the system has to clear each page of them each time,
which may take as long as the arithmetic. Inside :func:`keep_large_blocks` freed blocks stay with the process.
"""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_MMAP_MAX = -1, -3, -4
_MOST = 2**31 - 1
_DEFAULT_MMAP_MAX = 65_536
_LARGEST_DYNAMIC = 32 * 2**20
"""Where glibc's own rule, switched off by any setting, would have moved the threshold of mapping by now."""

_lock = Lock()
_users = 0


@contextmanager
def keep_large_blocks() -> Iterator[None]:
    """Keep freed blocks in the process while inside; afterwards glibc's defaults return, and the free memory with them.

    It concerns the whole process. It does nothing where the C library is not glibc, or where the environment already
    tunes malloc (``MALLOC_*_``, ``GLIBC_TUNABLES``): whoever did so meant it.
    """
    global _users
    if not available():
        yield
        return
    libc = ctypes.CDLL(None)
    with _lock:
        _users += 1
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, _MOST)
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                libc.mallopt(_M_MMAP_MAX, _DEFAULT_MMAP_MAX)
                libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST_DYNAMIC)
                libc.mallopt(_M_TRIM_THRESHOLD, 2 * _LARGEST_DYNAMIC)
                libc.malloc_trim(0)


def available() -> bool:
    """Whether :func:`keep_large_blocks` does anything here."""
    tuned = "GLIBC_TUNABLES" in os.environ or any(name.startswith("MALLOC_") for name in os.environ)
    return platform.libc_ver()[0] == "glibc" and not tuned
