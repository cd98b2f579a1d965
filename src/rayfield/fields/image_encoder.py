"""A code from a picture: the residual network of 18 layers (He et al. 2016, arXiv:1512.03385)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn
from torch.nn import functional

from rayfield.fields.occupancy import uniform_linear

STAGES = 4
MEAN, SPREAD = 0.5, 0.25  # of our pictures' grey values, roughly


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with batch norm, added to the input (He et al. 2016, Fig. 5 left)."""

    def __init__(
        self, inputs: int, outputs: int, *, stride: int, generator: Generator | None
    ) -> None:
        super().__init__()
        self.first = _conv(inputs, outputs, 3, stride=stride, generator=generator)
        self.second = _conv(outputs, outputs, 3, stride=1, generator=generator)
        self.norms = nn.ModuleList(nn.BatchNorm2d(outputs) for _ in range(2))
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            projection = _conv(inputs, outputs, 1, stride=stride, generator=generator)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(outputs))

    def forward(self, x: Float[Tensor, "B I H W"]) -> Float[Tensor, "B O h w"]:
        """The block."""
        step = torch.relu(self.norms[0](self.first(x)))
        return torch.relu(self.shortcut(x) + self.norms[1](self.second(step)))


class ImageEncoder(nn.Module):
    """Grey pictures [B, H, W] in [0, 1], sides of at least 32, to codes [B, C].

    `base` channels after the first convolution: 64 in the paper, doubled by every stage.
    """

    def __init__(self, code: int, *, base: int = 64, generator: Generator | None = None) -> None:
        super().__init__()
        self.input = _conv(3, base, 7, stride=2, generator=generator)
        self.norm = nn.BatchNorm2d(base)
        self.blocks = nn.ModuleList()
        before = base
        for stage in range(STAGES):
            after = base << stage
            for stride in (1 if stage == 0 else 2, 1):
                self.blocks.append(BasicBlock(before, after, stride=stride, generator=generator))
                before = after
        self.output = uniform_linear(before, code, generator=generator)

    def forward(self, pictures: Float[Tensor, "B H W"]) -> Float[Tensor, "B C"]:
        """The codes."""
        grey = (pictures - MEAN) / SPREAD
        x = torch.relu(self.norm(self.input(grey[:, None].expand(-1, 3, -1, -1))))
        x = functional.max_pool2d(x, 3, stride=2, padding=1)
        for block in self.blocks:
            x = block(x)
        return self.output(x.mean(dim=(2, 3)))


def _conv(
    inputs: int, outputs: int, size: int, *, stride: int, generator: Generator | None
) -> nn.Conv2d:
    """A convolution without bias, padded to keep the size; He's start for ReLU."""
    layer = nn.utils.skip_init(
        nn.Conv2d, inputs, outputs, size, stride=stride, padding=size // 2, bias=False
    )
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu", generator=generator)
    return layer
