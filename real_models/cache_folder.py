"""Where downloads and trained models are kept between runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """The folder named by the environment variable ``SASA_THEORY_CACHE``, or the usual place for caches of a user."""
    named = os.environ.get("SASA_THEORY_CACHE")
    if named:
        return Path(named).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "sasa-theory"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "sasa-theory"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "sasa-theory"
