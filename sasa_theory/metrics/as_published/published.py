"""What a metric of others is: a metric of ours with a defect that is known, and perhaps one that corrects it."""

from __future__ import annotations

from dataclasses import dataclass

from ..contract import Metric

SOURCE = "SASA authors' released code, July 2026 (arXiv 2606.06333)"


@dataclass(frozen=True, kw_only=True)
class Published(Metric):
    """A metric as its authors' code defines it.

    Attributes
    ----------
    defect : str
        What is wrong with it; empty if nothing is known to be.
    corrected_by : str
        Name of the metric of ours that asks the same question without that defect; empty if there is none.
    """

    defect: str = ""
    corrected_by: str = ""
    source: str = SOURCE
