"""Objects with the interfaces of four libraries as designs; benchmarks/peers_agree.py checks the libraries."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from sasa_theory.designs.adapters import dictionary_learning, overcomplete, sae_lens, sparsify

WIDTH, ATOMS, K = 5, 9, 3


def weights(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape) + sum(shape))))


def top(u: Tensor) -> Tensor:
    best = u.topk(K).indices
    return torch.zeros_like(u).scatter(-1, best, u.gather(-1, best))


class Dictionary(nn.Module):
    """As in dictionary_learning: extra results only when asked for."""

    activation_dim, dict_size = WIDTH, ATOMS

    def __init__(self):
        super().__init__()
        self.inward, self.outward = weights(WIDTH, ATOMS), weights(ATOMS, WIDTH)

    def encode(self, x, return_topk=False):
        codes = top((x @ self.inward).relu())
        return (codes, codes) if return_topk else codes

    def decode(self, f):
        return f @ self.outward + 1


class Encoded(NamedTuple):
    top_acts: Tensor
    top_indices: Tensor
    pre_acts: Tensor


class SparseCoder(nn.Module):
    """As in sparsify: values and positions of what fires."""

    def __init__(self, transcode=False, skip=False, decoder=True):
        super().__init__()
        self.d_in, self.num_latents, self.cfg = WIDTH, ATOMS, SimpleNamespace(transcode=transcode)
        self.encoder = weights(WIDTH, ATOMS)
        self.W_dec, self.b_dec = weights(ATOMS, WIDTH) if decoder else None, weights(WIDTH)
        self.W_skip = weights(WIDTH, WIDTH) if skip else None

    def encode(self, x):
        pre = ((x - self.b_dec) @ self.encoder).relu()
        return Encoded(*pre.topk(K), pre)

    def decode(self, top_acts, top_indices):
        return (top_acts.unsqueeze(-1) * self.W_dec[top_indices]).sum(dim=1) + self.b_dec


class Concepts(nn.Module):
    """As in overcomplete: a pair of pre-codes and codes."""

    nb_concepts = ATOMS

    def __init__(self):
        super().__init__()
        self.encoder, self.dictionary = weights(WIDTH, ATOMS), nn.Module()
        self.dictionary.in_dimensions, self.dictionary.atoms = WIDTH, weights(ATOMS, WIDTH)

    def encode(self, x):
        return x @ self.encoder, top((x @ self.encoder).relu())

    def decode(self, z):
        return z @ self.dictionary.atoms


class SAE(nn.Module):
    """As in SAELens: sizes in a config; codes may be sparse tensors."""

    def __init__(self, sparse=False, **settings):
        super().__init__()
        common = {"d_in": WIDTH, "d_sae": ATOMS, "normalize_activations": "none", "reshape_activations": "none"}
        self.cfg, self.sparse = SimpleNamespace(**common | settings), sparse
        self.W_enc, self.W_dec = weights(WIDTH, ATOMS), weights(ATOMS, WIDTH)

    def encode(self, x):
        codes = top((x @ self.W_enc).relu())
        return codes.to_sparse() if self.sparse else codes

    def decode(self, feature_acts):
        return feature_acts @ self.W_dec


def codes_of(peer: nn.Module, x: Tensor) -> Tensor:
    """What the library itself makes of x, dense."""
    codes = peer.encode(x)
    if isinstance(codes, Encoded):
        return torch.zeros(len(x), ATOMS).scatter(1, codes.top_indices, codes.top_acts)
    codes = codes[1] if isinstance(codes, tuple) else codes
    return codes.to_dense() if codes.is_sparse else codes


@pytest.mark.parametrize(
    ("wrap", "peer"),
    [
        (dictionary_learning.wrap, Dictionary()),
        (sparsify.wrap, SparseCoder()),
        (overcomplete.wrap, Concepts()),
        (sae_lens.wrap, SAE()),
        (sae_lens.wrap, SAE(sparse=True)),
        (sae_lens.wrap, SAE(normalize_activations="expected_average_only_in")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_wrapped_object_computes_what_the_library_does(wrap, peer):
    x = torch.randn(20, WIDTH, generator=torch.Generator().manual_seed(1))
    design = wrap(peer)
    assert (design.width, design.columns, design.n_units) == (WIDTH, ATOMS, ATOMS)
    codes = codes_of(peer, x)
    assert torch.equal(design.encode(x), codes)
    rows = peer.decode(*peer.encode(x)[:2]) if isinstance(peer, SparseCoder) else peer.decode(codes)
    torch.testing.assert_close(design(x), rows)
    loss = design.loss(x)
    torch.testing.assert_close(loss.total, (rows - x).square().sum(dim=-1).mean())
    assert loss.fired.tolist() == (codes != 0).sum(dim=0).tolist()
    loss.total.backward()
    assert all(parameter.grad is not None for parameter in design.parameters())
    assert {id(p) for p in design.parameters()} == {id(p) for p in peer.parameters()}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"transcode": True}, "this one is a transcoder"),
        ({"skip": True}, "this one skips layers"),
        ({"decoder": False}, "this one has no decoder"),
    ],
)
def test_what_is_no_autoencoder_is_refused(settings, message):
    with pytest.raises(ValueError, match=f"coder must be a sparse autoencoder, but {message}; load one"):
        sparsify.wrap(SparseCoder(**settings))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"normalize_activations": "layer_norm"}, "got 'layer_norm', whose decode depends on the last encode"),
        ({"normalize_activations": "constant_norm_rescale"}, "got 'constant_norm_rescale', whose decode depends"),
        ({"reshape_activations": "hook_z"}, "reshape_activations must be 'none', got 'hook_z'; call the SAE's method"),
    ],
)
def test_an_sae_whose_decode_needs_more_than_codes_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        sae_lens.wrap(SAE(**settings))


def test_no_library_is_imported():
    assert not {"sae_lens", "dictionary_learning", "sparsify", "overcomplete"} & sys.modules.keys()


def test_registering_without_saelens_says_what_is_missing():
    with pytest.raises(ImportError, match="sae_lens"):
        sae_lens.register_sasa()
