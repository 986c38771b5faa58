"""Executable theorems: each states itself, measures itself without its bound, and has a falsifier that must fail."""

from .contract import Chart, Claim, Effort, Evidence, Relation, Verdict
from .registry import CLAIMS, find, select, trained_claims
from .runner import Record, Result, Task, plan, run, verify

__all__ = [
    "CLAIMS",
    "Chart",
    "Claim",
    "Effort",
    "Evidence",
    "Record",
    "Relation",
    "Result",
    "Task",
    "Verdict",
    "find",
    "plan",
    "run",
    "select",
    "trained_claims",
    "verify",
]
