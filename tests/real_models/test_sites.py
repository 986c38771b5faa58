"""Activations are read where they are said to be, and replaced there."""

from __future__ import annotations

import pytest
import torch

from real_models.sites import Site, blocks, read, replaced, width

from . import tiny

TOKENS = torch.arange(12).reshape(2, 6)


@pytest.mark.parametrize("kind", tiny.MODELS)
@pytest.mark.parametrize("block", range(tiny.LAYERS))
def test_the_residual_stream_is_the_models_hidden_state(kind, block):
    model = tiny.language(kind).model
    hidden = model(input_ids=TOKENS, output_hidden_states=True).hidden_states
    torch.testing.assert_close(read(model, Site(block, "resid_pre"), input_ids=TOKENS), hidden[block], rtol=0, atol=0)
    if block < tiny.LAYERS - 1:  # the last hidden state comes after the final norm
        post = read(model, Site(block, "resid_post"), input_ids=TOKENS)
        torch.testing.assert_close(post, hidden[block + 1], rtol=0, atol=0)


@pytest.mark.parametrize("kind", tiny.MODELS)
def test_attention_and_mlp_are_what_a_block_adds(kind):
    model = tiny.language(kind).model
    pre, attn, mlp, post = (
        read(model, Site(1, stream), input_ids=TOKENS) for stream in ("resid_pre", "attn_out", "mlp_out", "resid_post")
    )
    torch.testing.assert_close(pre + attn + mlp, post)
    assert attn.norm() > 0
    assert mlp.norm() > 0


@pytest.mark.parametrize("kind", tiny.MODELS)
def test_the_pass_ends_after_the_block(kind):
    model = tiny.language(kind).model
    seen = []
    handle = blocks(model)[2].register_forward_hook(lambda *_: seen.append(2))
    read(model, Site(1), input_ids=TOKENS)
    assert not seen
    model(input_ids=TOKENS)
    assert seen == [2]
    handle.remove()


@pytest.mark.parametrize("kind", tiny.MODELS)
@pytest.mark.parametrize("stream", ["resid_pre", "resid_post", "attn_out", "mlp_out"])
def test_what_is_replaced_is_what_the_rest_of_the_model_sees(kind, stream):
    model, site = tiny.language(kind).model, Site(1, stream)
    before = model(input_ids=TOKENS).logits
    with replaced(model, site, lambda x: x):
        torch.testing.assert_close(model(input_ids=TOKENS).logits, before, rtol=0, atol=0)
    with replaced(model, site, torch.zeros_like):
        assert not read(model, site, input_ids=TOKENS).any()
        assert (model(input_ids=TOKENS).logits - before).abs().max() > 1e-6
    torch.testing.assert_close(model(input_ids=TOKENS).logits, before, rtol=0, atol=0)


@pytest.mark.parametrize("kind", tiny.MODELS)
def test_hooks_are_gone_after_an_error(kind):
    model = tiny.language(kind).model

    def fail(x):
        raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"), replaced(model, Site(0), fail):
        model(input_ids=TOKENS)
    model(input_ids=TOKENS)


def test_outputs_may_be_tuples_as_in_transformers_4():
    model = tiny.language().model
    block = blocks(model)[1]
    own = block.forward
    block.forward = lambda *args, **kwargs: (own(*args, **kwargs), "attention")
    expected = own(read(model, Site(1, "resid_pre"), input_ids=TOKENS))
    torch.testing.assert_close(read(model, Site(1), input_ids=TOKENS), expected)


@pytest.mark.parametrize(
    ("text", "site"),
    [
        ("7.resid_pre", Site(7, "resid_pre")),
        ("blocks.7.hook_resid_pre", Site(7, "resid_pre")),
        ("0.mlp_out", Site(0, "mlp_out")),
        ("blocks.11.hook_attn_out", Site(11, "attn_out")),
    ],
)
def test_sites_are_spelt_as_here_or_as_in_transformer_lens(text, site):
    assert Site.parse(text) == site
    assert Site.parse(str(site)) == site


@pytest.mark.parametrize(
    ("text", "told"), [("seven", "BLOCK.STREAM"), ("7.resid_prae", "resid_pre"), ("7", "BLOCK.STREAM")]
)
def test_other_spellings_are_refused(text, told):
    with pytest.raises(ValueError, match=told):
        Site.parse(text)


def test_a_site_that_does_not_exist_is_refused_with_the_nearest():
    model = tiny.language().model
    with pytest.raises(ValueError, match=r"blocks 0 to 2, got 3.resid_post; the nearest is 2.resid_post"):
        read(model, Site(3), input_ids=TOKENS)
    assert width(model, Site(2)) == tiny.WIDTH
