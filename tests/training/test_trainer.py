"""The loop: what it learns, what it logs, and that normalisation and averaging give the designs they promise."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from sasa_theory import designs
from sasa_theory.designs import Design, Loss
from sasa_theory.designs.layer_norm import LayerNormed
from sasa_theory.designs.linear import LinearDesign
from sasa_theory.training import Budget, Memory, Recipe, Source, train

WIDTH = 8


def data(n: int = 512, offset: float = 0.0, scale: float = 1.0, seed: int = 0) -> Tensor:
    """Rows with two of sixteen directions active, so that there is something to learn."""
    generator = torch.Generator().manual_seed(seed)
    directions = torch.nn.functional.normalize(torch.randn(16, WIDTH, generator=generator), dim=1)
    codes = torch.zeros(n, 16).scatter(1, torch.randint(16, (n, 2), generator=generator), 1.0)
    return scale * codes @ directions + offset


def topk(**settings: Any) -> Design:
    return designs.get("topk", width=WIDTH, atoms=32, k=2, **settings)


class Plain(Design):
    """Two methods and nothing else: an ordinary linear autoencoder with a threshold."""

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        super().__init__(WIDTH, 12)
        generator = torch.Generator().manual_seed(0)
        self.down = nn.Parameter(torch.randn(WIDTH, 12, generator=generator, dtype=dtype) / 3)
        self.up = nn.Parameter(torch.randn(12, WIDTH, generator=generator, dtype=dtype) / 3)

    def encode(self, x: Tensor) -> Tensor:
        return (x @ self.down).relu()

    def decode(self, codes: Tensor) -> Tensor:
        return codes @ self.up


class Hooked(Plain):
    """Writes down what happens to it, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Any] = []

    def begin_step(self, step: int, steps: int) -> None:
        self.calls.append(("begin", step, steps, self.down.detach().clone()))

    def loss(self, x: Tensor) -> Loss:
        self.calls.append(("loss", len(x)))
        return super().loss(x)

    def project_gradients(self) -> None:
        assert self.down.grad is not None
        self.down.grad.zero_()
        self.calls.append(("project",))

    def end_step(self, loss: Loss, rows: int) -> None:
        self.calls.append(("end", rows, loss.total.requires_grad, self.down.detach().clone()))


def test_training_learns_a_sparse_world_and_leaves_the_design_ready_for_use() -> None:
    x = data(2048)
    trained = train(topk(), Memory(x), Budget(tokens=300 * 128, batch_size=128), Recipe(lr=2e-2))
    assert [entry.step for entry in trained.log] == [100, 200, 300]
    assert trained.log[-1].ev is not None
    assert trained.log[-1].ev > 0.8
    assert not trained.design.training
    error = (trained.design(x) - x).square().sum(dim=1).mean() / (x - x.mean(dim=0)).square().sum(dim=1).mean()
    assert error < 0.2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_two_methods_are_enough(dtype: torch.dtype) -> None:
    trained = train(Plain(dtype), Memory(data()), Budget(tokens=200 * 64, batch_size=64), Recipe(lr=1e-2))
    assert trained.log[-1].loss < 0.5 * trained.log[0].loss
    assert next(trained.design.parameters()).dtype == dtype


def test_hooks_run_in_order_around_the_optimiser() -> None:
    design = Hooked()
    train(design, Memory(data()), Budget(tokens=3 * 10, batch_size=10), Recipe(lr=1e-2))
    assert [call[0] for call in design.calls] == ["begin", "loss", "project", "end"] * 3
    assert [call[1:3] for call in design.calls[::4]] == [(0, 3), (1, 3), (2, 3)]
    assert all(call[1:3] == (10, False) for call in design.calls[3::4])
    assert all(torch.equal(call[3], design.calls[0][3]) for call in design.calls[3::4])  # its gradient was removed
    up = Plain().up
    assert not torch.equal(design.up, up)


def test_each_step_has_the_learning_rate_of_its_schedule() -> None:
    """Adam's first step moves every weight by the learning rate itself, whatever the gradient."""
    design = Hooked()
    design.project_gradients = lambda: None  # type: ignore[method-assign]
    train(design, Memory(data()), Budget(tokens=200, batch_size=10), Recipe(lr=1.0, warmup=10))
    moved = (design.calls[2][3] - design.calls[0][3]).abs()
    torch.testing.assert_close(moved.max(), torch.tensor(0.1), rtol=1e-4, atol=0)


def test_explained_variance_is_that_of_the_formula_even_far_from_the_origin() -> None:
    """A negligible learning rate keeps the design as it is, so that one computation at the end checks each entry."""
    source, design = Memory(data(64, offset=100.0)), topk()
    assert isinstance(design, LinearDesign)
    design.decoder_bias.data.fill_(100.0)
    trained = train(design, source, Budget(tokens=6 * 12, batch_size=12), Recipe(lr=1e-12), log_every=1)
    stream, seen = source.batches(12, torch.Generator().manual_seed(0)), torch.empty(0, WIDTH, dtype=torch.float64)
    for entry in trained.log:
        x = next(stream)
        error = (trained.design(x).detach().double() - x.double()).square().sum(dim=1).mean()
        seen = torch.cat((seen, x.double()))
        variance = (seen - seen.mean(dim=0)).square().sum(dim=1).mean()
        assert entry.ev == pytest.approx(float(1 - error / variance), abs=1e-4)
        assert entry.loss == pytest.approx(float(error), rel=1e-4)


def test_entries_report_the_steps_since_the_entry_before() -> None:
    trained = train(topk(), Memory(data()), Budget(tokens=25 * 16, batch_size=16), Recipe(warmup=0), log_every=10)
    assert [entry.step for entry in trained.log] == [10, 20, 25]
    assert [entry.tokens for entry in trained.log] == [160, 320, 400]
    every = train(topk(), Memory(data()), Budget(tokens=25 * 16, batch_size=16), Recipe(warmup=0), log_every=1)
    losses = [entry.loss for entry in every.log]
    l0s = [entry.l0 for entry in every.log]
    assert trained.log[0].loss == pytest.approx(sum(losses[:10]) / 10)
    assert trained.log[2].loss == pytest.approx(sum(losses[20:]) / 5)
    assert trained.log[2].l0 == pytest.approx(sum(l0s[20:]) / 5)
    assert trained.log[1].terms["reconstruction"] == pytest.approx(trained.log[1].loss)
    assert trained.log[2].lr == every.log[24].lr
    assert trained.log[2].dead <= min(entry.dead for entry in every.log[20:])


def test_dead_is_the_share_of_units_that_never_fired() -> None:
    design = Plain()
    with torch.no_grad():
        design.down[:, :3] = 0.0
    trained = train(design, Memory(data()), Budget(tokens=640, batch_size=64), Recipe(lr=1e-12))
    assert trained.log[-1].dead == pytest.approx(3 / 12)


def test_constant_activations_have_no_explained_variance() -> None:
    trained = train(topk(), Memory(torch.ones(8, WIDTH)), Budget(tokens=16, batch_size=8))
    assert trained.log[-1].ev is None


def test_unit_mean_square_is_folded_into_the_finished_designs() -> None:
    """The same steps on activations scaled by hand give the design before folding, bit for bit."""
    x = data(scale=37.0)
    budget = Budget(tokens=150 * 64, batch_size=64)
    trained = train(topk(), Memory(x), budget, Recipe(lr=1e-2, normalise="unit_mean_square", ema=0.9))
    c = trained.scale
    assert c**2 * float(x.square().sum(dim=1).mean()) == pytest.approx(WIDTH, rel=1e-6)
    inner = train(topk(), Memory(x * c), budget, Recipe(lr=1e-2, ema=0.9))
    for outer, scaled in ((trained.design, inner.design), (trained.average, inner.average)):
        assert outer is not None
        assert scaled is not None
        torch.testing.assert_close(outer(x), scaled(c * x) / c, rtol=1e-4, atol=1e-3)
        torch.testing.assert_close(outer.encode(x), scaled.encode(c * x) / c, rtol=1e-4, atol=1e-3)
        assert (outer(x) - x).square().mean() < 0.3 * x.square().mean()


def test_activations_without_a_scale_are_refused() -> None:
    with pytest.raises(ValueError, match="mean squared norm 0"):
        train(
            topk(), Memory(torch.zeros(4, WIDTH)), Budget(tokens=4, batch_size=4), Recipe(normalise="unit_mean_square")
        )


def test_layer_norm_wraps_the_design() -> None:
    x = data(offset=3.0) * torch.linspace(1, 50, 512).unsqueeze(1)
    trained = train(topk(), Memory(x), Budget(tokens=200 * 64, batch_size=64), Recipe(lr=1e-2, normalise="layer_norm"))
    assert isinstance(trained.design, LayerNormed)
    assert (trained.design(x) - x).square().sum() < 0.2 * (x - x.mean(dim=0)).square().sum()
    again = train(trained.design, Memory(x), Budget(tokens=64, batch_size=64), Recipe(normalise="layer_norm"))
    assert again.design is trained.design


def test_layer_norm_may_leave_errors_in_the_units_of_the_activations() -> None:
    x = Memory(data(offset=3.0) * 20)
    budget, how = Budget(tokens=64, batch_size=64), Recipe(lr=1e-12, normalise="layer_norm_raw")
    trained = train(topk(), x, budget, how)
    assert isinstance(trained.design, LayerNormed)
    batch = next(x.batches(64, torch.Generator().manual_seed(0)))
    error = (trained.design(batch) - batch).square().sum(dim=1).mean()
    assert trained.log[0].terms["reconstruction"] == pytest.approx(error.item(), rel=1e-4)
    with pytest.raises(ValueError, match=r"errors in normalised space, the design is layer-normed with space='raw'"):
        train(trained.design, x, budget, Recipe(normalise="layer_norm"))


@pytest.mark.parametrize("normalise", ["unit_mean_square", "layer_norm"])
def test_designs_that_cannot_be_normalised_say_so(normalise: Any) -> None:
    with pytest.raises(ValueError, match=f"normalise='{normalise}' needs .* Plain lacks; set normalise='none'"):
        train(Plain(), Memory(data()), Budget(tokens=64, batch_size=64), Recipe(normalise=normalise))


def test_the_average_is_that_of_the_parameters_after_each_step_and_keeps_constraints() -> None:
    design = Hooked()
    design.project_gradients = lambda: None  # type: ignore[method-assign]
    trained = train(design, Memory(data()), Budget(tokens=50, batch_size=10), Recipe(lr=1e-2, ema=0.7))
    expected = Plain().down.detach()
    for call in design.calls:
        if call[0] == "end" and call[1] == 10:
            expected = 0.7 * expected + 0.3 * call[3]
    assert isinstance(trained.average, Hooked)
    torch.testing.assert_close(trained.average.down.detach(), expected)

    unit = train(topk(), Memory(data()), Budget(tokens=3200, batch_size=64), Recipe(lr=1e-1, ema=0.9))
    assert isinstance(unit.average, LinearDesign)
    assert isinstance(unit.design, LinearDesign)
    torch.testing.assert_close(unit.average.decoder.norm(dim=1), torch.ones(32))
    assert torch.equal(unit.average.idle, unit.design.idle)
    assert not torch.equal(unit.average.decoder, unit.design.decoder)


def test_autocast_evaluates_the_loss_in_bfloat16_and_keeps_the_weights_in_float32() -> None:
    seen: list[torch.dtype] = []

    class Watched(Plain):
        def encode(self, x: Tensor) -> Tensor:
            codes = super().encode(x)
            seen.append(codes.dtype)
            return codes

    trained = train(Watched(), Memory(data()), Budget(tokens=640, batch_size=64), Recipe(lr=1e-2, autocast=True))
    assert set(seen) == {torch.bfloat16}
    assert {p.dtype for p in trained.design.parameters()} == {torch.float32}
    assert trained.log[-1].loss > 0


def test_seeds_decide_everything() -> None:
    def weights(seed: int) -> Tensor:
        recipe = Recipe(lr=1e-2, normalise="unit_mean_square")
        trained = train(Plainly(), Memory(data()), Budget(tokens=640, batch_size=64), recipe, seed=seed)
        return trained.design.get_parameter("up").detach()

    class Plainly(Plain):
        def absorb_scale(self, scale: float) -> None:
            pass

    torch.manual_seed(0)
    first = weights(0)
    torch.manual_seed(1)
    assert torch.equal(first, weights(0))
    assert not torch.equal(first, weights(1))


def test_recipes_may_be_named() -> None:
    trained = train(topk(), Memory(data()), Budget(tokens=640, batch_size=64), "synthetic")
    assert trained.log[-1].lr == 1e-3
    with pytest.raises(ValueError, match="recipe must be one of"):
        train(topk(), Memory(data()), Budget(tokens=640, batch_size=64), "nonsense")


def test_widths_must_agree() -> None:
    with pytest.raises(ValueError, match="the design is of width 8, the source of 3"):
        train(topk(), Memory(torch.zeros(4, 3)), Budget(tokens=4, batch_size=4))


class Simple:
    """The least that is a source: no shards, and streams that cannot say where they stand."""

    width = WIDTH

    def __init__(self, batches: int = 10**6, rows: int | None = None) -> None:
        self._batches, self._rows = batches, rows

    def batches(self, batch_size: int, generator: torch.Generator) -> Any:
        for _ in range(self._batches):
            yield torch.randn(self._rows or batch_size, WIDTH, generator=generator)


def test_a_simple_source_is_enough_without_a_folder(tmp_path: Path) -> None:
    budget, simple = Budget(tokens=640, batch_size=64), cast("Source", Simple())
    assert train(topk(), simple, budget).log[-1].step == 10
    with pytest.raises(ValueError, match="generator has no state_dict and load_state_dict; add them, or set folder=No"):
        train(topk(), simple, budget, folder=tmp_path)


def test_sources_that_end_or_give_other_batches_are_refused() -> None:
    budget = Budget(tokens=640, batch_size=64)
    with pytest.raises(ValueError, match=r"ended after 4 of 10 steps; .* tokens=256 at most"):
        train(topk(), cast("Source", Simple(batches=4)), budget)
    with pytest.raises(ValueError, match=r"batches must be of shape \(64, 8\), got \(63, 8\) at step 0"):
        train(topk(), cast("Source", Simple(rows=63)), budget)


def test_a_design_without_parameters_comes_back_as_it_is() -> None:
    design = designs.get("random", width=WIDTH, atoms=12, k=2)
    trained = train(design, Memory(data()), Budget(tokens=64, batch_size=64))
    assert trained.design is design
    assert trained.log == ()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_drawn_on_terminals_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("NO_COLOR", raising=False)
    budget = Budget(tokens=640, batch_size=64)

    def written(stream: io.StringIO, *, progress: bool = True) -> str:
        monkeypatch.setattr(sys, "stderr", stream)
        train(topk(), Memory(data()), budget, log_every=5, progress=progress)
        return stream.getvalue()

    shown = written(Terminal())
    assert all(word in shown for word in ("EV", "L0 2.0", "dead", "tokens/s", "10/10"))
    assert written(Terminal(), progress=False) == ""
    assert written(io.StringIO()) == ""
