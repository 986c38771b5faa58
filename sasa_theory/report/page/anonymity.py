"""Records without what tells who made them: names of files and classes, paths, hosts and users."""

from __future__ import annotations

import getpass
import re
import socket
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sasa_theory.benchmark.records import Record
from sasa_theory.designs import presets

from .inputs import Inputs

_PATH = re.compile(
    r"""(?<!\w)(?:~|[A-Za-z]:)?[/\\][^\s'":,;]+(?::\w+)?|[^\s'":,;]+\.(?:py|jsonl?)\b(?::\w+)?|[^\s'"<>]+@[^\s'"<>]+"""
)
"""Absolute paths, names of files, and addresses."""

_OWN = ("oracle",)


def anonymous(inputs: Inputs) -> Inputs:
    """The same with designs that are not of this package called ``submitted design 1``, ..., and texts cleared.

    Results of language models lose the names of the folders they lay in.
    """
    names = _names(inputs.records)
    return replace(
        inputs,
        records=tuple(
            replace(record, design=names.get(record.design, record.design), failed=cleared(record.failed))
            for record in inputs.records
        ),
        language=tuple(
            replace(result, name=f"run {k}", values=_all_cleared(result.values))
            for k, result in enumerate(inputs.language, 1)
        ),
        notes=tuple(map(cleared, inputs.notes)),
    )


def cleared(text: str) -> str:
    """A text without paths, files, addresses, and the names of this machine and its user."""
    for name in _mine():
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "…", text, flags=re.IGNORECASE)
    # design names of this package hold a slash as well, but not at their beginning
    return _PATH.sub("…", text)


def _all_cleared(value: Any) -> Any:
    """Plain values with every text in them cleared, names of fields included."""
    if isinstance(value, dict):
        return {cleared(name): _all_cleared(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_all_cleared(one) for one in value]
    return cleared(value) if isinstance(value, str) else value


def _names(records: Sequence[Record]) -> dict[str, str]:
    known = {*presets(), *_OWN}
    foreign = dict.fromkeys(r.design for r in records if r.design.partition("[")[0] not in known)
    return {name: f"submitted design {k}" for k, name in enumerate(foreign, 1)}


def _mine() -> list[str]:
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container whose user has no name
        user = ""
    host = socket.gethostname()
    return [name for name in dict.fromkeys((host, host.partition(".")[0], user)) if len(name) > 1]
