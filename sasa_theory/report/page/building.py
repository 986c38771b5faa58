"""A page from its records: everything is made before the first file is written."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from sasa_theory.claims import Result

from .anonymity import anonymous
from .boards import Board, boards
from .charts import Chart
from .design_pages import design_pages, slugs
from .explore import explorer
from .inputs import Inputs
from .languages import Shown, shown
from .leaderboard import Table, table
from .metric_notes import note
from .paper_figures import paper_figures
from .pictures import by_dimension, growth, rank_phases
from .rendering import render
from .scene import Stored, stored_scene, theory_scene
from .submission import submission
from .summary import summary
from .tables import paper_tables
from .theorems import Tile, results, tiles
from .writing import INDEX, SUBMIT, check_replaceable, write_page

TITLE = "Sparse autoencoders against known ground truth"


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a page is made.

    Attributes
    ----------
    title : str
        Of the page.
    anonymous : bool
        Whether to leave out what tells who made the records.
    scenes : tuple of Stored
        Designs on disk to draw in their worlds.
    """

    title: str = TITLE
    anonymous: bool = False
    scenes: tuple[Stored, ...] = ()


class Pictures(NamedTuple):
    """Charts by what they are of; those of scenes turn."""

    scenes: list[Chart]
    truths: list[Chart]


def build(inputs: Inputs, out: Path, options: Options | None = None) -> tuple[str, ...]:
    """Write the page, figures, tables and ``submit.json`` into a folder, and nothing elsewhere.

    Parameters
    ----------
    inputs : Inputs
        Records, evidence and results.
    out : Path
        The folder; an earlier page there is replaced.
    options : Options, optional
        How.

    Returns
    -------
    tuple of str
        What was passed over.

    Raises
    ------
    ValueError
        If there is nothing to show, ``out`` holds another's page, a result of ``real`` is damaged, or a scene cannot
        be drawn.
    OSError
        If a file cannot be written, or a design of a scene is not there.
    """
    options = options or Options()
    check_replaceable(out)
    if not (inputs.records or inputs.evidence or inputs.language):
        raise ValueError("there is nothing to report; run sasa-theory bench or sasa-theory verify first")
    inputs = anonymous(inputs) if options.anonymous else inputs
    judged, notes = results(inputs.evidence)
    ranked = boards(inputs.records)
    named = _named(ranked)
    tables = [(name, table(board)) for name, board in named.items()]
    board_tiles = tiles(judged)
    texts = paper_tables(tables, board_tiles)
    files = paper_figures(named, [result for result, _ in judged]) | {name: t.encode() for name, t in texts.items()}
    notes = [*inputs.notes, *notes]
    language, pictures = shown(inputs.language), _pictures(ranked, judged, options)
    page = _page(ranked, tables, board_tiles, language, pictures, notes, options, list(files))
    listed = json.dumps({**submission(inputs, judged), "files": sorted(files)}, indent=1, allow_nan=False)
    write_page({**files, SUBMIT: listed.encode() + b"\n", INDEX: page.encode()}, out)
    return tuple(notes)


def _pictures(ranked: Sequence[Board], judged: Sequence[tuple[Result, str]], options: Options) -> Pictures:
    claims = {result.claim.id: result for result, _ in judged}
    scenes: list[Chart] = []
    truths: list[Chart] = []
    for k, stored in enumerate(options.scenes, 1):
        name = f"stored design {k}" if options.anonymous else stored.folder.name
        for chart in stored_scene(stored, k, name):
            (scenes if chart.id.startswith("scene") else truths).append(chart)
    truths += [*growth(claims), *rank_phases(claims), *by_dimension(ranked)]
    return Pictures(scenes or [theory_scene()], truths)


def _page(
    ranked: Sequence[Board],
    tables: Sequence[tuple[str, Table]],
    board_tiles: Sequence[Tile],
    language: Sequence[Shown],
    pictures: Pictures,
    notes: Sequence[str],
    options: Options,
    files: Sequence[str],
) -> str:
    metrics = dict.fromkeys(metric for board in ranked for metric in board.metrics)
    parts: Mapping[str, Any] = {
        "title": options.title,
        "summary": summary(ranked, board_tiles, language),
        "boards": tables,
        "slugs": slugs(ranked),
        "explorer": explorer(ranked) if ranked else None,
        "tiles": board_tiles,
        "scenes": pictures.scenes,
        "truths": pictures.truths,
        "designs": design_pages(ranked),
        "language": language,
        "metrics": list(map(note, metrics)),
        "notes": notes,
        "files": sorted(files),
    }
    return render(**parts)


def _named(ranked: Sequence[Board]) -> dict[str, Board]:
    """Boards by a name that is fit for files and anchors."""
    named: dict[str, Board] = {}
    for board in ranked:
        name = re.sub(r"[^a-z0-9]+", "-", board.title.lower()).strip("-")[:60] or "world"
        same = sum(other == name or other.startswith(f"{name}--") for other in named)
        named[f"{name}--{same + 1}" if same else name] = board
    return named
