"""One contender's turn, in a process of its own: ``python -m benchmarks.training.worker SETTING MODE CONTENDER``.

The last line it prints is a JSON object: seconds a step and model, steps timed, and by how many bytes the largest
memory of the process exceeded what it held before the model was built.
"""

from __future__ import annotations

import json
import resource
import sys
from importlib import import_module

from .settings import CONTENDERS, SETTINGS
from .tuning import route_products
from .turn import Turn, TurnOver


def main(setting_name: str, mode: str, name: str) -> None:
    """Run the turn and print the result."""
    setting, contender = SETTINGS[setting_name], CONTENDERS[name]
    for module in ("torch._dynamo", *contender.imports):  # torch imports the former, and much with it, on first use
        import_module(module)
    module, _, function = contender.run.partition(".")
    run = getattr(import_module(f".{module}", __package__), function)
    tuned = mode == "tuned"
    if tuned:
        route_products()
    turn = Turn(setting)
    before = _peak()
    try:
        run(turn, setting, tuned)
    except TurnOver:
        result = {"seconds": turn.seconds_per_step / contender.models, "steps": turn.steps, "bytes": _peak() - before}
        print("\n" + json.dumps(result))


def _peak() -> int:
    """Bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main(*sys.argv[1:])
