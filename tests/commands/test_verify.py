"""`sasa-theory verify` as a user meets it: table, files, exit status, interruption."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sasa_theory.claims import CLAIMS
from sasa_theory.claims.evidence_log import read_records
from sasa_theory.cli import app

COMMAND = [sys.executable, "-m", "sasa_theory"]


def invoke(*arguments):
    return CliRunner().invoke(app, ["verify", *map(str, arguments)])


def running(group):
    """Processes of a process group that have not ended."""
    fields = [
        stat.read_text().rpartition(")")[2].split() for stat in Path("/proc").glob("[0-9]*/stat") if stat.exists()
    ]
    return [state for state, _, of, *_ in fields if int(of) == group and state != "Z"]


def numbers(path):
    return [{k: v for k, v in line.items() if k != "seconds"} for line in read_records(path)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    return out, invoke("--claim", "A5", "--out", out, "--jobs", 2)


def test_a_run_prints_the_verdict_and_leaves_evidence_and_a_figure(finished):
    out, result = finished
    assert result.exit_code == 0, result.output
    assert "verified" in result.output
    assert "However long one trains" in " ".join(result.output.split())
    assert sorted(p.name for p in out.iterdir()) == ["evidence.jsonl", "figures"]
    assert (out / "figures" / "A5.png").exists()
    lines = read_records(out / "evidence.jsonl")
    assert {line["verdict"] for line in lines if line["kind"] == "measure"} == {"holds"}
    assert {line["verdict"] for line in lines if line["kind"] == "falsify"} == {"violated"}


def test_same_seed_same_numbers_whatever_the_jobs(finished, tmp_path):
    out, _ = finished
    invoke("--claim", "A5", "--out", tmp_path, "--jobs", 1)
    assert numbers(tmp_path / "evidence.jsonl") == numbers(out / "evidence.jsonl")


def test_a_wrong_bound_is_exit_status_1(tmp_path):
    """In a fresh process, with the bound off by a factor 2 in the workers too."""
    hook = tmp_path / "sitecustomize.py"
    hook.write_text(
        "from sasa_theory import bounds\n"
        "right = bounds.distortion_floor\n"
        "bounds.distortion_floor = lambda *a, **k: 2 * right(*a, **k)\n"
    )
    done = subprocess.run(
        [*COMMAND, "verify", "--claim", "A5", "--out", tmp_path / "out"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "A5 is violated" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--claim", "A9"], "did you mean"),
        (["--seed", "-1"], "--seed"),
        (["--jobs", "0"], "--jobs"),
        (["--explain", "nothing"], "claim must be one of"),
        (["--frobnicate"], "No such option"),
    ],
)
def test_bad_arguments_are_exit_status_2(arguments, message, tmp_path):
    result = invoke(*arguments, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", " ").split())
    assert not (tmp_path / "out").exists()


def test_an_output_folder_that_cannot_be_is_exit_status_2(tmp_path):
    (tmp_path / "file").touch()
    result = invoke("--claim", "A4", "--out", tmp_path / "file" / "out")
    assert result.exit_code == 2
    assert "--out" in result.output


def test_resuming_with_fewer_claims_keeps_the_others(tmp_path):
    invoke("--claim", "C4", "--claim", "C5", "--out", tmp_path, "--jobs", 1)
    before = numbers(tmp_path / "evidence.jsonl")
    invoke("--claim", "C5", "--out", tmp_path, "--resume", "--jobs", 1)
    assert sorted(map(str, numbers(tmp_path / "evidence.jsonl"))) == sorted(map(str, before))


def test_a_new_run_leaves_no_figure_of_an_old_one(tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "A1.png").touch()
    invoke("--claim", "C5", "--out", tmp_path, "--jobs", 1)
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["C5.png"]


def test_a_measurement_that_crashes_is_exit_status_3_and_named(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "from sasa_theory import bounds\n"
        "def broken(*args, **kwargs):\n"
        "    raise ZeroDivisionError('on purpose')\n"
        "bounds.coherence_limit = broken\n"
    )
    done = subprocess.run(
        [*COMMAND, "verify", "--claim", "C5", "--jobs", "1", "--out", tmp_path / "out"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stdout + done.stderr
    assert "on purpose" in done.stdout
    assert "while C5 was to measure at Setting" in done.stdout
    assert "--resume" in done.stdout


def test_list_names_every_claim():
    result = invoke("--list")
    assert result.exit_code == 0
    assert all(claim_id in result.output for claim_id in CLAIMS)


def test_explain_states_the_claim_in_full():
    result = invoke("--explain", "A1")
    assert result.exit_code == 0
    for part in (CLAIMS["A1"].plain, "LaTeX", "assumes", "falsified by"):
        assert " ".join(part.split()) in " ".join(result.output.replace("│", " ").split())


def test_killed_run_resumes_to_the_same_numbers(finished, tmp_path):
    whole, _ = finished
    command = [*COMMAND, "verify", "--claim", "A5", "--jobs", "1", "--out", str(tmp_path / "out")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    evidence = tmp_path / "out" / "evidence.jsonl"
    while process.poll() is None and (not evidence.exists() or evidence.read_text().count("\n") < 4):
        time.sleep(0.02)
    process.kill()
    process.wait()
    before = len(evidence.read_text().splitlines())
    for _ in range(600):  # workers end with their parent, whatever ends that
        if not running(process.pid):
            break
        time.sleep(0.1)
    assert not running(process.pid)
    resumed = subprocess.run([*command, "--resume"], capture_output=True, text=True, check=False)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert before >= 4
    assert numbers(evidence) == numbers(whole / "evidence.jsonl")


def test_interrupt_is_exit_status_130_and_says_how_to_go_on(tmp_path):
    command = [*COMMAND, "verify", "--claim", "A1", "--claim", "A2", "--jobs", "1", "--out", str(tmp_path / "out")]

    def heed_interrupts() -> None:  # a background job of a shell without job control ignores them, and so its children
        signal.signal(signal.SIGINT, signal.default_int_handler)

    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=heed_interrupts
    )
    evidence = tmp_path / "out" / "evidence.jsonl"
    while process.poll() is None and (not evidence.exists() or evidence.read_text().count("\n") < 3):
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "--resume" in output
    assert all(json.loads(line) for line in evidence.read_text().splitlines())
