"""A small SASA that conforms, and SASAs with one mistake each, by the check that has to catch them."""

from __future__ import annotations

import torch
from torch import nn

from sasa_theory.designs import Design
from sasa_theory.designs.contract import plain_loss

WIDTH, GROUPS, RANK, ACTIVE = 8, 6, 2, 2


class Right(Design):
    """The groups of largest norm, signed; ``x_hat = z D + b``."""

    def __init__(self):
        super().__init__(WIDTH, GROUPS * RANK)
        rows = torch.randn(self.columns, WIDTH) / WIDTH**0.5
        self.encoder, self.decoder = nn.Parameter(rows), nn.Parameter(rows.clone())
        self.bias = nn.Parameter(torch.zeros(WIDTH))

    def units(self):
        return torch.arange(self.columns) // RANK

    def scores(self, p):
        return p.norm(dim=-1)

    def codes(self, x):
        return (x - self.bias) @ self.encoder.T

    def encode(self, x):
        p = self.codes(x).unflatten(-1, (-1, RANK))
        scores = self.scores(p.detach())
        kept = torch.zeros_like(scores).scatter(1, scores.topk(ACTIVE, dim=1).indices, 1.0)
        return (p * kept.unsqueeze(-1)).flatten(1)

    def decode(self, codes):
        return codes @ self.decoder + self.bias


BROKEN: dict[str, list[type[Design]]] = {}


def caught_by(check):
    def note(cls):
        BROKEN.setdefault(check, []).append(cls)
        return cls

    return note


@caught_by("shapes")
class SqueezesPresence(Right):
    def presence(self, codes):
        return super().presence(codes).sum(dim=1)


@caught_by("empty_batch")
class ScalesByTheLargestOfAll(Right):
    def scores(self, p):
        return p.norm(dim=-1) / p.norm(dim=-1).max()


@caught_by("units")
class LeavesAGap(Right):
    def units(self):
        return 2 * super().units()


@caught_by("float32")
class ReturnsFloat64(Right):
    def decode(self, codes):
        return super().decode(codes).double()


@caught_by("float64")
class ReckonsInFloat32(Right):
    def codes(self, x):
        return (x - self.bias).float() @ self.encoder.float().T


@caught_by("float64")
class LosesDigits(Right):
    def decode(self, codes):
        return super().decode(codes).float().to(codes.dtype)


@caught_by("fires")
class NeverFires(Right):
    def codes(self, x):
        p = super().codes(x)
        return p * (p.abs() > 1e9)


@caught_by("presence")
class SeesPositiveCodesOnly(Right):
    def presence(self, codes):
        return super().presence(codes.clamp(min=0))


@caught_by("presence")
class IsNeverSilent(Right):
    def presence(self, codes):
        return super().presence(codes) + 1e-8


@caught_by("presence")
class GoesNegative(Right):
    def presence(self, codes):
        strength = super().presence(codes)
        return torch.where(strength == 0, -1e-8, strength)


@caught_by("presence_rotation")
class TakesTheLargestCode(Right):
    def presence(self, codes):
        return codes.abs().unflatten(-1, (-1, RANK)).amax(dim=-1)


@caught_by("loss_counts")
class RectifiesBeforeCounting(Right):
    def firings(self, codes):
        return super().firings(codes.relu())


@caught_by("decoder_affine")
class Saturates(Right):
    def decode(self, codes):
        return super().decode(codes.tanh())


@caught_by("declared_invariances")
class ShrinksButDeclaresScale(Right):
    invariances = ("scale", "sign")

    def codes(self, x):
        p = super().codes(x)
        return p.sign() * (p.abs() - 0.01)


@caught_by("declared_invariances")
class DeclaresTheUnknown(Right):
    invariances = ("beauty",)


@caught_by("rows_alone")
class GatesByTheBatchMean(Right):
    def scores(self, p):
        return p.norm(dim=-1) - p.norm(dim=-1).mean(dim=0)


@caught_by("rows_permuted")
class PrefersTheFirstRow(Right):
    def decode(self, codes):
        rows = super().decode(codes)
        return rows + 1e-3 * torch.arange(len(rows)).to(rows).unsqueeze(1)


@caught_by("rows_alone_in_training")
class CompetesInTheBatch(Right):
    def encode(self, x):
        p = self.codes(x)
        if not self.training or not len(x):
            return super().encode(x)
        flat = p.detach().abs().flatten()
        kept = torch.zeros_like(flat).scatter(0, flat.topk(2 * len(x)).indices, 1.0)
        return p * kept.view_as(p)


@caught_by("inputs_untouched")
class CentresInPlace(Right):
    def codes(self, x):
        x -= self.bias.detach()
        return x @ self.encoder.T


@caught_by("inputs_untouched")
class RectifiesInPlaceWhileTraining(Right):
    def loss(self, x):
        return super().loss(x.clamp_(-1.0, 1.0) if self.training else x)


@caught_by("forward_decodes_codes")
class ForgetsTheBias(Right):
    def forward(self, x):
        return self.encode(x) @ self.decoder


@caught_by("state_round_trip")
class ForgetsItsThreshold(Right):
    def __init__(self):
        super().__init__()
        self.gain = torch.ones(())

    def codes(self, x):
        return self.gain.to(x) * super().codes(x)

    def end_step(self, loss, rows):
        self.gain = self.gain + 0.1


@caught_by("state_round_trip")
class ForgetsItsMixing(Right):
    def __init__(self):
        super().__init__()
        self.mixing = torch.randn(WIDTH, WIDTH)

    def codes(self, x):
        return super().codes(x @ self.mixing.to(x))


@caught_by("evaluation_pure")
class CountsWhileLooking(Right):
    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.tensor(0))

    def decode(self, codes):
        self.seen.add_(len(codes))
        return super().decode(codes)


@caught_by("same_again")
class DropsOutAlways(Right):
    def encode(self, x):
        return nn.functional.dropout(super().encode(x), 0.5, training=True)


@caught_by("threads")
class DependsOnThreads(Right):
    def encode(self, x):
        return super().encode(x) * torch.get_num_threads()


@caught_by("loss_valid")
class KeepsTheGraph(Right):
    def loss(self, x):
        loss = super().loss(x)
        return loss._replace(terms={"reconstruction": loss.total})


@caught_by("loss_valid")
class SumsTheRows(Right):
    def loss(self, x):
        codes = self.encode(x)
        loss = plain_loss(x, self.decode(codes), {}, **self.firings(codes))
        return loss._replace(error=loss.row_errors.sum())


@caught_by("loss_pure")
class WarmsUpInTheLoss(Right):
    def __init__(self):
        super().__init__()
        self.register_buffer("weight", torch.tensor(1.0))

    def loss(self, x):
        self.weight.mul_(0.9)
        return super().loss(x)


@caught_by("loss_pure")
class WarmsUpUnseen(Right):
    weight = 1.0

    def loss(self, x):
        self.weight *= 0.9
        loss = super().loss(x)
        return loss._replace(total=self.weight * loss.total)


@caught_by("gradients_finite")
class TakesRootsOfZero(Right):
    def loss(self, x):
        loss = super().loss(x)
        return loss._replace(total=loss.total + self.presence(self.encode(x)).sum())


@caught_by("gradients_reach_parameters")
class DetachesTheEncoder(Right):
    def codes(self, x):
        return (x - self.bias) @ self.encoder.detach().T


@caught_by("gradcheck")
class DetachesTheCodes(Right):
    def encode(self, x):
        return super().encode(x).detach()

    def forward(self, x):
        return self.decode(super().encode(x))


@caught_by("gradcheck")
class DetachesTheCodesInForward(Right):
    def forward(self, x):
        return self.decode(self.encode(x).detach())


class _Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, gradient):
        return gradient


@caught_by("gradcheck")
class HasAWrongBackward(Right):
    def decode(self, codes):
        return super().decode(_Doubled.apply(codes))

    def forward(self, x):
        return super().decode(2 * self.encode(x))


@caught_by("nan_shown")
class HidesNaN(Right):
    def codes(self, x):
        return super().codes(x).nan_to_num()


@caught_by("nan_shown")
class SpreadsNaN(Right):
    def encode(self, x):
        return super().encode(x) + 0 * x.sum()


@caught_by("strided_rows")
class ViewsRows(Right):
    def codes(self, x):
        return super().codes(x.view(-1).view(-1, WIDTH))


@caught_by("infinity_shown")
class Clamps(Right):
    def codes(self, x):
        return super().codes(x.clamp(-1e9, 1e9))


@caught_by("tiny_scale")
class DividesByFourthPowers(Right):
    def encode(self, x):
        powers = super().encode(x).square().square()
        return super().encode(x) * powers / powers.sum(dim=1, keepdim=True)


@caught_by("huge_scale")
class Overflows(Right):
    def encode(self, x):
        codes = super().encode(x)
        weights = self.presence(codes.detach()).exp()
        return codes * (weights / weights.sum(dim=1, keepdim=True)).repeat_interleave(RANK, dim=1)


@caught_by("zero_rows")
class NormalisesZero(Right):
    def codes(self, x):
        return super().codes(x / x.norm(dim=1, keepdim=True))


@caught_by("ties")
class DrawsAmongTies(Right):
    def scores(self, p):
        norms = p.norm(dim=-1)
        return norms + 1e-10 * torch.rand(norms.shape).to(norms)
