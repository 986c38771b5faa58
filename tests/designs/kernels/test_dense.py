"""Dense products and their gradients."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sasa_theory.designs.kernels import linear


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

    def loss(weight: torch.Tensor) -> torch.Tensor:
        return linear(x, weight).pow(3).sum()

    together = torch.func.vmap(torch.func.grad(loss))(weights)
    assert torch.allclose(together, torch.stack([torch.func.grad(loss)(weight) for weight in weights]))


def test_autocast_sets_the_type():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = linear(normal(1, 3, 4, dtype=torch.float32), normal(2, 5, 4, dtype=torch.float32))
    assert result.dtype == torch.bfloat16
