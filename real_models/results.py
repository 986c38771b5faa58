"""Results as JSON: plain values, and files of them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from sasa_theory.whole_files import write_text


def plain(value: Any) -> Any:
    """The same of mappings, lists, numbers and texts alone: arrays as lists, and None for what is no finite number."""
    if isinstance(value, Mapping):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):  # a NamedTuple, which has no class of its own
        return plain(value._asdict())
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, Tensor | np.ndarray | np.generic):
        return plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_json(path: Path, value: Any) -> None:
    """Write :func:`plain` values: the file is there whole or not at all."""
    write_text(path, json.dumps(plain(value), indent=1, allow_nan=False) + "\n")
