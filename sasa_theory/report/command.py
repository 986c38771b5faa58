"""What ``sasa-theory report`` does: finds records, puts shipped ones beside them, and writes the page."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sasa_theory.benchmark.records import Record
from sasa_theory.benchmark.shipped import shipped
from sasa_theory.benchmark.suites import TIERS
from sasa_theory.bounds.validate import choice

from .page.boards import comparable
from .page.building import Options, build
from .page.inputs import Inputs, files_below, read_inputs

NO_TIER = "none"
_DEFAULT_TIER = "standard"
_PLACES = ("verify", "verify-trained", "bench*")
"""Where records are looked for if none are named."""


def make_report(paths: Sequence[Path], out: Path, tier: str | None, options: Options) -> tuple[str, ...]:
    """Read, add what is shipped, and write.

    Parameters
    ----------
    paths : sequence of Path
        Files and folders; what lies in this folder if empty.
    out : Path
        Folder of the page.
    tier : str or None
        Whose shipped records to add, ``none`` for none. If None, those that can be compared with what was read; where
        no record of ``bench`` was read, those of the tier ``standard``.
    options : Options
        How.

    Returns
    -------
    tuple of str
        What was passed over.

    Raises
    ------
    ValueError, OSError
        As :func:`~sasa_theory.report.page.read_inputs` and :func:`~sasa_theory.report.page.build`; if the tier is
        unknown.
    """
    if tier is not None:
        choice("tier", tier, [*TIERS, NO_TIER])
    with _no_collection():
        inputs = read_inputs(paths or _found(Path()))
        return build(replace(inputs, records=(*inputs.records, *_shipped(inputs, tier))), out, options)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Around what makes millions of objects that all stay: looking for garbage among them takes a fifth of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _found(folder: Path) -> list[Path]:
    """What verify and bench have left in a folder."""
    places = [path for place in _PLACES for path in sorted(folder.glob(place)) if path.is_dir()]
    return [path for path in places if files_below(path)]


def _shipped(inputs: Inputs, tier: str | None) -> list[Record]:
    """Records of baselines to show beside what was read."""
    own = [record for record in inputs.records if record.purpose == "run"]
    known = {record.key for record in inputs.records}
    if tier is None and own:
        return [record for name in TIERS for record in _fitting(own, shipped(name)) if record.key not in known]
    name = _DEFAULT_TIER if tier is None else tier
    return [] if name == NO_TIER else [record for key, record in shipped(name).items() if key not in known]


def _fitting(own: Sequence[Record], candidates: dict[str, Record]) -> list[Record]:
    """Runs that can be compared with one's own, but of designs that one has run oneself."""
    taken = {(comparable(record), record.design) for record in own}
    settings = {setting for setting, _ in taken}
    worlds = {world for world, _ in settings}
    runs = [(comparable(record), record) for record in candidates.values() if record.purpose == "run"]
    return [
        record
        for setting, record in runs
        if (setting, record.design) not in taken
        and (setting in settings or (setting[1] is None and setting[0] in worlds))
    ]
