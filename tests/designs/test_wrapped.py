"""Any module with encode and decode is a design; what it lacks follows the defaults; what is wrong is said."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from sasa_theory.designs import Loss, as_design, get


class Plain(nn.Module):
    """The least a module must have; batch norm, so that encoding zeros in training mode would leave a trace."""

    def __init__(self, width=4, columns=6):
        super().__init__()
        self.inward, self.outward = nn.Linear(width, columns), nn.Linear(columns, width)
        self.norm = nn.BatchNorm1d(width)

    def encode(self, x):
        return self.inward(self.norm(x)).relu()

    def decode(self, codes):
        return self.outward(codes)


class Sized(Plain):
    width = 4


class Grouped(Sized):
    def units(self):
        return torch.tensor([0, 1, 1, 0, 2, 2])


class Present(Grouped):
    def presence(self, codes):
        return codes[:, :3].abs()


class Priced(Sized):
    """A loss that is just a number, in which the error counts double."""

    def loss(self, x):
        return 2 * (self.decode(self.encode(x)) - x).square().sum(dim=-1).mean()


class Loose(Sized):
    def loss(self, x):
        return x.sum(dim=1)


def activations(rows=10, width=4):
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(0))


@given(width=st.integers(1, 7), columns=st.integers(1, 9), training=st.booleans())
def test_columns_are_found_and_the_module_is_left_as_it_was(width, columns, training):
    module = Plain(width, columns).double().train(training)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    design = as_design(module, width)
    assert (design.width, design.columns, design.n_units) == (width, columns, columns)
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    assert module.training == training
    design.eval()
    x = activations(5, width).double()
    assert torch.equal(design.encode(x), module.encode(x))
    assert torch.equal(design(x), module.decode(module.encode(x)))


def test_defaults_fill_in_what_the_module_lacks():
    design = as_design(Sized().eval())
    x = activations()
    codes = design.encode(x)
    assert torch.equal(design.units(), torch.arange(6))
    torch.testing.assert_close(design.presence(codes), codes.abs())
    loss = design.loss(x)
    torch.testing.assert_close(loss.total, (design(x) - x).square().sum(dim=-1).mean())
    assert loss.fired.tolist() == (codes > 0).sum(dim=0).tolist()
    torch.testing.assert_close(loss.active, (codes > 0).sum() / 10)


def test_units_and_presence_of_the_module_are_used():
    x = activations()
    design = as_design(Grouped().eval())
    codes = design.encode(x)
    assert design.n_units == 3
    torch.testing.assert_close(design.presence(codes)[:, 1], codes[:, 1:3].norm(dim=-1))
    design = as_design(Present().eval())
    codes = design.encode(x)
    assert torch.equal(design.presence(codes), codes[:, :3].abs())
    assert design.loss(x).fired.tolist() == (codes[:, :3] > 0).sum(dim=0).tolist()


def test_a_number_becomes_a_loss_that_trains_the_module():
    module = Priced().eval()
    design = as_design(module)
    loss = design.loss(activations())
    assert isinstance(loss, Loss)
    torch.testing.assert_close(loss.total, 2 * loss.error)
    assert loss.terms.keys() == {"reconstruction", "loss"}
    assert torch.equal(loss.terms["loss"], loss.total.detach())
    assert not any(term.requires_grad for term in loss.terms.values())
    loss.total.backward()
    assert module.outward.weight.grad.abs().sum() > 0
    assert set(design.parameters()) == set(module.parameters())


def test_a_loss_of_the_module_is_passed_on():
    inner = get("topk", width=4, atoms=6, k=2)
    module = Sized()
    module.loss = inner.loss
    assert as_design(module).loss(activations()).terms == inner.loss(activations()).terms


def test_a_design_is_returned_as_it_is():
    design = get("topk", width=4, atoms=6, k=2)
    assert as_design(design) is design


class Pair(Sized):
    def encode(self, x):
        return x, x


class Flat(Sized):
    def encode(self, x):
        return x.sum(dim=1)


class Short(Sized):
    def decode(self, codes):
        return codes[:, :2]


class Nothing(Sized):
    def decode(self, codes):
        return None


class Gaps(Sized):
    def units(self):
        return torch.tensor([0, 1, 1, 0, 3, 3])


class Few(Sized):
    def units(self):
        return torch.tensor([0, 1])


class Blind(nn.Module):
    width = 4

    def decode(self, codes):
        return codes


class Mute(nn.Module):
    width = 4

    def encode(self, x):
        return x


class NoModule:
    encode = decode = None


@pytest.mark.parametrize(
    ("module", "width", "error", "message"),
    [
        (NoModule(), 4, TypeError, "module must be a torch.nn.Module, got a NoModule"),
        (Blind(), None, TypeError, r"Blind has no method encode; a design needs encode\(x\) and decode\(codes\)"),
        (Mute(), None, TypeError, "Mute has no method decode"),
        (Plain(), None, ValueError, r"width must be given, since Plain has no attribute width: as_design\(module, wid"),
        (Plain(), 0, ValueError, r"width must be in \[1"),
        (Plain(), 5, ValueError, "Plain does not take activations of width 5"),
        (Pair(), None, TypeError, "encode of Pair must return a tensor, got a tuple; see the adapters"),
        (Flat(), None, ValueError, r"encode of Flat must turn \(1, 4\) into \(1, columns\), got \(1,\)"),
        (Short(), None, ValueError, r"decode of Short must turn \(1, 6\) into \(1, 4\), got \(1, 2\)"),
        (Nothing(), None, ValueError, r"decode of Nothing must turn \(1, 6\) into \(1, 4\), got NoneType"),
        (Gaps(), None, ValueError, r"units\(\) of Gaps must be the whole numbers 0, 1, ... without gaps"),
        (Few(), None, ValueError, r"one for each of 6 columns, got \[0, 1\]"),
    ],
)
def test_what_is_no_design_is_refused_with_a_reason(module, width, error, message):
    with pytest.raises(error, match=message):
        as_design(module, width)


def test_a_loss_must_be_one_number():
    with pytest.raises(ValueError, match=r"loss of Loose must be one number, got shape \(10,\)"):
        as_design(Loose()).loss(activations())
