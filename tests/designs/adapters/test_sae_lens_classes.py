"""Our designs under SAELens, with a stand-in of the parts of SAELens that they touch.

benchmarks/peers_agree.py checks the same with SAELens itself.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field, fields
from types import ModuleType, SimpleNamespace
from typing import Any, Generic, TypeVar

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from sasa_theory.designs import get, load, save
from sasa_theory.designs.adapters import sae_lens
from sasa_theory.designs.layer_norm import LayerNormed

T = TypeVar("T")
REGISTRY: dict[str, tuple[type, type]] = {}
TRAINING: dict[str, tuple[type, type]] = {}


@dataclass
class SAEConfig:
    d_in: int
    d_sae: int
    dtype: str = "float32"
    device: str = "cpu"
    apply_b_dec_to_input: bool = True
    normalize_activations: str = "none"
    reshape_activations: str = "none"
    metadata: Any = field(default_factory=dict)


@dataclass(kw_only=True)
class TrainingSAEConfig(SAEConfig):
    decoder_init_norm: float | None = 0.1


class SAE(nn.Module, Generic[T]):
    """Builds, normalises tokens if told to, loads with every name and each tensor in one precision."""

    def __init__(self, cfg):
        super().__init__()
        self.cfg, self.dtype = cfg, getattr(torch, cfg.dtype)
        self.initialize_weights()
        self.hook_sae_input = self.hook_sae_acts_post = self.hook_sae_recons = nn.Identity()
        self.reshape_fn_in, self.reshape_fn_out, self.d_head = (lambda x: x), (lambda x, d: x), None

    def run_time_activation_norm_fn_in(self, x):
        if self.cfg.normalize_activations != "layer_norm":
            return x
        self.mean, self.std = x.mean(dim=-1, keepdim=True), x.std(dim=-1, keepdim=True)
        return (x - self.mean) / (self.std + 1e-5)

    def run_time_activation_norm_fn_out(self, x):
        return x * self.std + self.mean if self.cfg.normalize_activations == "layer_norm" else x

    def forward(self, x):
        return self.decode(self.encode(x))

    @classmethod
    def load_from_disk(cls, path):
        cfg = json.loads((path / "cfg.json").read_text())
        sae_class, config_class = REGISTRY[cfg["architecture"]]
        names = {f.name for f in fields(config_class)}
        sae = sae_class(config_class(**{key: value for key, value in cfg.items() if key in names}))
        state = {name: t.to(sae.dtype) for name, t in load_file(path / "sae_weights.safetensors").items()}
        sae.process_state_dict_for_loading(state)
        sae.load_state_dict(state, assign=True)
        return sae


class TrainingSAE(SAE[T]):
    def encode(self, x):
        return self.encode_with_hidden_pre(x)[0]

    def save_inference_model(self, path):
        state = self.state_dict()
        self.process_state_dict_for_saving(state)
        path.mkdir()
        save_file(state, path / "sae_weights.safetensors")
        config_class = REGISTRY[self.cfg.architecture()][1]
        cfg = {f.name: getattr(self.cfg, f.name) for f in fields(config_class)}
        (path / "cfg.json").write_text(json.dumps(cfg | {"architecture": config_class.architecture()}))


def register(registry):
    return lambda name, *classes: registry.update({name: classes})


@pytest.fixture
def peer(monkeypatch):
    """SAELens, as far as it goes."""
    registry = ModuleType("sae_lens.registry")
    registry.SAE_CLASS_REGISTRY, registry.register_sae_class = REGISTRY, register(REGISTRY)
    registry.register_sae_training_class = register(TRAINING)
    package, saes, sae = ModuleType("sae_lens"), ModuleType("sae_lens.saes"), ModuleType("sae_lens.saes.sae")
    package.registry = registry
    sae.SAE, sae.SAEConfig, sae.TrainingSAE, sae.TrainingSAEConfig = SAE, SAEConfig, TrainingSAE, TrainingSAEConfig
    sae.TrainStepInput = sae.TrainStepOutput = SimpleNamespace
    for module in (package, registry, saes, sae):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    name = "sasa_theory.designs.adapters.sae_lens_classes"
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, name)
    REGISTRY.clear()
    TRAINING.clear()
    yield
    sys.modules.pop(name, None)


def sasa(**settings):
    return get("sasa/release", width=6, groups=5, rank=2, active=2, **settings)


def activations(*shape):
    return torch.randn(*shape, 6, generator=torch.Generator().manual_seed(1))


def test_registering_twice_is_registering_once(peer):
    sae_lens.register_sasa()
    before = dict(REGISTRY)
    sae_lens.register_sasa()
    assert before == REGISTRY
    assert REGISTRY.keys() == TRAINING.keys() == {"sasa_theory"}


def test_a_saved_sasa_is_an_sae(peer, tmp_path):
    design = sasa()
    save(design, tmp_path / "sae")
    sae_lens.register_sasa()
    sae = SAE.load_from_disk(tmp_path / "sae")
    x = activations(4, 3)
    codes = sae.encode(x)
    assert codes.shape == (4, 3, 10)
    assert torch.equal(codes.flatten(0, 1), design.encode(x.flatten(0, 1)))
    torch.testing.assert_close(sae(x).flatten(0, 1), design(x.flatten(0, 1)))
    for ours, theirs in ((design.decoder, sae.W_dec), (design.encoder.mT, sae.W_enc), (design.decoder_bias, sae.b_dec)):
        assert torch.equal(ours, theirs)
    assert sae.design.idle.dtype == torch.int64
    for method in (sae.fold_W_dec_norm, lambda: sae.fold_activation_whitening(x, x, x)):
        with pytest.raises(NotImplementedError):
            method()


def test_precision_is_that_of_the_file(peer, tmp_path):
    save(sasa().double(), tmp_path / "sae")
    sae_lens.register_sasa()
    sae = SAE.load_from_disk(tmp_path / "sae")
    assert sae(activations(3)).dtype == torch.float64


def test_an_sae_never_selects_in_the_batch(peer, tmp_path):
    """Group BatchTopK selects by its threshold outside training."""
    design = get("group-batch-topk", width=6, groups=5, rank=2, active=2)
    design.threshold.fill_(0.8)
    save(design, tmp_path / "sae")
    sae_lens.register_sasa()
    x = activations(20)
    for sae in (SAE.load_from_disk(tmp_path / "sae"), SAE.load_from_disk(tmp_path / "sae").train()):
        assert torch.equal(sae.encode(x), design.eval().encode(x))


def test_layer_norm_is_done_by_saelens(peer, tmp_path):
    design = LayerNormed(sasa())
    save(design, tmp_path / "sae")
    sae_lens.register_sasa()
    sae = SAE.load_from_disk(tmp_path / "sae")
    x = 3 * activations(7) + 1
    assert sae.encode(x).shape == (7, 10)
    assert torch.equal(sae.W_dec, design.inner.decoder)
    torch.testing.assert_close(sae(x), design(x), rtol=1e-4, atol=1e-4)


def step_input(x, n_training_steps):
    return SimpleNamespace(sae_in=x, n_training_steps=n_training_steps)


def test_training_under_saelens_keeps_the_designs_constraints(peer, tmp_path):
    design = sasa(seed=3)
    sae = sae_lens.training_sae(design, 30)
    assert torch.equal(sae.W_dec, design.decoder)
    assert sae.get_coefficients() == {}
    optimiser = torch.optim.Adam(sae.parameters(), lr=0.05)
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(2, 6, generator=generator)
    errors = []
    for step in range(30):
        x = torch.randn(64, 2, generator=generator) @ mixing
        output = sae.training_forward_pass(step_input(x, step))
        assert torch.equal(output.feature_acts, sae.design.encode(x))
        torch.testing.assert_close(output.loss, sum(output.losses.values()))
        norms = sae.W_dec.norm(dim=-1)
        torch.testing.assert_close(norms, torch.ones_like(norms))  # restored before each step
        errors.append(float(output.losses["reconstruction"]))
        optimiser.zero_grad()
        output.loss.backward()
        optimiser.step()
    assert errors[-1] < 0.7 * errors[0]
    assert (sae.design.idle % 64 == 0).all()
    assert sae.design.idle.min() == 0
    assert not torch.equal(sae.W_dec, design.decoder)  # the given design was copied
    sae.save_inference_model(tmp_path / "trained")
    loaded, theirs = load(tmp_path / "trained"), SAE.load_from_disk(tmp_path / "trained")
    norms = loaded.decoder.norm(dim=-1)
    torch.testing.assert_close(norms, torch.ones_like(norms))  # after the last step too
    for name, tensor in sae.design.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)
        assert torch.equal(theirs.design.state_dict()[name], tensor)


def test_gradients_are_projected(peer):
    """Matching pursuit over groups keeps its blocks orthonormal: no gradient may point out of that set."""
    design = get("matching-pursuit/group", width=6, groups=5, rank=2, steps=2)
    sae = sae_lens.training_sae(design, 1)
    sae.training_forward_pass(step_input(activations(40), 0)).loss.backward()
    blocks, gradient = (w.detach().unflatten(0, (-1, 2)) for w in (sae.W_dec, sae.W_dec.grad))
    product = gradient @ blocks.mT
    torch.testing.assert_close(product, -product.mT, atol=1e-5, rtol=0)
    assert gradient.abs().max() > 0.1


def test_schedules_stretch_over_the_training(peer):
    """The penalty is due in every second step."""
    sae = sae_lens.training_sae(sasa(penalty_every=2), 4)
    due = ["nuclear" in sae.training_forward_pass(step_input(activations(8), step)).losses for step in range(4)]
    assert sorted(due) == [False, False, True, True]


def test_a_scale_of_the_activations_is_folded_in(peer):
    sae = sae_lens.training_sae(sasa(), 1)
    with torch.no_grad():
        sae.design.decoder_bias.fill_(0.3)
    x = activations(5)
    scaled = sae(2.0 * x) / 2.0
    sae.fold_activation_norm_scaling_factor(2.0)
    torch.testing.assert_close(sae(x), scaled)
    assert sae.cfg.normalize_activations == "none"


def test_what_saelens_has_itself_is_refused(peer):
    with pytest.raises(ValueError, match=r"one that SAELens lacks, got a TopK, which it has as 'topk'; train it there"):
        sae_lens.training_sae(get("topk", width=6, atoms=8, k=2), 10)
