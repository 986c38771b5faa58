"""Do the adapters agree with the libraries they adapt, and SAELens with what we save? Run by hand, see README.md."""

from __future__ import annotations

import json
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sasa_theory.designs import Design, config, presets
from sasa_theory.designs.adapters import dictionary_learning, overcomplete, sae_lens, sparsify
from sasa_theory.designs.layer_norm import LayerNormed, LayerNormedConfig
from sasa_theory.designs.linear import LinearDesign
from sasa_theory.designs.saving.storage import load, save

WIDTH, ATOMS, ROWS = 16, 40, 64
SIZES = {"width": WIDTH, "atoms": ATOMS, "k": 5, "groups": 10, "rank": 4, "active": 2, "steps": 5}
SIZES |= {"sparsity": 0.1, "target_l0": 5.0}
CLOSE = 2e-5
"""Largest relative deviation that float32 may leave."""


def main() -> None:
    """Check everything, print one line each, and exit with 1 if anything deviates."""
    warnings.filterwarnings("ignore")
    failed = 0
    for name, deviation in checks():
        agrees = deviation <= CLOSE
        failed += not agrees
        print(f"{'agrees' if agrees else 'DEVIATES'}  {deviation:9.1e}  {name}")
    print(f"{failed} of all checks deviate" if failed else "all agree")
    sys.exit(bool(failed))


def checks() -> Iterator[tuple[str, float]]:
    """Name and deviation of each check."""
    yield from saved_designs()
    yield from read_checkpoints()
    yield from wrapped_objects()
    yield "SAELens trains SASA, saves it, both read it", trained()


def saved_designs() -> Iterator[tuple[str, float]]:
    """Every preset, saved by us and read by SAELens; codes are compared where the architecture keeps their scale."""
    from sae_lens import SAE

    sae_lens.register_sasa()
    x = activations()
    for name, preset in presets().items():
        needed = {f.name for f in fields(preset.config) if f.init and f.default is f.default_factory is MISSING}
        settings = {key: SIZES[key] for key in needed - preset.settings.keys()}
        if preset.settings.get("penalty") == "target":
            settings["target_l0"] = SIZES["target_l0"]
        made = config(name, **settings)
        designs = {name: made.build(torch.Generator().manual_seed(0))}
        if isinstance(designs[name], LinearDesign):
            designs[f"{name}, layer norm"] = LayerNormedConfig(inner=made).build(torch.Generator().manual_seed(0))
        for label, design in designs.items():
            spread(design)
            design.eval()
            with tempfile.TemporaryDirectory() as folder:
                at = Path(folder) / "saved"
                save(design, at)
                sae = SAE.load_from_disk(at)
                architecture = json.loads((at / "cfg.json").read_text())["architecture"]
            codes = sae.encode(x)
            title = f"saved {label} -> {architecture}"
            yield f"{title}: forward", deviation(sae(x), design(x))
            yield f"{title}: forward of 3 dimensions", deviation(sae(x.unflatten(0, (4, -1))).flatten(0, 1), design(x))
            normed = isinstance(design, LayerNormed)
            ours = design.inner.encode(design.normalise(x).u) if normed else design.encode(x)
            if getattr(sae.cfg, "rescale_acts_by_decoder_norm", False):
                ours = ours * sae.W_dec.norm(dim=-1)
            yield f"{title}: codes", deviation(codes, ours)


def read_checkpoints() -> Iterator[tuple[str, float]]:
    """SAELens' own SAEs, saved by it and read by us."""
    import sae_lens as peer

    x = activations()
    common = {"d_in": WIDTH, "d_sae": ATOMS}
    cases: dict[str, Any] = {
        "standard": peer.StandardSAE(peer.StandardSAEConfig(**common)),
        "standard, bias not subtracted": peer.StandardSAE(peer.StandardSAEConfig(**common, apply_b_dec_to_input=False)),
        "standard, layer norm": peer.StandardSAE(peer.StandardSAEConfig(**common, normalize_activations="layer_norm")),
        "gated": peer.GatedSAE(peer.GatedSAEConfig(**common)),
        "gated, bias not subtracted": peer.GatedSAE(peer.GatedSAEConfig(**common, apply_b_dec_to_input=False)),
        "jumprelu": peer.JumpReLUSAE(peer.JumpReLUSAEConfig(**common)),
        "topk": peer.TopKSAE(peer.TopKSAEConfig(**common, k=5)),
        "topk, rescaled": peer.TopKSAE(peer.TopKSAEConfig(**common, k=5, rescale_acts_by_decoder_norm=True)),
        "abstopk": peer.AbsTopKSAE(peer.AbsTopKSAEConfig(**common, k=5)),
    }
    for name, sae in cases.items():
        spread(sae)
        with tempfile.TemporaryDirectory() as folder:
            sae.save_model(folder)
            design = load(folder)
        yield f"read {name}: forward", deviation(design(x), sae(x))
        if not isinstance(design, LayerNormed):
            yield f"read {name}: codes", deviation(design.encode(x), sae.encode(x))
    for rescaled in (False, True):
        settings: Any = {**common, "k": 5, "rescale_acts_by_decoder_norm": rescaled}
        for name, sae in {
            "batchtopk": peer.BatchTopKTrainingSAE(peer.BatchTopKTrainingSAEConfig(**settings)),
            "matryoshka_batchtopk": peer.MatryoshkaBatchTopKTrainingSAE(
                peer.MatryoshkaBatchTopKTrainingSAEConfig(**settings, matryoshka_widths=[10, 20, ATOMS])
            ),
        }.items():
            spread(sae)
            sae.topk_threshold.fill_(0.3)
            with tempfile.TemporaryDirectory() as folder:
                sae.save_model(folder)
                sae.save_inference_model(Path(folder) / "inference")
                design, jumprelu = load(folder), peer.SAE.load_from_disk(Path(folder) / "inference")
                read = load(Path(folder) / "inference")
            title = f"read {name}{', rescaled' if rescaled else ''}"
            yield f"{title}: training mode", deviation(design.train().encode(x), sae.encode(x))
            yield f"{title}: evaluation as its JumpReLU", deviation(design.eval().encode(x), jumprelu.encode(x))
            yield f"{title}: its JumpReLU", deviation(read.encode(x), jumprelu.encode(x))


def wrapped_objects() -> Iterator[tuple[str, float]]:
    """Objects of the four libraries and their wrapped selves."""
    import overcomplete.sae as oc
    import sae_lens as sl
    from dictionary_learning.dictionary import AutoEncoder, AutoEncoderNew, GatedAutoEncoder, JumpReluAutoEncoder
    from dictionary_learning.trainers.batch_top_k import BatchTopKSAE
    from dictionary_learning.trainers.top_k import AutoEncoderTopK
    from sparsify import SparseCoder, SparseCoderConfig

    x = activations()
    for made in (
        AutoEncoder(WIDTH, ATOMS),
        AutoEncoderNew(WIDTH, ATOMS),
        GatedAutoEncoder(WIDTH, ATOMS),
        JumpReluAutoEncoder(WIDTH, ATOMS),
        AutoEncoderTopK(WIDTH, ATOMS, 5),
        BatchTopKSAE(WIDTH, ATOMS, 5),
    ):
        yield from same(dictionary_learning.wrap, made, x, made.encode(x), made(x))
    topk: Any = sl.TopKTrainingSAE(sl.TopKTrainingSAEConfig(d_in=WIDTH, d_sae=ATOMS, k=5, use_sparse_activations=True))
    yield from same(sae_lens.wrap, topk, x, topk.encode(x).to_dense(), topk(x))
    standard: Any = sl.StandardSAE(sl.StandardSAEConfig(d_in=WIDTH, d_sae=ATOMS))
    yield from same(sae_lens.wrap, standard, x, standard.encode(x), standard(x))
    for activation in ("topk", "groupmax"):
        coder = SparseCoder(WIDTH, SparseCoderConfig(num_latents=ATOMS, k=5, activation=activation))
        found = coder.encode(x)
        codes = torch.zeros(ROWS, ATOMS).scatter(1, found.top_indices, found.top_acts)
        yield from same(sparsify.wrap, coder, x, codes, coder.decode(found.top_acts, found.top_indices))
    for sae in (
        oc.TopKSAE(WIDTH, ATOMS, top_k=5),
        oc.JumpSAE(WIDTH, ATOMS),
        oc.BatchTopKSAE(WIDTH, ATOMS, top_k=5 * ROWS),
        oc.MpSAE(WIDTH, ATOMS, k=5),
    ):
        sae(x)  # BatchTopKSAE sets its threshold in training mode
        sae.eval()
        _, codes, rows = sae(x)
        yield from same(overcomplete.wrap, sae, x, codes, rows)


def same(
    wrap: Callable[[Any], Design], module: Any, x: Tensor, codes: Tensor, rows: Tensor
) -> Iterator[tuple[str, float]]:
    """A wrapped module against what the library says itself."""
    design = wrap(module)
    name = f"wrapped {type(module).__module__.split('.')[0]}.{type(module).__name__}"
    yield f"{name}: codes", deviation(design.encode(x), codes)
    yield f"{name}: forward", deviation(design(x), rows)
    yield f"{name}: loss", deviation(design.loss(x).error, (rows - x).square().sum(dim=-1).mean())


def trained() -> float:
    """SASA under SAELens' trainer: constraint restored, folder readable by both."""
    from sae_lens import SAE
    from sae_lens.config import SAETrainerConfig
    from sae_lens.training.sae_trainer import SAETrainer

    steps, batch = 200, 128
    design = config("sasa/release", width=WIDTH, groups=10, rank=4, active=2).build(torch.Generator().manual_seed(0))
    sae = sae_lens.training_sae(design, steps)
    generator = torch.Generator().manual_seed(1)
    mixing = torch.randn(4, WIDTH, generator=generator)
    stream = (torch.randn(batch, 4, generator=generator) @ mixing for _ in range(steps + 1))
    x = next(stream)
    before = float(design.eval().loss(x).error)
    sae.train()
    trainer = SAETrainer(SAETrainerConfig(steps * batch, batch, lr=1e-3, lr_end=1e-4), sae, stream)
    trainer.fit()
    with tempfile.TemporaryDirectory() as folder:
        sae.save_inference_model(folder)
        ours, theirs = load(folder).eval(), SAE.load_from_disk(folder)
    after = float(ours.loss(x).error)
    norms = ours.decoder.norm(dim=-1)
    print(
        f"          error {before:.3g} -> {after:.3g}, decoder rows {float(norms.min()):.6f}..{float(norms.max()):.6f}"
    )
    return max(deviation(theirs(x), ours(x)), deviation(norms, torch.ones_like(norms)), float(after > before))


def activations() -> Tensor:
    """Rows to compare on."""
    return torch.randn(ROWS, WIDTH, generator=torch.Generator().manual_seed(7)) + 0.5


@torch.no_grad()
def spread(module: nn.Module) -> None:
    """Move every parameter away from its initial value, so that no bias is 0."""
    generator = torch.Generator().manual_seed(3)
    for parameter in module.parameters():
        parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    if isinstance(module, Design):
        for name, buffer in module.named_buffers():
            if name.endswith("threshold"):
                buffer.fill_(0.3)


def deviation(a: Tensor, b: Tensor) -> float:
    """Largest deviation relative to the largest value."""
    return float((a - b).abs().max() / b.abs().max().clamp_min(1e-6))


if __name__ == "__main__":
    main()
