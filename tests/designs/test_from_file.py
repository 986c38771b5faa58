"""Designs from files and modules: made from what they ask for, and every way to go wrong said with its line."""

from __future__ import annotations

import sys

import pytest
import torch

from sasa_theory.designs.from_file import factory_from

SOURCE = """
from dataclasses import dataclass

import torch
from torch import nn

import shared_sizes


@dataclass(frozen=True)
class Settings:
    scale: float = 1.0


class MySAE(nn.Module):
    def __init__(self, width, columns=shared_sizes.COLUMNS, scale=2.0, **more):
        super().__init__()
        self.width, self.scale, self.more = width, scale, more
        self.inward, self.outward = nn.Linear(width, columns), nn.Linear(columns, width)

    def encode(self, x):
        return self.inward(x).relu()

    def decode(self, codes):
        return self.outward(codes)


def all_of_them(width, *, columns, active, seed):
    module = MySAE(width, columns)
    module.told = (columns, active, seed)
    return module


def no_module(width):
    return width


class Needy(MySAE):
    def __init__(self, width, flavour):
        super().__init__(width)


class Sparse(MySAE):
    def __init__(self, width, sparsity):
        super().__init__(width)
        self.sparsity = sparsity


class Positional(MySAE):
    def __init__(self, width, /):
        super().__init__(width)


_hidden = MySAE
number = 3
"""


@pytest.fixture
def path(tmp_path):
    (tmp_path / "shared_sizes.py").write_text("COLUMNS = 6\n")
    file = tmp_path / "my_design.py"
    file.write_text(SOURCE)
    yield file
    sys.modules.pop("shared_sizes", None)


def test_a_class_gets_what_it_has_parameters_for(path):
    factory = factory_from(f"{path}:MySAE")
    assert factory.takes == {"width", "columns"}
    module = factory(width=4, active=2)
    assert module.inward.weight.shape == (6, 4)
    assert module.more == {}
    assert factory(4, columns=9).inward.weight.shape == (9, 4)
    everything = factory_from(f"{path}:all_of_them")
    assert everything.takes == {"width", "columns", "active", "seed"}
    assert everything(4, columns=7, active=2, seed=5).told == (7, 2, 5)


def test_a_class_may_need_a_sparsity(path):
    factory = factory_from(f"{path}:Sparse")
    assert factory.takes == {"width", "sparsity"}
    assert factory(4, sparsity=0.25).sparsity == 0.25


def test_same_seed_same_weights_whatever_was_drawn_before(path):
    factory = factory_from(f"{path}:MySAE")
    first = factory(4, seed=1).inward.weight
    torch.manual_seed(7)
    before = torch.get_rng_state()
    again, other = factory(4, seed=1), factory(4, seed=2)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(again.inward.weight, first)
    assert not torch.equal(other.inward.weight, first)
    assert factory(4, seed=1) is not again


def test_a_module_is_found_by_name_from_the_working_folder(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    search_path = list(sys.path)
    assert factory_from("my_design:MySAE")(4).width == 4
    assert sys.path == search_path
    sys.modules.pop("my_design")
    assert factory_from("my_design.py:MySAE")(4).width == 4
    assert sys.path == search_path


def test_an_edited_file_is_read_again(path):
    factory_from(f"{path}:MySAE")
    path.write_text(SOURCE.replace("self.scale, self.more = width, scale", "self.scale, self.more = width, 10 * scale"))
    assert factory_from(f"{path}:MySAE")(4).scale == 20


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("MySEA", r"the class in .*my_design.py must be one of .* got 'MySEA'; did you mean 'MySAE'\?"),
        ("number", "must be a class or a function that returns a module, got a int"),
        (
            "Needy",
            "has a parameter flavour that nobody can give; offered by name are width, columns, active, seed, sparsity",
        ),
        ("Positional", "has a parameter width that nobody can give"),
        ("", r"must be given as file.py:Class or module:Class, got '.*my_design.py:'"),
    ],
)
def test_a_name_that_will_not_do_is_refused_with_the_reason(path, name, message):
    with pytest.raises(ValueError, match=message):
        factory_from(f"{path}:{name}")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\n\ny = 1 / 0\n", r"crashing.py, line 3 \(y = 1 / 0\): ZeroDivisionError: division by zero"),
        ("def f(:\n", r"crashing.py, line 1: SyntaxError: "),
        (
            "import no_such_thing\n",
            r"crashing.py, line 1 \(import no_such_thing\): ModuleNotFoundError: No module named",
        ),
        (
            "import torch\ntorch.nn.Linear(2, 2)(torch.zeros(3))\n",
            r"crashing.py, line 2 \(torch.nn.Linear.*: RuntimeError",
        ),
        ("import sys\nsys.exit('bye')\n", r"crashing.py, line 2 \(sys.exit\('bye'\)\): SystemExit: bye"),
    ],
)
@pytest.mark.parametrize("by_name", [False, True])
def test_a_file_that_fails_is_named_with_its_line(tmp_path, monkeypatch, source, message, by_name):
    (tmp_path / "crashing.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        factory_from("crashing:X" if by_name else "crashing.py:X")
    assert not any("crashing" in name for name in sys.modules)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("my_design.py", "must be given as file.py:Class or module:Class, got 'my_design.py'; give my_design.py:Class"),
        ("elsewhere.py:MySAE", r"there is no file .*elsewhere.py; its folder has my_design.py, shared_sizes.py"),
        ("gone/elsewhere.py:MySAE", r"there is no file .*elsewhere.py; nor is there its folder"),
        ("elsewhere:MySAE", r"there is no module elsewhere; a file is given with its ending, as elsewhere.py:Class"),
        ("torch.elsewhere:MySAE", r"there is no module torch.elsewhere"),
    ],
)
def test_a_place_that_is_not_there_is_refused(path, monkeypatch, spec, message):
    monkeypatch.chdir(path.parent)
    with pytest.raises(ValueError, match=message):
        factory_from(spec)


def test_what_is_made_must_be_a_module_and_sizes_must_exist(path):
    with pytest.raises(TypeError, match=r"no_module must make a torch.nn.Module, got a int"):
        factory_from(f"{path}:no_module")(4)
    with pytest.raises(ValueError, match="did you mean 'columns'"):
        factory_from(f"{path}:MySAE")(4, colums=3)
    with pytest.raises(ValueError, match=r"width must be in \[1"):
        factory_from(f"{path}:MySAE")(0)
