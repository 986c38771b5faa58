"""Metrics on units: what a design makes of a world whose truth is known, beside chance, truth and theory."""

from .as_published import AS_PUBLISHED
from .certificate import Certificate, certify
from .clustering import Redundancy, redundancy
from .consistency import Consistency, consistency
from .contract import Metric, Reading, Score
from .covering import Covering, covering_number
from .judge import judge
from .named import metric
from .observation import Observation, observe
from .reconstruction import Reconstruction, reconstruction
from .registry import METRICS

__all__ = [
    "AS_PUBLISHED",
    "METRICS",
    "Certificate",
    "Consistency",
    "Covering",
    "Metric",
    "Observation",
    "Reading",
    "Reconstruction",
    "Redundancy",
    "Score",
    "certify",
    "consistency",
    "covering_number",
    "judge",
    "metric",
    "observe",
    "reconstruction",
    "redundancy",
]
