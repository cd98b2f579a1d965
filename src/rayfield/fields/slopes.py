"""Value and spatial gradient of a network of points in one pass, with the derivatives of both.

A loss on the gradient of a network needs second derivatives. Instead of letting the framework
differentiate its own backward pass, the four sweeps are written here, for layers z = W u + b,
h = softplus(z), where the point joins u again at skips (Gropp et al. 2020, Sec. 5):

1. forward: h and the slopes s = softplus'(z), which are sigmoids;
2. reverse: e = s * (gradient of the value by h), down to the gradient by the point;
3. forward, for a derivative g of the loss by that gradient: q = W g, through the same layers, and
   what it says of z through s: t = q e (1 - s), times beta;
4. reverse, for a derivative of the loss by the value: dz = s dh + beta t, and the weights'.

Activations are kept, nothing is computed twice, and rows are treated in tiles whose arrays stay in
the caches. `fields.geometric.autograd_value_and_gradient` is the readable twin.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from rayfield.math.softplus import softplus_and_slope_

TILE = 1024  # rows
HALF = math.sqrt(0.5)


class Shape(NamedTuple):
    """Before which layers the point joins again, and the sharpness of the softplus (may be inf)."""

    skips: frozenset[int]
    beta: float


class _Kept(NamedTuple):
    """Of a tile: the inputs of every layer, and s and e of the hidden ones."""

    inputs: list[Tensor]
    slopes: list[Tensor]
    pulls: list[Tensor]


def value_gradient_and_units(
    points: Float[Tensor, "N E"],
    weights: Sequence[Float[Tensor, "_ _"]],
    biases: Sequence[Float[Tensor, " _"]],
    *,
    shape: Shape,
) -> tuple[Float[Tensor, " N"], Float[Tensor, "N E"], Float[Tensor, "N U"]]:
    """The network's value at points, its gradient there, and the units of its last hidden layer;
    all differentiable by the weights.

    The last layer has one output and no unit behind it. No gradient goes to the points.
    """
    value, gradient, units = _Network.apply(points.detach(), shape, *weights, *biases)
    return value, gradient, units


class _Network(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, points: Tensor, shape: Shape, *parameters: Tensor) -> tuple[Tensor, ...]:
        half = len(parameters) // 2
        weights, biases = parameters[:half], parameters[half:]
        value, gradient = points.new_empty(len(points)), torch.empty_like(points)
        units = points.new_empty(len(points), weights[-1].shape[1])
        ctx.shape, ctx.weights, ctx.kept = shape, weights, []
        keeps = any(ctx.needs_input_grad)
        for first in range(0, len(points), TILE):
            rows = slice(first, first + TILE)
            kept, value[rows] = _ahead(points[rows], weights, biases, shape)
            units[rows] = kept.inputs[-1]
            gradient[rows] = _back(kept, weights, shape, points.shape[1])
            if keeps:
                ctx.kept.append(kept)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(points)
        return value, gradient, units

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        (points,) = ctx.saved_tensors
        by_value, by_gradient, by_units = grads
        by_value = points.new_zeros(len(points)) if by_value is None else by_value
        by_gradient = torch.zeros_like(points) if by_gradient is None else by_gradient
        weights: Sequence[Tensor] = ctx.weights
        totals = [torch.zeros_like(w) for w in weights]
        sums = [w.new_zeros(len(w)) for w in weights]
        for index, kept in enumerate(ctx.kept):
            rows = slice(index * TILE, (index + 1) * TILE)
            curves = _ahead_again(kept, by_gradient[rows], weights, shape=ctx.shape, totals=totals)
            _back_again(
                kept,
                (by_value[rows], None if by_units is None else by_units[rows]),
                curves,
                weights=weights,
                beta=ctx.shape.beta,
                totals=totals,
                sums=sums,
                skips=ctx.shape.skips,
            )
        ctx.kept = []  # a second backward would need them; double backward is never needed
        return (None, None, *totals, *sums)


def _ahead(
    points: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor], shape: Shape
) -> tuple[_Kept, Tensor]:
    """Sweep 1."""
    kept, h = _Kept([], [], []), points
    for index, (weight, bias) in enumerate(zip(weights[:-1], biases[:-1], strict=True)):
        if index in shape.skips:
            h = torch.cat([h, points], dim=1).mul_(HALF)
        kept.inputs.append(h)
        z = torch.addmm(bias, h, weight.T)
        if math.isinf(shape.beta):
            h = torch.relu(z)
            kept.slopes.append((z > 0).to(z))
        else:
            h, slope = softplus_and_slope_(z, shape.beta)
            kept.slopes.append(slope)
    kept.inputs.append(h)
    return kept, torch.addmv(biases[-1], h, weights[-1][0])


def _back(kept: _Kept, weights: Sequence[Tensor], shape: Shape, width: int) -> Tensor:
    """Sweep 2: the gradient by the point."""
    joined: Tensor | float = 0.0
    d = weights[-1]
    for index in reversed(range(len(weights) - 1)):
        e = kept.slopes[index] * d
        kept.pulls.insert(0, e)
        d = e @ weights[index]
        if index in shape.skips:
            d = d.mul_(HALF)
            joined, d = joined + d[:, -width:], d[:, :-width]
    return joined + d


def _ahead_again(
    kept: _Kept, g: Tensor, weights: Sequence[Tensor], *, shape: Shape, totals: list[Tensor]
) -> list[Tensor | None]:
    """Sweep 3: t of every hidden layer; what the gradient says of the weights is added."""
    curves: list[Tensor | None] = []
    q = g
    for index, weight in enumerate(weights[:-1]):
        if index in shape.skips:
            q = torch.cat([q, g], dim=1).mul_(HALF)
        totals[index].addmm_(kept.pulls[index].T, q)
        q = q @ weight.T
        if math.isinf(shape.beta):
            curves.append(None)
        else:
            t = q * kept.pulls[index]
            curves.append(t.addcmul_(t, kept.slopes[index], value=-1))
        q.mul_(kept.slopes[index])
    totals[-1] += q.sum(dim=0)
    return curves


def _back_again(
    kept: _Kept,
    given: tuple[Tensor, Tensor | None],
    curves: list[Tensor | None],
    *,
    weights: Sequence[Tensor],
    beta: float,
    skips: frozenset[int],
    totals: list[Tensor],
    sums: list[Tensor],
) -> None:
    """Sweep 4, with all derivatives divided by beta, so that each layer takes one pass."""
    beta = 1.0 if math.isinf(beta) else beta
    (by_value, by_units), width = given, kept.inputs[0].shape[1]
    totals[-1][0].addmv_(kept.inputs[-1].T, by_value)
    sums[-1] += by_value.sum()
    p = (by_value / beta)[:, None] * weights[-1]
    if by_units is not None:
        p = p.add_(by_units, alpha=1 / beta)
    for index in reversed(range(len(weights) - 1)):
        t, s = curves[index], kept.slopes[index]
        dz = p * s if t is None else t.addcmul_(p, s)
        totals[index].addmm_(dz.T, kept.inputs[index], alpha=beta)
        sums[index].add_(dz.sum(dim=0), alpha=beta)
        if index:
            p = dz @ weights[index]
            if index in skips:
                p = p.mul_(HALF)[:, :-width]
