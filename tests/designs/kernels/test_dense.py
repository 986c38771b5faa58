"""Dense products and their gradients."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory.designs.kernels import dense, linear


def normal(seed: int, *shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@given(seed=st.integers(0, 1000), n=st.integers(0, 9), inputs=st.integers(1, 9), outputs=st.integers(1, 9))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_is_pytorchs_linear(dtype, seed, n, inputs, outputs):
    sizes = ((n, inputs), (outputs, inputs), (outputs,))
    leaves = [normal(seed + i, *size, dtype=dtype).requires_grad_() for i, size in enumerate(sizes)]
    target = normal(seed + 7, n, outputs, dtype=dtype)
    found, wanted = linear(*leaves), torch.nn.functional.linear(*leaves)
    assert torch.allclose(found, wanted, atol=1e-5)
    for bias in (leaves[2], None):
        used = leaves if bias is not None else leaves[:2]
        one = torch.autograd.grad((linear(*leaves[:2], bias) * target).sum(), used)
        other = torch.autograd.grad((torch.nn.functional.linear(*leaves[:2], bias) * target).sum(), used)
        assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(one, other, strict=True))


def test_every_order_of_derivative_exists():
    leaves = [normal(1, 3, 4).requires_grad_(), normal(2, 5, 4).requires_grad_(), normal(3, 5).requires_grad_()]
    assert torch.autograd.gradcheck(linear, leaves)
    assert torch.autograd.gradgradcheck(linear, leaves)


def test_an_ensemble_is_its_members():
    x, weights = normal(1, 6, 4), normal(2, 3, 5, 4)

    def loss(weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        return linear(x, weight, bias).pow(3).sum()

    for biases in (normal(3, 3, 5), None):
        together = torch.vmap(torch.func.grad(loss), (0, None if biases is None else 0))(weights, biases)
        for i, weight in enumerate(weights):
            own = None if biases is None else biases[i]
            assert torch.allclose(together[i], torch.func.grad(loss)(weight, own))
    twice = torch.vmap(torch.vmap(lambda weight: linear(x, weight)))(weights.expand(2, -1, -1, -1))
    assert torch.allclose(twice[1], torch.stack([x @ weight.mT for weight in weights]))


def test_autocast_sets_the_type():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = linear(normal(1, 3, 4, dtype=torch.float32), normal(2, 5, 4, dtype=torch.float32))
    assert result.dtype == torch.bfloat16


def test_any_number_of_leading_dimensions_will_do():
    x, weight, bias = normal(1, 2, 3, 4).requires_grad_(), normal(2, 5, 4), normal(3, 5)
    for rows in (x, x[0], x[0, 0]):
        found, wanted = linear(rows, weight, bias), torch.nn.functional.linear(rows, weight, bias)
        assert torch.allclose(found, wanted)
        one, other = (torch.autograd.grad(y.square().sum(), x, retain_graph=True)[0] for y in (found, wanted))
        assert torch.allclose(one, other)


def test_products_inside_kernels_heed_no_autocast(monkeypatch):
    x, weight = normal(1, 3, 4, dtype=torch.float32), normal(2, 5, 4, dtype=torch.float32)
    exact = x @ weight.mT
    for onednn in (dense._onednn, None):
        monkeypatch.setattr(dense, "_onednn", onednn)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.allclose(dense.product(x, weight), exact, atol=1e-6)
