"""``python -m sasa_theory`` is the ``sasa-theory`` command."""

from .cli import main

main()
