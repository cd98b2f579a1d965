"""The hourglass with skip connections of the deep image prior.

Ulyanov, Vedaldi, Lempitsky 2018, arXiv:1711.10925, Fig. 21 and the authors' released `skip`.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn
from torch.nn import functional
from torch.nn.utils import skip_init

Upsampling = Literal["bilinear", "nearest"]


class SkipHourglass(nn.Module):
    """Scales nested in one another, then a 1x1 convolution and a sigmoid.

    `channels` are the widths of the scales from fine to coarse, `skip` those of their skip
    connections (0: none). Sides must be longer than 2^len(channels) pixels, and may be odd.
    Batch normalisation uses the statistics of the picture at hand, in training and after it.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        channels: tuple[int, ...],
        skip: tuple[int, ...],
        upsampling: Upsampling = "bilinear",
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.scales = Scale(inputs, channels, skip, upsampling=upsampling, generator=generator)
        self.head = convolution(channels[0], outputs, 1, generator=generator)

    def forward(self, x: Float[Tensor, "N I H W"]) -> Float[Tensor, "N O H W"]:
        """A picture with values in (0, 1) as large as the input."""
        x = x.contiguous(memory_format=torch.channels_last)  # a fifth less time on a CPU
        return torch.sigmoid(self.head(self.scales(x)))


class Scale(nn.Module):
    """Half the resolution, all coarser scales, back to full resolution, joined with the skip."""

    def __init__(
        self,
        inputs: int,
        channels: tuple[int, ...],
        skip: tuple[int, ...],
        *,
        upsampling: Upsampling,
        generator: Generator | None,
    ) -> None:
        super().__init__()
        width, *coarser = channels
        self.mode = upsampling
        self.skip = layer(inputs, skip[0], 1, generator=generator) if skip[0] else None
        self.down = nn.Sequential(
            layer(inputs, width, 3, stride=2, generator=generator),
            layer(width, width, 3, generator=generator),
        )
        self.deeper: nn.Module = nn.Identity()
        if coarser:
            self.deeper = Scale(
                width, tuple(coarser), skip[1:], upsampling=upsampling, generator=generator
            )
        joined = skip[0] + (coarser[0] if coarser else width)
        self.norm = nn.BatchNorm2d(joined, track_running_stats=False)
        self.up = nn.Sequential(
            layer(joined, width, 3, generator=generator),
            layer(width, width, 1, generator=generator),
        )

    def forward(self, x: Float[Tensor, "N I H W"]) -> Float[Tensor, "N O H W"]:
        """As large as the input."""
        height, width = x.shape[-2:]
        risen = functional.interpolate(self.deeper(self.down(x)), scale_factor=2, mode=self.mode)
        risen = risen[..., :height, :width]  # odd sides come back one pixel longer
        if self.skip is not None:
            risen = torch.cat([self.skip(x), risen], dim=1)
        return self.up(self.norm(risen))


def layer(
    inputs: int, outputs: int, size: int, *, stride: int = 1, generator: Generator | None = None
) -> nn.Sequential:
    """Convolution, batch normalisation, leaky ReLU of slope 0.2."""
    return nn.Sequential(
        convolution(inputs, outputs, size, stride=stride, generator=generator),
        nn.BatchNorm2d(outputs, track_running_stats=False),
        nn.LeakyReLU(0.2, inplace=True),
    )


def convolution(
    inputs: int, outputs: int, size: int, *, stride: int = 1, generator: Generator | None = None
) -> nn.Conv2d:
    """A convolution with reflection padding; weights and biases uniform in +-1/sqrt(fan-in)."""
    conv = skip_init(  # the constructor's own start would draw from the global generator
        nn.Conv2d, inputs, outputs, size, stride=stride, padding=size // 2,
        padding_mode="reflect" if size > 1 else "zeros",
    )  # fmt: skip
    bound = 1 / math.sqrt(inputs * size**2)
    for parameter in conv.parameters():
        nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return conv
