"""Designs as text: a name, and in brackets the settings in which it differs, e.g. ``sasa/release[balance=0.6]``."""

from __future__ import annotations

from dataclasses import fields
from types import NoneType
from typing import Any, NamedTuple, get_args, get_type_hints

from sasa_theory import designs
from sasa_theory.bounds.validate import choice
from sasa_theory.designs.config import DesignConfig, GroupConfig

SIZES = ("width", "atoms", "groups", "rank", "k", "active", "steps", "target_l0")
"""Fields that the benchmark sets, so that sizes agree."""


class Spec(NamedTuple):
    """A preset and the settings in which it differs.

    Attributes
    ----------
    name : str
        Of the preset.
    settings : dict
        Values by field of its config.
    """

    name: str
    settings: dict[str, Any]


def parsed(text: str) -> Spec:
    """Read ``name`` or ``name[field=value,field=value]``.

    Raises
    ------
    ValueError
        If the design or a field is unknown (with the nearest), a field is one of size or given twice, or a value is
        none that the field may have.
    """
    name, bracket, rest = text.partition("[")
    choice("design", name, ["oracle", *designs.presets()])
    if not bracket:
        return Spec(name, {})
    if not rest.endswith("]") or name == "oracle":
        raise ValueError(f"settings must be given as in sasa/release[balance=0.6,penalty=map], got {text!r}")
    config = designs.presets()[name].config
    hints = get_type_hints(config)
    free = [entry.name for entry in fields(config) if entry.name not in SIZES]
    settings: dict[str, Any] = {}
    for part in rest[:-1].split(","):
        field, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise ValueError(f"a setting of {name} must be field=value, got {part!r}")
        if field in SIZES:
            raise ValueError(f"{field} of {name} is set by the benchmark, which matches sizes; it cannot be {value}")
        choice(f"field of {name}", field, free)
        if field in settings:
            raise ValueError(f"{field} of {name} is given twice")
        settings[field] = _value(field, hints[field], value)
    _check(name, config, settings)
    return Spec(name, settings)


def _value(field: str, hint: Any, text: str) -> Any:
    """The text as a value of the field's type."""
    kinds = get_args(hint) if NoneType in get_args(hint) else (hint,)
    if NoneType in kinds and text == "None":
        return None
    if bool in kinds:
        return {"True": True, "False": False}[choice(field, text, ("True", "False"))]
    for kind in (int, float):
        if kind in kinds:
            try:
                return kind(text)
            except ValueError:
                raise ValueError(f"{field} must be {'a whole ' if kind is int else 'a '}number, got {text!r}") from None
    return text  # the config knows which texts it takes


def _check(name: str, config: type[DesignConfig], settings: dict[str, Any]) -> None:
    """Let the config refuse what it does not take, at sizes for which nothing else is refused."""
    shape = {"width": 64, **({"groups": 8, "rank": 4} if issubclass(config, GroupConfig) else {"atoms": 32})}
    own = {entry.name for entry in fields(config)}
    asked = {**designs.presets()[name].settings, **settings}
    shape |= {field: 1 for field in ("k", "active", "steps") if field in own}
    if asked.get("penalty") == "target":
        shape["target_l0"] = 1
    if "sparsity" in own and "sparsity" not in asked:
        shape["sparsity"] = 1
    designs.config(name, **shape, **settings)
