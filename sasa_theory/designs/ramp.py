"""The one schedule of designs: a linear rise over the first share of training."""

from __future__ import annotations


def ramp(step: int, steps: int, share: float) -> float:
    """How far a rise over the first ``share`` of ``steps`` has come at ``step``: from 0 at the first step to 1.

    The last step of the share has 1 already, so that a rise over the whole training still arrives.

    Parameters
    ----------
    step, steps : int
        Number of the step, from 0, and of all steps.
    share : float
        Share of the steps over which to rise; 0 for none: 1 throughout.
    """
    last = share * steps - 1
    return 1.0 if step >= last else step / last
