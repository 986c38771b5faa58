"""Shared by every test: one BLAS thread, evidence that is measured once, and hypothesis profiles.

The profiles are `dev`, `ci` (fixed examples) and `nightly`.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run on all cores already; read when NumPy is first imported

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile("dev", deadline=None, max_examples=25, suppress_health_check=_SLOW)
settings.register_profile("ci", deadline=None, max_examples=25, derandomize=True, suppress_health_check=_SLOW)
settings.register_profile("nightly", deadline=None, max_examples=500, suppress_health_check=_SLOW)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


@pytest.fixture(scope="session")
def evidence(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Folder in which claims measured at fast effort are kept for all processes that run tests."""
    root = tmp_path_factory.getbasetemp()
    return (root if worker_id == "master" else root.parent) / "evidence"
