"""What a design is besides its tensors: the plain values by which runs, and members of an ensemble, are compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sasa_theory.designs.config import DesignConfig
from sasa_theory.designs.contract import Design


def settings_of(design: Design) -> dict[str, Any]:
    """Class, dimensions and dtype of a design, and the fields of its config where it has one, nested ones flat."""
    config = getattr(design, "config", None)
    fields = config.to_dict() if isinstance(config, DesignConfig) else {}
    own = {"class": type(design).__name__, "width": design.width, "columns": design.columns}
    dtypes = {str(p.dtype).removeprefix("torch.") for p in design.parameters()}
    return own | {"dtype": ", ".join(sorted(dtypes))} | flat(fields)


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, with names like ``recipe.lr``."""
    out: dict[str, Any] = {}
    for name, value in values.items():
        out |= flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
    return out
