"""Estimates of memory and time, and the refusal of what does not fit."""

from __future__ import annotations

import pytest
import torch

from real_models import resources
from real_models.activations import Harvest
from real_models.free_memory import free_memory
from real_models.resources import check_memory, clock, memory, time_needed, told
from real_models.sites import Site
from sasa_theory import designs
from sasa_theory.training import Budget

from . import tiny

HARVEST, ROWS = Harvest(length=8, sequences=2, buffer=4), 4 * 7


def test_memory_counts_weights_buffers_moments_and_codes():
    language = tiny.language()
    need = memory(language, 16, ROWS, 32, 10)
    stored = {p.data_ptr(): p.numel() for p in language.model.parameters()}  # tied weights are there once
    assert need.model == 4 * sum(stored.values())
    assert need.buffer == 3 * ROWS * 16 * 4
    assert need.design == 4 * 4 * 2 * 16 * 32
    assert need.step == 4 * 10 * (4 * 32 + 3 * 16)
    assert need.total == need.model + need.buffer + need.design + need.step


def test_what_does_not_fit_is_refused_and_says_what_is_large(monkeypatch):
    need = memory(tiny.language(), 16, ROWS, 32, 10)
    monkeypatch.setattr(resources, "free_memory", lambda device: need.total - need.model)
    check_memory(need, torch.device("cpu"))
    monkeypatch.setattr(resources, "free_memory", lambda device: need.total - need.model - 1)
    with pytest.raises(ValueError, match=r"GiB beside the model .* cpu has .* make buffer, batch size or the design"):
        check_memory(need, torch.device("cpu"))
    monkeypatch.setattr(resources, "free_memory", lambda device: None)
    check_memory(need, torch.device("cpu"))


def test_time_is_measured_without_a_trace_in_the_design():
    design = designs.get("sasa/paper", width=16, groups=8, rank=2, active=2)
    before = {name: tensor.clone() for name, tensor in design.state_dict().items()}
    time = time_needed(tiny.language(), Site(1), HARVEST, design, Budget(tokens=1000, batch_size=10))
    assert time.harvest > 0
    assert time.train > 0
    assert time.seconds == pytest.approx(1000 * (time.harvest + time.train))
    for name, tensor in design.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert all(parameter.grad is None for parameter in design.parameters())
    need = memory(tiny.language(), 16, ROWS, 32, 10)
    assert "1,000 tokens" in told(need, time)


def test_deeper_sites_cost_more_operations():
    design = designs.get("topk", width=16, atoms=32, k=4)
    costs = [
        time_needed(tiny.language(), Site(block), HARVEST, design, Budget(tokens=10, batch_size=10)).flops
        for block in (0, 2)
    ]
    own = 12 * 32 * 16
    assert costs[1] - own == pytest.approx(3 * (costs[0] - own))


def test_free_memory_of_this_machine():
    found = free_memory(torch.device("cpu"))
    assert found is None or found > 2**20


@pytest.mark.parametrize(("seconds", "text"), [(12, "12 s"), (600, "10 min"), (7200, "2.0 h"), (864_000, "10.0 days")])
def test_times_as_people_say_them(seconds, text):
    assert clock(seconds) == text


def test_what_is_on_disk_already_takes_no_time_to_gather():
    design = designs.get("topk", width=16, atoms=32, k=4)
    time = time_needed(tiny.language(), Site(1), HARVEST, design, Budget(tokens=1000, batch_size=10), gathered=200)
    assert time.seconds == pytest.approx(200 * time.harvest + 1000 * time.train)
