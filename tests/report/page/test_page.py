"""What a page consists of: markup that is ours alone, tables with the ranking's numbers, nothing else touched."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from sasa_theory.benchmark.records import digest
from sasa_theory.report.page import Inputs, Options, build, read_inputs
from sasa_theory.report.page.boards import boards
from sasa_theory.report.page.wording import with_interval

from .conftest import IMAGE, SCRIPT, language_results, renamed, write_records


class Elements(HTMLParser):
    """Every element with its attributes, and the text outside of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._skipping = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._skipping = tag in ("script", "style")

    def handle_endtag(self, tag):
        self._skipping = False

    def handle_data(self, data):
        if not self._skipping:
            self.text.append(data)


@pytest.fixture(scope="module")
def parsed(page):
    return Elements((page / "index.html").read_text())


def test_every_section_is_there_and_every_anchor_leads_somewhere(parsed):
    ids = [attributes["id"] for _, attributes in parsed.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    sections = ["leaderboard", "explore", "theorems", "scenes", "truths", "designs", "language", "about"]
    assert [name for name in ids if name in sections] == sections
    anchors = {a["href"][1:] for tag, a in parsed.elements if tag == "a" and a["href"].startswith("#")}
    assert anchors <= set(ids)
    files = {a["href"] for tag, a in parsed.elements if tag == "a" and not a["href"].startswith("#")}
    assert {"submit.json", "figures/theorem.pdf", "tables/claims.tex"} <= files


def test_text_that_tries_to_be_markup_stays_text(parsed):
    assert not [tag for tag, _ in parsed.elements if tag in ("img", "iframe", "object", "link")]
    assert not [name for _, attributes in parsed.elements for name in attributes if name.startswith("on")]
    scripts = [attributes for tag, attributes in parsed.elements if tag == "script"]
    assert sum("type" not in attributes for attributes in scripts) == 2  # plotly and our own
    text = "".join(parsed.text)
    for hostile in (IMAGE, SCRIPT, "{{ 7 * 191 }}"):
        assert hostile in text
    assert "1337" not in text


def test_data_for_scripts_is_json_in_which_nothing_ends_a_script(page):
    text = (page / "index.html").read_text()
    blocks = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', text, re.DOTALL)
    assert len(blocks) >= 4
    for block in blocks:
        assert "<" not in block
        json.loads(block)
    points = json.loads(re.search(r'id="points">(.*?)</script>', text, re.DOTALL)[1])
    assert IMAGE in {point["design"] for point in points["points"]}  # itself, not something like it


def test_only_scripts_that_are_named_may_run_and_nothing_may_be_fetched(parsed):
    (policy,) = [a["content"] for tag, a in parsed.elements if a.get("http-equiv") == "Content-Security-Policy"]
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split(";")}
    assert rules["default-src"] == ["'none'"]
    assert "connect-src" not in rules
    assert len([source for source in rules["script-src"] if source.startswith("'sha256-")]) == 2
    assert not {"'unsafe-inline'", "'unsafe-eval'", "*"} & set(rules["script-src"])


def test_tables_for_papers_hold_the_rankings_numbers(page, hostile_records):
    board = next(board for board in boards(hostile_records) if board.title == "theorem")
    lines = (page / "tables" / "theorem.md").read_text().splitlines()
    rows = {line.split(" | ")[0].strip("| "): line.strip("| ").split(" | ")[1:] for line in lines}
    latex = (page / "tables" / "theorem.tex").read_text()
    for name in ("sasa/paper", "topk", "oracle"):
        for metric, cell in zip(board.metrics, rows[name], strict=True):
            ranking = board.compared.rankings[metric]
            said = f"{with_interval(ranking.values[name])} [{ranking.tier(name)}]"
            assert cell.replace("\\", "") == said
            assert said.replace("±", r"$\pm$") in latex
    assert latex.startswith("\\begin{tabular}{lrrrrrrr}")
    assert "<" not in "".join(lines) + latex
    claims = (page / "tables" / "claims.md").read_text()
    assert re.search(r"\| C5 \| .* \| verified \| ", claims)


def test_figures_are_there_in_three_formats(page):
    for name in ("theorem", "claims"):
        assert (page / "figures" / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert (page / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert b"<svg" in (page / "figures" / f"{name}.svg").read_bytes()


def test_submit_says_which_configurations_seeds_and_versions(page, hostile_records):
    found = json.loads((page / "submit.json").read_text())
    entry = next(e for e in found["benchmark"] if (e["design"], e["world"]) == ("sasa/paper", "theorem"))
    runs = [run for run in hostile_records if (run.design, run.world) == ("sasa/paper", "theorem")]
    assert entry["config"] == digest({name: value for name, value in runs[0].identity.items() if name != "seed"})
    assert entry["seeds"] == [0, 1, 2, 3, 4]
    assert entry["records"] == sorted(run.key for run in runs)
    assert entry["metrics"] == runs[0].identity["metrics"]
    assert [version["torch"] for version in entry["versions"]] == [runs[0].versions["torch"]]
    assert {claim["claim"]: claim["verdict"] for claim in found["claims"]} == {"C4": "verified", "C5": "verified"}
    assert found["evidence"][0]["effort"] == "quick"
    assert set(found["files"]) == {str(path.relative_to(page)) for path in page.glob("*/*")}


def test_anonymous_pages_name_no_file_path_host_or_user(runs, tmp_path, monkeypatch):
    monkeypatch.setattr("socket.gethostname", lambda: "lovelace.example.org")
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    said = "training diverged: /home/ada/secret/my_design.py line 3, lovelace, ada (ada@example.org), C:\\Users\\ada\\x"
    topk = [run for run in runs if run.design == "topk"]
    own = [renamed(run, "my_design.py:MySAE") for run in topk]
    failed = [replace(renamed(run, "package.secret:Other"), metrics={}, failed=said) for run in topk]
    folder = tmp_path / "ada-secret"
    records = write_records([*runs, *own, *failed], folder / "records.jsonl")
    records.write_bytes(records.read_bytes() + b"half")
    curves = language_results("/home/ada/secret/my_design.py:MySAE")["curves.json"]
    (folder / "curves.json").write_text(json.dumps(curves))
    build(read_inputs([folder]), tmp_path / "report", Options(anonymous=True))
    for path in [file for pattern in ("*", "*/*") for file in (tmp_path / "report").glob(pattern) if file.is_file()]:
        content = path.read_bytes().decode("latin-1")
        if path.name == "index.html":  # libraries name their authors
            data = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', content, re.DOTALL)
            content = "".join([*Elements(path.read_text()).text, *data])
            assert {"submitted design 1", "submitted design 2"} <= set(re.findall(r"submitted design \d", content))
            assert "training diverged" in content
        for secret in ("secret", "lovelace", "my_design", "MySAE", str(tmp_path), "example.org"):
            assert secret not in content, (path, secret)
        assert not re.search(r"\bada\b", content), path


def test_an_earlier_page_is_replaced_and_nothing_else_touched(runs, tmp_path):
    out = tmp_path / "report"
    build(Inputs(records=tuple(run for run in runs if run.world == "manifolds")), out)
    (out / "figures" / "mine.png").write_text("mine")
    (out / "notes.txt").write_text("mine")
    build(Inputs(records=tuple(run for run in runs if run.world == "theorem")), out)
    names = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    formats = {f"report/figures/theorem.{kind}" for kind in ("pdf", "svg", "png")}
    tables = {"report/tables/theorem.md", "report/tables/theorem.tex"}
    kept = {"report/figures/mine.png", "report/notes.txt"}
    assert names == {"report/index.html", "report/submit.json"} | formats | tables | kept


def test_the_page_of_somebody_else_is_left_alone(runs, tmp_path):
    (tmp_path / "index.html").write_text("<h1>my home page</h1>")
    with pytest.raises(ValueError, match="not written by sasa-theory report"):
        build(Inputs(records=tuple(runs[:5])), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]


def test_a_page_that_cannot_be_made_leaves_nothing_behind(tmp_path):
    damaged = tmp_path / "in" / "curves.json"
    damaged.parent.mkdir()
    damaged.write_text('{"curves": {"topk": [{"tokens": 1}]}, "unseen": true}')
    with pytest.raises(ValueError, match="curves of in is damaged or of another version"):
        build(read_inputs([damaged]), tmp_path / "report")
    with pytest.raises(ValueError, match="nothing to report"):
        build(Inputs(), tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_pages_of_one_kind_of_input_alone(evidence_file, language_files, tmp_path):
    build(read_inputs([evidence_file]), tmp_path / "claims")
    text = (tmp_path / "claims" / "index.html").read_text()
    assert "2 claims verified, every falsifier violated." in text
    assert 'id="leaderboard"' not in text
    build(read_inputs([language_files]), tmp_path / "language")
    text = (tmp_path / "language" / "index.html").read_text()
    assert "4 results on language models." in text
    assert 'id="theorems"' not in text
