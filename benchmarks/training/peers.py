"""The peers' own training, with Adam and no clocks but the turn's: their loops where they have one without a model."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .settings import DEAD_AFTER, Setting
from .turn import Turn

_STEPS = 10**6
"""Of the schedules; the turn ends much sooner."""


def sae_lens_dense(turn: Turn, setting: Setting, tuned: bool) -> None:
    """SAELens' TopK in its ``SAETrainer.fit``, which clips gradients and counts firings."""
    _sae_lens(turn, setting, sparse=False)


def sae_lens_sparse(turn: Turn, setting: Setting, tuned: bool) -> None:
    """The same with its sparse activations, which torch 2.13 cannot differentiate through its rescaling by norms."""
    _sae_lens(turn, setting, sparse=True)


def _sae_lens(turn: Turn, setting: Setting, *, sparse: bool) -> None:
    from sae_lens import TopKTrainingSAE, TopKTrainingSAEConfig
    from sae_lens.config import SAETrainerConfig
    from sae_lens.training.sae_trainer import SAETrainer

    sae = TopKTrainingSAE(
        TopKTrainingSAEConfig(
            d_in=setting.width,
            d_sae=setting.columns,
            k=setting.active,
            use_sparse_activations=sparse,
            rescale_acts_by_decoder_norm=not sparse,
        )
    )
    config = SAETrainerConfig(
        total_training_samples=_STEPS * setting.batch,
        train_batch_size_samples=setting.batch,
        lr_end=3e-5,
        dead_feature_window=DEAD_AFTER,
    )
    SAETrainer(config, sae, turn).fit()


def dictionary_learning(turn: Turn, setting: Setting, tuned: bool) -> None:
    """dictionary_learning's ``TopKTrainer.update``, which clips gradients and counts firings."""
    from dictionary_learning.trainers.top_k import TopKTrainer

    trainer = TopKTrainer(
        steps=_STEPS,
        activation_dim=setting.width,
        dict_size=setting.columns,
        k=setting.active,
        layer=0,
        lm_name="none",
        device="cpu",
        seed=0,
    )
    trainer.dead_feature_threshold = DEAD_AFTER
    for step, x in enumerate(turn):
        trainer.update(step, x)


def overcomplete(turn: Turn, setting: Setting, tuned: bool) -> None:
    """``train_sae`` of overcomplete with its default encoder; tuned, without the monitoring that is on by default."""
    from overcomplete.sae import TopKSAE
    from overcomplete.sae.train import train_sae

    def squared_error(x: Tensor, x_hat: Tensor, *_: Any) -> Tensor:
        return (x - x_hat).square().mean()

    sae = TopKSAE(setting.width, nb_concepts=setting.columns, top_k=setting.active)
    train_sae(
        sae, turn, squared_error, torch.optim.Adam(sae.parameters(), lr=5e-4), nb_epochs=1, monitoring=int(not tuned)
    )


def sparsify(turn: Turn, setting: Setting, tuned: bool) -> None:
    """The step of sparsify's ``Trainer`` with ``optimizer="adam"``, whose loop around it needs a language model.

    Its default is sign descent with momentum, averaged free of schedule. No AuxK, as by default.
    """
    from transformers import get_linear_schedule_with_warmup

    sae = _sparse_coder(setting)
    optimiser = torch.optim.Adam(sae.parameters(), lr=2e-4 / (setting.columns / 2**14) ** 0.5)
    scheduler = get_linear_schedule_with_warmup(optimiser, 1000, _STEPS)
    idle = torch.zeros(setting.columns, dtype=torch.long)
    for step, x in enumerate(turn):
        if step == 0:
            sae.b_dec.data = x.mean(0)
        total_variance = (x - x.mean(0)).pow(2).sum()
        sae.set_decoder_norm_to_unit_norm()
        out = sae(x=x, y=x, dead_mask=None, total_variance=total_variance)
        fired = torch.zeros(setting.columns, dtype=torch.bool)
        fired[out.latent_indices.flatten()] = True
        float(out.fvu.detach())
        (out.fvu + out.multi_topk_fvu / 8).backward()
        sae.remove_gradient_parallel_to_decoder_directions()
        optimiser.step()
        optimiser.zero_grad()
        scheduler.step()
        with torch.no_grad():
            idle += len(x)
            idle[fired] = 0


@torch.no_grad()
def sparsify_reconstruct(turn: Turn, setting: Setting, tuned: bool) -> None:
    """Encode and decode with sparsify's ``SparseCoder``, without the errors that its forward adds."""
    sae = _sparse_coder(setting).eval()
    for x in turn:
        encoded = sae.encode(x)
        sae.decode(encoded.top_acts, encoded.top_indices)


def _sparse_coder(setting: Setting) -> Any:
    from sparsify import SparseCoder, SparseCoderConfig

    return SparseCoder(setting.width, SparseCoderConfig(num_latents=setting.columns, k=setting.active))
