"""``submit.json``: all that somebody needs to say which numbers these are, and to get them again."""

from __future__ import annotations

import platform
from collections import defaultdict
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from sasa_theory.benchmark.records import Record, digest
from sasa_theory.claims import Result

from .inputs import Inputs

_PACKAGES = ("sasa-theory", "numpy", "scipy", "torch")


def submission(inputs: Inputs, judged: Sequence[tuple[Result, str]]) -> dict[str, Any]:
    """Plain values: ``benchmark``, ``claims``, ``environment``.

    A configuration's hash is the SHA-256 of its identity in the records, the seed left out, in canonical JSON. Seeds,
    keys of the records, and versions of metrics and packages stand beside it.
    """
    return {
        "format": 1,
        "benchmark": _benchmark(inputs.records),
        "claims": [
            {
                "claim": result.claim.id,
                "verdict": result.outcome if {r.task.kind for r in result.records} >= {"measure", "falsify"} else None,
                "efforts": sorted({r.task.effort for r in result.records}),
                "seeds": sorted({r.task.seed for r in result.records}),
            }
            for result, _ in judged
        ],
        "evidence": [file.header for file in inputs.evidence],
        "environment": {
            "python": platform.python_version(),
            "system": platform.system(),
            "machine": platform.machine(),
            **{name: version(name) for name in _PACKAGES},
        },
    }


def config_hash(record: Record) -> str:
    """Digest of what determines a run but for its seed."""
    return digest({name: value for name, value in record.identity.items() if name != "seed"})


def _benchmark(records: Sequence[Record]) -> list[dict[str, Any]]:
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if record.purpose == "run":
            groups[config_hash(record)].append(record)
    return [
        {
            "config": config,
            "design": runs[0].design,
            "world": runs[0].world,
            "seeds": sorted(run.seed for run in runs),
            "records": sorted(run.key for run in runs),
            "metrics": runs[0].identity["metrics"],
            "versions": [dict(pairs) for pairs in sorted({tuple(sorted(run.versions.items())) for run in runs})],
            "failed": [run.seed for run in runs if run.failed],
        }
        for config, runs in groups.items()
    ]
