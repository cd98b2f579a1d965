"""ReLU networks that are computed, not trained: any min-max of affine forms, exactly.

max(a, b) = b + relu(a - b), min(a, b) = b - relu(b - a), and b itself crosses a layer as
relu(b) - relu(-b): three units for a pair, two for a value that waits (Arora et al. 2018, Thm. 2.1;
Atzmon et al. 2019). The maximum of m forms takes ceil(log2 m) hidden layers and at most
3 (m - 1) + 2 ceil(log2 m) units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from rayfield.core.parts import in_parts
from rayfield.math.min_max import MinMax

CHUNK = 2**22  # values of the widest layer held at a time

Row = dict[int, float]
"""A linear combination: weights by the number of a unit of the layer before; -1 is the bias."""


class SparseLinear(nn.Module):
    """y = W x + b in double precision; of W only the entries that are not zero are stored."""

    def __init__(self, inputs: int, outputs: int, count: int) -> None:
        super().__init__()
        self.size = (outputs, inputs)
        self.place: Tensor
        self.register_buffer("place", torch.zeros(2, count, dtype=torch.int64))
        self.weight = nn.Parameter(torch.zeros(count, dtype=torch.float64))
        self.bias = nn.Parameter(torch.zeros(outputs, dtype=torch.float64))

    def forward(self, x: Float[Tensor, "I N"]) -> Float[Tensor, "O N"]:
        """Apply to a batch of columns."""
        matrix = torch.sparse_coo_tensor(self.place, self.weight, self.size, check_invariants=False)
        return torch.sparse.mm(matrix, x) + self.bias[:, None]

    def dense(self) -> nn.Linear:
        """The same layer with its zeros."""
        layer = nn.Linear(self.size[1], self.size[0], dtype=torch.float64)
        with torch.no_grad():
            layer.weight.zero_()
            layer.weight[self.place[0], self.place[1]] = self.weight
            layer.bias.copy_(self.bias)
        return layer


class PiecewiseLinear(nn.Module):
    """A multilayer perceptron with ReLU between its layers and one output.

    `units`: inputs, hidden units of each layer, 1; `weights`: of each layer, how many are stored.
    """

    def __init__(self, units: Sequence[int], weights: Sequence[int]) -> None:
        super().__init__()
        sizes = zip(pairwise(units), weights, strict=True)
        layers = [SparseLinear(a, b, n) for (a, b), n in sizes]
        self.layers: Sequence[SparseLinear] = nn.ModuleList(layers)  # type: ignore[assignment]

    def forward(self, points: Float[Tensor, "N D"]) -> Float[Tensor, " N"]:
        """Values at points, in double precision."""
        widest = max(layer.size[0] for layer in self.layers)
        points = points.double()
        parts = in_parts(
            lambda part: self._part(points[part]), len(points), max(1, CHUNK // widest)
        )
        return torch.cat(parts)

    def dense(self) -> nn.Sequential:
        """The same network of nn.Linear and nn.ReLU alone; it returns [N, 1]."""
        layers: list[nn.Module] = []
        for layer in self.layers:
            layers += [layer.dense(), nn.ReLU()]
        return nn.Sequential(*layers[:-1])

    def _part(self, points: Float[Tensor, "N D"]) -> Float[Tensor, " N"]:
        *hidden, last = self.layers
        x = points.T.contiguous()
        for layer in hidden:
            x = layer(x).relu()
        return last(x)[0]


def network_of(function: MinMax) -> PiecewiseLinear:
    """The network whose value is that min-max: a tournament within each group, then between them.

    Groups that are through with theirs meet at once, so that small ones do not wait for large.
    """
    forms = function.forms.double()
    affine = [{**dict(enumerate(row[:-1])), -1: row[-1]} for row in forms.tolist()]
    groups = [[affine[i] for i in group] for group in function.groups]
    layers: list[list[Row]] = []
    units = [forms.shape[1] - 1]
    while len(groups) > 1 or len(groups[0]) > 1:
        layer = _Layer()
        done = [group[0] for group in groups if len(group) == 1]
        busy = [_round(group, layer, sign=1) for group in groups if len(group) > 1]
        groups = busy + [[row] for row in _round(done, layer, sign=-1)]
        layers.append(layer.rows)
        units.append(len(layer.rows))
    layers.append([groups[0][0]])
    units.append(1)
    weights = [sum(len(row) - (-1 in row) for row in rows) for rows in layers]
    network = PiecewiseLinear(units, weights)
    for rows, linear in zip(layers, network.layers, strict=True):
        _fill(linear, rows)
    return network


@dataclass
class _Layer:
    """The units of a layer that is being built, as combinations of the layer before."""

    rows: list[Row] = field(default_factory=list)

    def keep(self, row: Row) -> Row:
        """Units that carry a value, and how the next layer reads it."""
        first = len(self.rows)
        self.rows += [row, {k: -w for k, w in row.items()}]
        return {first: 1.0, first + 1: -1.0}

    def larger(self, a: Row, b: Row, sign: int) -> Row:
        """Units that find the larger (sign 1) or smaller (-1) of two values, and how to read it."""
        first = len(self.rows)
        gap = {k: sign * (a.get(k, 0.0) - b.get(k, 0.0)) for k in a | b}
        self.rows.append({k: w for k, w in gap.items() if w})
        return {first: float(sign), **self.keep(b)}


def _round(values: list[Row], layer: _Layer, *, sign: int) -> list[Row]:
    """Half as many values: the larger or smaller of each pair; an odd one waits."""
    pairs = zip(values[::2], values[1::2], strict=False)
    found = [layer.larger(a, b, sign) for a, b in pairs]
    return found + [layer.keep(row) for row in values[len(values) // 2 * 2 :]]


@torch.no_grad()
def _fill(linear: SparseLinear, rows: list[Row]) -> None:
    """Write the rows of a layer into it, ordered by row and column."""
    entries = [(i, k, w) for i, row in enumerate(rows) for k, w in sorted(row.items()) if k >= 0]
    linear.place.copy_(torch.tensor([[i, k] for i, k, _ in entries]).T)
    linear.weight.copy_(torch.tensor([w for _, _, w in entries], dtype=torch.float64))
    linear.bias.copy_(torch.tensor([row.get(-1, 0.0) for row in rows], dtype=torch.float64))
