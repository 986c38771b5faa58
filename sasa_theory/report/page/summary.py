"""The page in one paragraph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from .boards import Board
from .languages import Shown
from .metric_notes import note
from .theorems import Tile
from .wording import counted


def summary(boards: Sequence[Board], tiles: Sequence[Tile], language: Sequence[Shown]) -> str:
    """What was compared, who leads, what limits the others, and what became of the claims."""
    return " ".join([*_designs(boards), *_claims(tiles), *_language(language)])


def _designs(boards: Sequence[Board]) -> list[str]:
    names = {entry.name for board in boards for entry in board.entries if entry.family != "references"}
    if not names:
        return []
    runs = sum(len(entry.runs) for board in boards for entry in board.entries)
    said = [
        f"{counted(len(names), 'design')} in {counted(len(boards), 'world')}, {counted(runs, 'run')}, each beside "
        "truth and chance."
    ]
    led = [(board, board.compared.rankings[board.metrics[0]]) for board in boards if board.metrics]
    leaders: Counter[str] = Counter()
    for board, ranking in led:
        trained = {entry.name for entry in board.entries if entry.family != "references"}
        first = next(([name for name in tier if name in trained] for tier in ranking.tiers if trained & set(tier)), [])
        leaders.update(first)
    if leaders:
        (best, count), *_ = leaders.most_common(1)
        metric = note(led[0][0].metrics[0]).title
        where = "" if len(led) == 1 else f" in {count} of {len(led)} worlds"
        said.append(f"In {metric}, {best} stands in the highest tier of those that train{where}.")
    diagnoses = [entry.diagnosis for board in boards for entry in board.entries if entry.diagnosis is not None]
    limits = Counter(found.limit for found in diagnoses if found.limit != "unknown")
    if limits:
        words = ", ".join(f"{limit} ({count})" for limit, count in limits.most_common())
        said.append(f"What limits designs, world by world: {words}.")
    return said


def _claims(tiles: Sequence[Tile]) -> list[str]:
    if not tiles:
        return []
    failed = [f"{tile.id} is {tile.outcome}" for tile in tiles if tile.outcome != "verified"]
    if not failed:
        return [f"{counted(len(tiles), 'claim')} verified, every falsifier violated."]
    return [f"{len(tiles) - len(failed)} of {counted(len(tiles), 'claim')} verified; {', '.join(failed)}."]


def _language(language: Sequence[Shown]) -> list[str]:
    return [f"{counted(len(language), 'result')} on language models."] if language else []
