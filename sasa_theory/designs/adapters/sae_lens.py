"""SAEs of SAELens 6 as designs, and our designs as SAEs of SAELens."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from sasa_theory.designs.contract import Design
from sasa_theory.designs.saving.sae_lens_layout import OUR_ARCHITECTURE
from sasa_theory.designs.saving.storage import header
from sasa_theory.designs.wrapped import Wrapped

_STATELESS = ("none", "expected_average_only_in", "covariance_whitening")


def wrap(sae: Any) -> Design:
    """An ``SAE`` or a ``TrainingSAE`` as a design.

    Parameters
    ----------
    sae : SAE
        A module with ``encode(x)``, ``decode(codes)``, ``cfg.d_in``, ``cfg.d_sae``, ``cfg.normalize_activations`` and
        ``cfg.reshape_activations``. Sparse codes are made dense.

    Returns
    -------
    Design
        Activations must be scaled as SAELens expects them; it applies neither ``expected_average_only_in`` nor
        ``covariance_whitening`` by itself.

    Raises
    ------
    ValueError
        If it normalises each token, for its ``decode`` then needs more than the codes, or if it reshapes heads.
    """
    if sae.cfg.normalize_activations not in _STATELESS:
        raise ValueError(
            f"normalize_activations must be one of {', '.join(_STATELESS)}, got {sae.cfg.normalize_activations!r}, "
            "whose decode depends on the last encode; sasa_theory.designs.load reads a saved 'layer_norm' as a design"
        )
    if sae.cfg.reshape_activations != "none":
        raise ValueError(
            f"reshape_activations must be 'none', got {sae.cfg.reshape_activations!r}; call the SAE's method "
            "turn_off_forward_pass_hook_z_reshaping, set the field to 'none', and flatten the heads before"
        )
    return Wrapped(_DenseCodes(sae), sae.cfg.d_in, sae.cfg.d_sae)


def register_sasa() -> None:
    """Teach SAELens the designs that it lacks, SASA above all: architecture ``sasa_theory``.

    From then on ``SAE.load_from_disk`` reads every folder that :func:`sasa_theory.designs.save` wrote. Calling it again
    changes nothing.

    Raises
    ------
    ImportError
        If SAELens is not installed.
    """
    from sae_lens import registry

    from .sae_lens_classes import SasaSAE, SasaSAEConfig, SasaTrainingSAE, SasaTrainingSAEConfig

    if OUR_ARCHITECTURE not in registry.SAE_CLASS_REGISTRY:
        registry.register_sae_class(OUR_ARCHITECTURE, SasaSAE, SasaSAEConfig)
        registry.register_sae_training_class(OUR_ARCHITECTURE, SasaTrainingSAE, SasaTrainingSAEConfig)


def training_sae(design: Design, steps: int) -> Any:
    """A design of ours for SAELens' trainer, with the design's own loss and constraints.

    Parameters
    ----------
    design : Design
        Built from a config, SASA or another that SAELens lacks; its weights are copied.
    steps : int
        Length of the training: what the design's schedules stretch over.

    Returns
    -------
    TrainingSAE
        What its ``save_inference_model`` writes, :func:`sasa_theory.designs.load` and ``SAE.load_from_disk`` read.

    Raises
    ------
    ValueError
        If SAELens has the architecture itself.
    """
    register_sasa()
    from .sae_lens_classes import SasaTrainingSAE, SasaTrainingSAEConfig

    fields = header(design)
    architecture = fields.pop("architecture")
    if architecture != OUR_ARCHITECTURE:
        raise ValueError(
            f"design must be one that SAELens lacks, got a {type(design).__name__}, which it has as {architecture!r}; "
            "train it there as that, or here"
        )
    del fields["metadata"]
    sae = SasaTrainingSAE(SasaTrainingSAEConfig(**fields, training_steps=steps))
    sae.design.load_state_dict(design.state_dict())
    return sae


class _DenseCodes(nn.Module):
    def __init__(self, sae: Any) -> None:
        super().__init__()
        self.sae = sae

    def encode(self, x: Tensor) -> Tensor:
        codes: Tensor = self.sae.encode(x)
        return codes.to_dense() if codes.is_sparse else codes

    def decode(self, codes: Tensor) -> Tensor:
        rows: Tensor = self.sae.decode(codes)
        return rows
