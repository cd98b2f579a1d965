"""What a training remembers beside its weights, in buffers, so that checkpoints hold it.

The averaged output and the weights to fall back to are those of the released code of Ulyanov,
Vedaldi, Lempitsky 2018, arXiv:1711.10925. The calmest moment is the rule ES-EMV of Wang et al.
2021, "Early stopping for deep image prior", arXiv:2112.06074: outputs vary least from step to
step where they are best, which shows without the true picture.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

PACE = 0.1  # weight of the newest output in the variance
SHARE = 5  # the average reaches back over one in so many of the outputs so far
SPACING = 100  # looks from one set of good weights to the next


class CalmAverage(nn.Module):
    """The moving average of a network's outputs, and what it was about their calmest moment.

    With outputs x_0, x_1, ... and factor f: a_k = a_{k-1} + w_k (x_k - a_{k-1}), w_k the larger of
    1 - f and 1 / (1 + k / 5). The released code has 1 - f from the second output on; but early
    outputs change so fast that an average over hundreds of them is none of any. The variance has a
    faster mean of its own: from m = v = 0, with p = `PACE` and d = x_k - m_{k-1},
    v_k = (1 - p)(v_{k-1} + p mean d^2) and m_k = m_{k-1} + p d.
    """

    def __init__(self, shape: tuple[int, ...], factor: float) -> None:
        super().__init__()
        self.factor = factor
        self.average: Tensor
        self.calmest: Tensor
        self.mean: Tensor
        self.variance: Tensor
        self.least: Tensor
        self.seen: Tensor
        self.calm_at: Tensor
        for name in ("average", "calmest", "mean"):
            self.register_buffer(name, torch.zeros(shape))
        self.register_buffer("variance", torch.tensor(0.0))
        self.register_buffer("least", torch.tensor(torch.inf))
        self.register_buffer("seen", torch.tensor(0))
        self.register_buffer("calm_at", torch.tensor(0))

    @torch.no_grad()
    def add(self, output: Float[Tensor, "*S"], *, patience: int) -> None:
        """Take in the next output.

        `calm_at` counts the outputs up to the least variance so far; after `patience` more
        without a lesser one it stays. `calmest` is the average 1 / w_k outputs after it,
        which is centred on it, or the newest there is.
        """
        weight = max(1 - self.factor, SHARE / (SHARE + int(self.seen)))
        self.average.lerp_(output, weight)
        change = output - self.mean
        self.mean.add_(change, alpha=PACE)
        self.variance.add_(PACE * change.square().mean()).mul_(1 - PACE)
        self.seen.add_(1)
        waited = int(self.seen - self.calm_at)
        if self.variance < self.least and waited <= patience:
            self.least.copy_(self.variance)
            self.calm_at.copy_(self.seen)
            waited = 0
        if waited * weight <= 1:
            self.calmest.copy_(self.average)


class GoodWeights(nn.Module):
    """A network's weights from when its error had not leapt up."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.weights: Tensor
        self.error: Tensor
        self.looks: Tensor
        self.register_buffer("weights", nn.utils.parameters_to_vector(net.parameters()).detach())
        self.register_buffer("error", torch.tensor(torch.inf))
        self.register_buffer("looks", torch.tensor(0))

    @torch.no_grad()
    def restores(self, net: nn.Module, error: Float[Tensor, ""], *, decibels: float) -> bool:
        """Look at a network's mean squared error; whether its weights were replaced.

        They are, by the good ones, if the error is that much above the good one's, or not a
        number. Otherwise every `SPACING` looks, and at the first, they are the good ones.
        """
        due = self.looks % SPACING == 0
        self.looks.add_(1)
        parameters = list(net.parameters())
        if error <= self.error * 10 ** (decibels / 10):
            if due:
                self.weights.copy_(nn.utils.parameters_to_vector(parameters))
                self.error.copy_(error)
            return False
        parts = self.weights.split([parameter.numel() for parameter in parameters])
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.copy_(part.view_as(parameter))
        return True
