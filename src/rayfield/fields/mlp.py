"""Small multilayer perceptrons."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn


class MLP(nn.Module):
    """ReLU layers without biases, linear output; Glorot-uniform start (Glorot & Bengio 2010).

    `widths` lists input, hidden and output sizes; matrices are [out, in].
    """

    def __init__(self, *widths: int, generator: Generator | None = None) -> None:
        super().__init__()
        self.matrices = nn.ParameterList()
        for inputs, outputs in pairwise(widths):
            bound = math.sqrt(6 / (inputs + outputs))
            matrix = torch.rand(outputs, inputs, generator=generator) * 2 - 1
            self.matrices.append(nn.Parameter(matrix * bound))

    def forward(self, x: Float[Tensor, "N I"]) -> Float[Tensor, "N O"]:
        """Apply the layers to a batch of rows."""
        *hidden, last = self.matrices
        for matrix in hidden:
            x = torch.relu(x @ matrix.T)
        return x @ last.T
