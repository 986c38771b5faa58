"""`sasa-theory notebooks` as a user meets it: outputs, failures, interruption, exit status."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import nbformat
import pytest
from typer.testing import CliRunner

from sasa_theory.cli import app
from sasa_theory.notebooks.document import read, write

SEEN = """import os, sys
from pathlib import Path
names = "SASA_THEORY_EFFORT", "SASA_THEORY_EVIDENCE", "OMP_NUM_THREADS"
print(object(), Path.cwd(), os.listdir(), *(os.environ[name] for name in names))
print(sys.prefix == {prefix!r})"""


def notebook(*code):
    cells = [nbformat.v4.new_code_cell(source, id=f"cell{k}") for k, source in enumerate(code)]
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Title", id="title"), *cells])


def invoke(*arguments):
    return CliRunner().invoke(app, ["notebooks", *map(str, arguments)])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SASA_THEORY_EVIDENCE", raising=False)
    return tmp_path / "notebooks"


def test_outputs_come_from_this_interpreter_and_are_the_same_again(folder, tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    write(notebook(SEEN.format(prefix=sys.prefix), "x = 20", "x + 1"), folder / "01_a.ipynb")
    before = (folder / "01_a.ipynb").read_bytes()
    first = invoke("01", "--execute", "--fast", "--out", tmp_path / "out")
    assert first.exit_code == 0, first.output
    assert (folder / "01_a.ipynb").read_bytes() == before
    again = invoke("--execute", "--fast")
    assert again.exit_code == 0, again.output
    assert (folder / "01_a.ipynb").read_bytes() == (tmp_path / "out" / "01_a.ipynb").read_bytes()
    printed, _, result = (cell.outputs for cell in read(folder / "01_a.ipynb").cells[1:])
    evidence = str(tmp_path / "verify-trained").replace(os.path.expanduser("~"), "~")
    assert printed[0].text == f"<object object at 0x0> . [] fast {evidence} 1\nTrue\n"
    assert result[0].data["text/plain"] == "21"
    assert not list(home.iterdir())  # IPython keeps no history or profile there
    listed = invoke()
    assert listed.exit_code == 0
    assert all(word in listed.output for word in ("01_a", "Title", "up to date", "fast"))


def test_a_cell_that_fails_is_named_and_the_others_are_executed(folder):
    write(notebook("1", "1 / 0", "2"), folder / "01_fails.ipynb")
    write(notebook("import os\nos._exit(1)"), folder / "02_dies.ipynb")
    write(notebook("3"), folder / "03_works.ipynb")
    before = [(folder / name).read_bytes() for name in ("01_fails.ipynb", "02_dies.ipynb")]
    done = invoke("--execute")
    assert done.exit_code == 3
    assert "01_fails.ipynb, cell 3: ZeroDivisionError: division by zero" in done.output
    assert "----> 1 1 / 0" in done.output
    assert "02_dies.ipynb, cell 2: its kernel died" in done.output
    assert [(folder / name).read_bytes() for name in ("01_fails.ipynb", "02_dies.ipynb")] == before
    assert read(folder / "03_works.ipynb").cells[1].execution_count == 1
    assert len(list(folder.iterdir())) == 3


@pytest.mark.parametrize("arguments", [["--fast", "--full", "--execute"], ["04"], ["nowhere.ipynb", "--execute"]])
def test_bad_arguments_are_exit_status_2(folder, arguments):
    write(notebook("1"), folder / "01_a.ipynb")
    assert invoke(*arguments).exit_code == 2


def test_help_has_an_example():
    assert "Example" in invoke("--help").output


def test_interrupt_is_exit_status_130_and_ends_the_kernel(folder, tmp_path):
    pid = tmp_path / "pid"
    write(
        notebook(f"import os, time\nopen({str(pid)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)"),
        folder / "1.ipynb",
    )
    before = (folder / "1.ipynb").read_bytes()

    def heed_interrupts() -> None:  # a background job of a shell without job control ignores them
        signal.signal(signal.SIGINT, signal.default_int_handler)

    process = subprocess.Popen(
        [sys.executable, "-m", "sasa_theory", "notebooks", "--execute"],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heed_interrupts,
    )
    while process.poll() is None and not (pid.exists() and pid.read_text()):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "Interrupted" in output
    assert (folder / "1.ipynb").read_bytes() == before
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_a_folder_that_cannot_be_made_is_refused_before_anything_is_executed(folder, tmp_path):
    write(notebook("1"), folder / "01_a.ipynb")
    (tmp_path / "file").touch()
    result = invoke("01", "--execute", "--fast", "--out", tmp_path / "file" / "out")
    assert result.exit_code == 2, result.output
    assert "--out" in result.output
