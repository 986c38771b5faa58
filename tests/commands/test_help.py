"""What `--help` promises: examples that parse, exit statuses, and an answer without waiting for PyTorch."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from sasa_theory.cli import app


def leaves(command, path=()):
    """Every command that does something, with the words that lead to it."""
    inner = getattr(command, "commands", None)
    if inner is None:
        return {path: command}
    return {key: leaf for name, each in inner.items() for key, leaf in leaves(each, (*path, name)).items()}


COMMANDS = leaves(get_command(app))


def example(command):
    found = re.search(r"Example: sasa-theory (.*)", command.epilog or "", flags=re.DOTALL)
    assert found, "its epilog must have an example"
    return shlex.split(found[1])


def test_the_commands_of_the_readme_are_there():
    words = {
        ("verify",),
        ("designs",),
        ("new",),
        ("check",),
        ("bench",),
        ("notebooks",),
        ("doctor",),
        ("real", "train"),
    }
    assert words <= COMMANDS.keys()


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_has_an_example_that_parses_and_the_exit_statuses(path):
    command = COMMANDS[path]
    shown = CliRunner().invoke(app, [*path, "--help"])
    assert shown.exit_code == 0
    words = " ".join(shown.output.split())
    assert "Example: sasa-theory" in words
    assert "Exit status: 0" in words
    assert "2 " in words.partition("Exit status:")[2]
    arguments = example(command)
    assert tuple(arguments[: len(path)]) == path
    with command.make_context(path[-1], arguments[len(path) :]) as context:
        assert context.params  # parsed, types converted, nothing unknown or missing; nothing is run


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_option_says_what_it_does(path):
    for parameter in COMMANDS[path].params:
        assert parameter.help, parameter.name


def test_the_statuses_of_all_commands_are_told_once():
    words = " ".join(CliRunner().invoke(app, ["--help"]).output.split())
    for told in ("0 all is well", "1 a claim", "2 bad arguments", "3 something failed to run", "130 interrupted"):
        assert told in words


def test_version():
    from sasa_theory import __version__

    assert CliRunner().invoke(app, ["--version"]).output.strip() == __version__


def test_help_does_not_wait_for_torch():
    helps = [[], *(list(path) for path in COMMANDS)]
    code = f"""
import sys
from typer.testing import CliRunner
from sasa_theory.cli import app
for words in {helps!r}:
    assert CliRunner().invoke(app, [*words, "--help"]).exit_code == 0, words
sys.exit(bool({{"torch", "scipy", "pandas", "transformers"}} & sys.modules.keys()))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("module", ["sasa_theory", "sasa_theory.bounds", "sasa_theory.verification"])
def test_imports_leave_torch_alone(module):
    code = f"import {module}, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
