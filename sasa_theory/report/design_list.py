"""Tables of designs and of their settings for the terminal."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sasa_theory.designs import DesignConfig, Preset

_ATTRIBUTE = re.compile(r"^(\w+(?:, \w+)*) : .*$")


def design_table(presets: Mapping[str, Preset], *, wide: bool = True) -> Table:
    """One row a preset: name, what it is, where it comes from. ``wide`` keeps lines apart by rules."""
    table = Table(box=box.HEAVY_HEAD if wide else box.SIMPLE_HEAD, pad_edge=wide, collapse_padding=not wide)
    table.add_column("design", no_wrap=True)
    table.add_column("what it is")
    table.add_column("source")
    for name, preset in sorted(presets.items()):
        table.add_row(Text(name), Text(preset.summary), Text(preset.source))
    return table


def design_settings(name: str, preset: Preset) -> RenderableType:
    """A preset in full: summary, source, and every field of its config with its value there and what it means."""
    docs = field_docs(preset.config)
    settable = [entry for entry in fields(preset.config) if entry.init]
    missing = [entry for entry in settable if _is_missing(entry, preset)]
    table = Table("field", "value", "meaning")
    for entry in [*missing, *(entry for entry in settable if entry not in missing)]:
        table.add_row(Text(entry.name), _value(entry, preset), Text(docs[entry.name]))
    table.caption = "bold: set by the preset; else a default" if preset.settings else "all values are defaults"
    call = f"sasa_theory.designs.get({name!r}, {', '.join(f'{entry.name}=...' for entry in missing)})"
    return Group(
        Text(name, style="bold"),
        Text(preset.summary),
        Text(f"Source: {preset.source}"),
        Text(f"Make it: {call}"),
        table,
    )


def field_docs(config: type[DesignConfig]) -> dict[str, str]:
    """What each field of a config means: the entries ``Attributes`` in the docstrings of its class and their bases."""
    docs: dict[str, str] = {}
    for cls in reversed(config.__mro__):
        _, _, attributes = (inspect.cleandoc(cls.__doc__ or "")).partition("\nAttributes\n----------\n")
        names: list[str] = []
        for line in attributes.splitlines():
            header = _ATTRIBUTE.match(line)
            if header:
                names = header[1].split(", ")
                docs |= dict.fromkeys(names, "")
            else:
                docs |= {name: f"{docs[name]} {_plain(line.strip())}".strip() for name in names}
    return docs


def _plain(line: str) -> str:
    """Without the marks of Sphinx: roles and double back-quotes."""
    return re.sub(r":\w+:`~?([^`]*)`", r"\1", line).replace("``", "")


def _is_missing(entry: Field[object], preset: Preset) -> bool:
    return entry.name not in preset.settings and entry.default is entry.default_factory is MISSING


def _value(entry: Field[object], preset: Preset) -> Text:
    if entry.name in preset.settings:
        return Text(repr(preset.settings[entry.name]), style="bold")
    return Text("to be given", style="italic") if _is_missing(entry, preset) else Text(repr(entry.default))
