"""What the Tab key offers for arguments: names read from this package's sources, as importing PyTorch takes seconds."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

_PACKAGE = Path(__file__).parent.parent


def claim_ids(incomplete: str) -> list[str]:
    """Ids of claims: what the classes in ``claims/`` and ``claims/trained/`` call ``id``."""
    files = [*_PACKAGE.glob("claims/*.py"), *_PACKAGE.glob("claims/trained/*.py")]
    return _beginning(incomplete, (name for file in files for name in _ids(file)))


def design_names(incomplete: str) -> list[str]:
    """Names of designs: the keys of every ``PRESETS`` in ``designs/``."""
    files = _PACKAGE.glob("designs/*/*.py")
    return _beginning(incomplete, (name for file in files for name in _keys(file, "PRESETS")))


def tier_names(incomplete: str) -> list[str]:
    """Names of tiers of the benchmark."""
    return _beginning(incomplete, _keys(_PACKAGE / "benchmark" / "suites.py", "TIERS"))


def suite_names(incomplete: str) -> list[str]:
    """Names of the experiments of others."""
    return _beginning(incomplete, _keys(_PACKAGE / "benchmark" / "suite_command.py", "SUITES"))


def matches(incomplete: str) -> list[str]:
    """In what sizes of designs may agree."""
    return _beginning(incomplete, _options(_PACKAGE / "benchmark" / "budgets.py", "Match"))


def scales(incomplete: str) -> list[str]:
    """How large a suite may be."""
    return _beginning(incomplete, _options(_PACKAGE / "benchmark" / "suite_parts.py", "Scale"))


def notebook_names(incomplete: str) -> list[str]:
    """Names of the notebooks in the folder of the project, if this is it."""
    return _beginning(incomplete, (path.stem for path in Path("notebooks").glob("*.ipynb")))


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))


def _ids(file: Path) -> Iterator[str]:
    """The class attributes ``id`` in a source file."""
    for node in ast.parse(file.read_bytes()).body:
        if isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.Assign) and ast.unparse(inner.targets[0]) == "id":
                    yield from _texts([inner.value])


def _keys(file: Path, name: str) -> list[str]:
    """The keys of the dictionary of this name in a source file; none if it has no such dictionary."""
    tables = (inner for value in _values(file, name) for inner in ast.walk(value) if isinstance(inner, ast.Dict))
    return _texts(key for table in list(tables)[:1] for key in table.keys)  # further ones are values of the first


def _options(file: Path, name: str) -> list[str]:
    """The texts in the ``Literal`` of this name in a source file."""
    return _texts(inner for value in _values(file, name) for inner in ast.walk(value))


def _values(file: Path, name: str) -> Iterator[ast.expr]:
    """What is assigned to a name at the top of a source file."""
    for node in ast.parse(file.read_bytes()).body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            if ast.unparse(target) == name:
                yield node.value


def _texts(nodes: Iterable[ast.AST | None]) -> list[str]:
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
