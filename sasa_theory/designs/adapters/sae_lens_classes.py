"""Our designs as classes of SAELens 6; importing this module imports SAELens."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from sae_lens.saes.sae import (
    SAE,
    SAEConfig,
    TrainingSAE,
    TrainingSAEConfig,
    TrainStepInput,
    TrainStepOutput,
)
from torch import Tensor

from sasa_theory.designs.contract import Design, Loss
from sasa_theory.designs.layer_norm import LayerNormed
from sasa_theory.designs.saving.sae_lens_layout import OUR_ARCHITECTURE, as_stored, layout_of, stored_names
from sasa_theory.designs.saving.storage import CONFIG_FILE, build


@dataclass
class SasaSAEConfig(SAEConfig):
    """Config of :class:`SasaSAE`.

    Attributes
    ----------
    sasa_theory : dict
        Version, kind and config of the design, as :func:`sasa_theory.designs.save` writes them.
    """

    sasa_theory: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def architecture(cls) -> str:
        """Name in SAELens' registry."""
        return OUR_ARCHITECTURE


@dataclass(kw_only=True)
class SasaTrainingSAEConfig(TrainingSAEConfig):
    """Config of :class:`SasaTrainingSAE`.

    Attributes
    ----------
    sasa_theory : dict
        As in :class:`SasaSAEConfig`.
    training_steps : int
        Length of the training: what the design's schedules stretch over.
    """

    sasa_theory: dict[str, Any] = field(default_factory=dict)
    training_steps: int = 1

    @classmethod
    def architecture(cls) -> str:
        """Name in SAELens' registry."""
        return OUR_ARCHITECTURE


class _Holding:
    """What the two classes share: they hold a design, which does the work. SAELens normalises tokens itself."""

    cfg: Any
    design: Design

    def initialize_weights(self) -> None:
        """Build the design, in the precision that the config asks for."""
        self.design = build(self.cfg.sasa_theory, Path(CONFIG_FILE)).to(getattr(torch, self.cfg.dtype))

    @property
    def inner(self) -> Any:
        """The design that sees what SAELens has normalised."""
        return self.design.inner if isinstance(self.design, LayerNormed) else self.design

    @property
    def W_dec(self) -> Tensor:  # noqa: N802
        """Decoder, shape (d_sae, d_in)."""
        decoder: Tensor = self.inner.decoder
        return decoder

    @property
    def W_enc(self) -> Tensor:  # noqa: N802
        """Encoder, shape (d_in, d_sae)."""
        encoder: Tensor = self.inner.encoder.mT
        return encoder

    @property
    def b_dec(self) -> Tensor:
        """Decoder's bias, shape (d_in,)."""
        bias: Tensor = self.inner.decoder_bias
        return bias

    def codes(self, x: Tensor) -> Tensor:
        """Codes of activations with any number of leading dimensions."""
        sae: Any = self
        x = sae.run_time_activation_norm_fn_in(sae.hook_sae_input(sae.reshape_fn_in(x.to(sae.dtype))))
        codes: Tensor = sae.hook_sae_acts_post(self.inner.encode(x.reshape(-1, x.shape[-1])).unflatten(0, x.shape[:-1]))
        return codes

    def decode(self, feature_acts: Tensor) -> Tensor:
        """Reconstructions of codes with any number of leading dimensions."""
        sae: Any = self
        flat = self.inner.decode(feature_acts.reshape(-1, feature_acts.shape[-1]))
        rows = sae.hook_sae_recons(flat.unflatten(0, feature_acts.shape[:-1]))
        out: Tensor = sae.reshape_fn_out(sae.run_time_activation_norm_fn_out(rows), sae.d_head)
        return out

    def process_state_dict_for_loading(self, state_dict: dict[str, Any]) -> None:
        """From the names in the file to those in the module. SAELens has made floating-point numbers of all."""
        fresh = self.design.state_dict()
        for ours, theirs in stored_names(fresh, layout_of(self.design)).items():
            if theirs in state_dict:
                tensor = as_stored(theirs, state_dict.pop(theirs))
                whole = not fresh[ours].is_floating_point()
                state_dict[f"design.{ours}"] = tensor.to(fresh[ours].dtype) if whole else tensor

    def process_state_dict_for_saving(self, state_dict: dict[str, Any]) -> None:
        """From the names in the module to those in the file."""
        names = stored_names(self.design.state_dict(), layout_of(self.design))
        for ours, theirs in names.items():
            state_dict[theirs] = as_stored(theirs, state_dict.pop(f"design.{ours}"))

    def fold_W_dec_norm(self) -> None:  # noqa: N802
        """Refused: norms of decoder rows take part in what some designs select."""
        raise NotImplementedError("the norms of this design's decoder rows cannot be folded into its encoder")

    def fold_activation_norm_scaling_factor(self, scaling_factor: float) -> None:
        """Make a design trained on scaled activations the equal one for activations as they are."""
        scaled: Any = self.design
        scaled.absorb_scale(scaling_factor)
        self.cfg.normalize_activations = "none"

    def fold_activation_whitening(self, mean: Tensor, whitening_matrix: Tensor, unwhitening_matrix: Tensor) -> None:
        """Refused: constraints on the decoder do not survive it."""
        raise NotImplementedError("whitening cannot be folded into this design; train on activations as they are")


class SasaSAE(_Holding, SAE[SasaSAEConfig]):
    """A design of ours as an SAE of SAELens, in evaluation mode."""

    def initialize_weights(self) -> None:
        """Build the design and leave training behind."""
        super().initialize_weights()
        self.design.eval()

    def encode(self, x: Tensor) -> Tensor:
        """Codes, shape (..., d_sae)."""
        return self.codes(x)

    def train(self, mode: bool = True) -> SasaSAE:
        """The design stays in evaluation mode: nobody trains it here."""
        super().train(mode)
        self.design.eval()
        return self


class SasaTrainingSAE(_Holding, TrainingSAE[SasaTrainingSAEConfig]):
    """A design of ours under SAELens' trainer.

    The trainer knows no hook after the optimiser's step: constraints are restored when the next step begins, or the
    weights are asked for.
    """

    _done: tuple[Loss, int] | None = None

    def initialize_weights(self) -> None:
        """Besides, project each gradient as soon as it is there."""
        super().initialize_weights()
        for parameter in self.design.parameters():
            parameter.register_post_accumulate_grad_hook(lambda _: self.design.project_gradients())

    def get_coefficients(self) -> dict[str, Any]:
        """None: the design's schedules set its coefficients."""
        return {}

    def encode_with_hidden_pre(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Codes, twice: not every design has pre-activations."""
        self._end_step()
        codes = self.codes(x)
        return codes, codes

    def calculate_aux_loss(
        self, step_input: TrainStepInput, feature_acts: Tensor, hidden_pre: Tensor, sae_out: Tensor
    ) -> dict[str, Tensor]:
        """Nothing beside the design's own loss."""
        return {}

    def training_forward_pass(self, step_input: TrainStepInput) -> TrainStepOutput:
        """The design's loss, and its codes for SAELens' statistics."""
        self._end_step()
        x = step_input.sae_in
        self.design.begin_step(step_input.n_training_steps, self.cfg.training_steps)
        loss = self.design.loss(x)
        with torch.no_grad():
            codes = self.codes(x)
            rows = self.decode(codes)
        self._done = loss._replace(total=loss.total.detach()), len(x)
        return TrainStepOutput(
            sae_in=x, sae_out=rows, feature_acts=codes, hidden_pre=codes, loss=loss.total, losses=loss.terms
        )

    def process_state_dict_for_saving(self, state_dict: dict[str, Any]) -> None:
        """From the names in the module to those in the file, with all constraints restored."""
        self._end_step()
        super().process_state_dict_for_saving(state_dict)

    @torch.no_grad()
    def _end_step(self) -> None:
        if self._done is not None:
            self.design.end_step(*self._done)
            self._done = None
