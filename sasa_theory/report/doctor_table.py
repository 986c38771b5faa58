"""What the doctor found, for the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from sasa_theory.doctor.examination import Examination
    from sasa_theory.doctor.folders import Folder
    from sasa_theory.doctor.machine import Machine


def doctor_table(found: Examination) -> RenderableType:
    """Versions, machine, folders and extras, each a table; then what is broken and what could be better."""
    head = _table("", "")
    head.add_row("sasa-theory", _plain(f"{found.version} in {found.place}"))
    head.add_row("Python", _plain(found.python))
    packages = _table("package", "installed", "needed")
    for package in found.packages:
        style = "" if package.ok else "bold red"
        packages.add_row(package.name, Text(package.installed or "missing", style=style), package.wanted)
    parts: list[RenderableType] = [head, packages]
    if found.machine is not None:
        parts.append(_machine(found.machine))
    parts.append(_folders([*found.caches, *found.results]))
    extras = _table("extra", "holds, or would add", "here")
    for extra in found.extras:
        here = Text(extra.pip, style="yellow") if extra.missing else Text("installed", style="green")
        extras.add_row(extra.name, _plain(", ".join(extra.missing or extra.adds)), here)
    parts.append(extras)
    parts += [Text(f"Hint: {text}.", style="yellow") for text in found.hints]
    parts += [Text(f"Broken: {text}.", style="bold red") for text in found.broken]
    if not found.broken:
        parts.append(Text("Nothing is broken.", style="bold green"))
    return Group(*parts)


def _machine(machine: Machine) -> Table:
    """One row a fact."""
    table = _table("machine", "")
    threads = ", ".join(f"{name}={value or 'not set'}" for name, value in machine.environment.items())
    limit = f", {_size(machine.limit)} allowed here" if machine.limit is not None else ""
    rows: Iterable[tuple[str, str]] = [
        ("system", machine.system),
        ("processor", f"{machine.processor}, PyTorch uses {machine.instructions}"),
        ("cores", f"{machine.cores:g} may be used of {machine.cores_present}"),
        ("threads", f"{machine.threads} of PyTorch, OpenMP {'on' if machine.openmp else 'off'}; BLAS {machine.blas}"),
        ("", threads),
        ("memory", f"{_size(machine.memory)}, free {_size(machine.free)}{limit}"),
        *((gpu.device, f"{gpu.name}, {_size(gpu.memory)}, free {_size(gpu.free)}") for gpu in machine.accelerators),
    ]
    for name, fact in rows:
        table.add_row(name, _plain(fact))
    if not machine.accelerators:
        table.add_row("GPU", "none that PyTorch can use")
    return table


def _folders(folders: Iterable[Folder]) -> Table:
    table = _table("folder", "size", "holds")
    for folder in folders:
        size = "not there yet" if folder.size is None else _size(folder.size)
        table.add_row(_plain(folder.path), size if folder.writable else f"{size}, not writable", _plain(folder.holds))
    return table


def _table(*titles: str) -> Table:
    return Table(*titles, box=box.SIMPLE_HEAD, pad_edge=False, show_header=any(titles))


def _plain(text: str) -> Text:
    """Without markup: a path may hold brackets."""
    return Text(text, overflow="fold")


def _size(number: int | None) -> str:
    """Bytes in the unit that suits them."""
    if number is None:
        return "unknown"
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.1f} MB"
