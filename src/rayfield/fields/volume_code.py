"""Codes that keep their place: a volume of features, and the decoder that reads it at a point.

Convolutional Occupancy Networks (Peng, Niemeyer, Mescheder, Pollefeys, Geiger 2020,
arXiv:2003.04618, Sec. 3): points are told to the cells that they lie in, an hourglass of
convolutions carries what they tell to other cells, and a point is decoded from the features
interpolated there. So what was learned of one place holds at every other.

Departures: points are also told by their place within the cell, those seen as it is and those asked
for by its sine and cosine, without which edges are no sharper than interpolation leaves them; no
pooling; levels of the hourglass are joined by sums, half the work of joining by channels; norms
come after convolutions, which start as He et al. 2015 propose. Of classes whose shapes are alike on
both sides, the mirror image of what is seen is told beside it.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn
from torch.nn import functional

from rayfield.fields.occupancy import ResidualBlock, uniform_linear

SIDE = 32  # cells
DEPTH = 3  # halvings of the hourglass
POINT_BLOCKS = 3
GROUPS = 8  # of channels that are normalised together (Wu & He 2018, arXiv:1803.08494)


class PointCells(nn.Module):
    """Points [B, N, 3] to the features [B, C, R, R, R] of the cells over [-half, half]^3.

    A PointNet in every cell: the greatest value over its points, also between the blocks; cells
    without points are 0. Points beyond belong to the nearest cell.
    """

    def __init__(
        self, channels: int, *, hidden: int, half: float, generator: Generator | None = None
    ) -> None:
        super().__init__()
        self.extent = half
        self.input = uniform_linear(6, 2 * hidden, generator=generator)
        self.blocks = nn.ModuleList(
            ResidualBlock(2 * hidden, hidden, hidden=hidden, generator=generator)
            for _ in range(POINT_BLOCKS)
        )
        self.output = uniform_linear(hidden, channels, generator=generator)

    def forward(self, points: Float[Tensor, "B N 3"]) -> Float[Tensor, "B C R R R"]:
        """The features."""
        count = len(points)
        place = (points / self.extent + 1) * (SIDE / 2)
        corner = place.floor().clamp(0, SIDE - 1)
        x, y, z = corner.long().unbind(-1)
        cell = ((torch.arange(count)[:, None] * SIDE + x) * SIDE + y) * SIDE + z
        met, own = cell.flatten().unique(return_inverse=True)
        rows = self.input(torch.cat([points, place - corner - 0.5], dim=-1)).flatten(0, 1)
        first, *others = self.blocks
        rows = first(rows)
        for block in others:
            rows = block(torch.cat([rows, greatest(rows, own, len(met))[own]], dim=-1))
        features = self.output(torch.relu(greatest(rows, own, len(met))))
        volume = features.new_zeros(count * SIDE**3, features.shape[1])
        volume = volume.index_copy(0, met, features)
        return volume.view(count, SIDE, SIDE, SIDE, -1).movedim(-1, 1).contiguous()


def greatest(
    rows: Float[Tensor, "N J"], group: Int[Tensor, " N"], groups: int
) -> Float[Tensor, "G J"]:
    """The greatest value of every column over the rows of each group; none is empty."""
    index = group[:, None].expand_as(rows)
    start = rows.new_zeros(groups, rows.shape[1])
    return start.scatter_reduce(0, index, rows, "amax", include_self=False)


class VoxelCells(nn.Module):
    """Grids of voxels to features: a convolution; other sides are brought to R, nearest cells."""

    def __init__(self, channels: int, *, generator: Generator | None = None) -> None:
        super().__init__()
        self.input = _conv(1, channels, 3, generator=generator)

    def forward(self, grids: Tensor) -> Float[Tensor, "B C R R R"]:
        """The features."""
        return self.input(functional.interpolate(grids[:, None].float(), (SIDE,) * 3))


class Hourglass(nn.Module):
    """Convolutions of stride 2, DEPTH times, each to twice the channels; and back, every level
    joined with what it was on the way down (3D U-Net, arXiv:1606.06650, by sums, group norms)."""

    def __init__(self, channels: int, *, generator: Generator | None = None) -> None:
        super().__init__()
        widths, g = [channels << level for level in range(DEPTH + 1)], generator
        self.input, self.norm = _conv(channels, channels, 3, generator=g), _norm(channels)
        self.levels = nn.ModuleList(Level(a, b, generator=g) for a, b in pairwise(widths))
        self.output = _conv(channels, channels, 1, generator=g)

    def forward(self, x: Float[Tensor, "B C R R R"]) -> Float[Tensor, "B C R R R"]:
        """Features that tell of their surroundings."""
        x = x.contiguous(memory_format=torch.channels_last_3d)  # a fifth less time
        x, before = torch.relu(self.norm(self.input(x))), []
        for level in self.levels:
            assert isinstance(level, Level)
            before.append(x)
            x = level.coarser(x)
        for level in reversed(self.levels):
            assert isinstance(level, Level)
            x = level.finer(x, before.pop())
        return self.output(x)


class Level(nn.Module):
    """From a level of the hourglass to the next coarser one, of half as many cells, and back."""

    def __init__(self, fine: int, coarse: int, *, generator: Generator | None) -> None:
        super().__init__()
        g = generator
        self.down = _conv(fine, coarse, 3, stride=2, generator=g)
        self.mix = _conv(coarse, coarse, 3, generator=g)
        self.up = _conv(coarse, fine, 1, generator=g)
        self.join = _conv(fine, fine, 3, generator=g)
        self.norms = nn.ModuleList(_norm(channels) for channels in (coarse, coarse, fine))

    def coarser(self, x: Float[Tensor, "B C R R R"]) -> Float[Tensor, "B D S S S"]:
        """Down."""
        x = torch.relu(self.norms[0](self.down(x)))
        return x + torch.relu(self.norms[1](self.mix(x)))

    def finer(
        self, x: Float[Tensor, "B D S S S"], before: Float[Tensor, "B C R R R"]
    ) -> Float[Tensor, "B C R R R"]:
        """Up, by the nearest cells."""
        x = functional.interpolate(self.up(x), scale_factor=2.0)
        return torch.relu(self.norms[2](self.join(torch.relu(x + before))))


def mirrored(seen: Tensor, axis: int) -> Tensor:
    """Points [B, N, 3] or grids [B, R, R, R] mirrored along one of the three axes, about 0."""
    if seen.ndim == 4:
        return seen.flip(axis + 1)
    sign = seen.new_ones(3)
    sign[axis] = -1
    return seen * sign


class VolumeEncoder(nn.Module):
    """Observations to volumes as codes [B, C * R^3]: `cells` gives features, an hourglass more.

    `others` does as `cells` for the mirror image along axis `mirror`, for classes of shapes that
    are mostly alike on both sides: what is seen of one tells of the other. Its own weights let a
    shape that is not alike be told as it is. Such codes hold a second volume after training, of
    the mirror image, so that the decoder has two opinions of every place.
    """

    def __init__(
        self,
        cells: nn.Module,
        channels: int,
        *,
        others: nn.Module | None = None,
        mirror: int = 0,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.cells, self.others, self.mirror = cells, others, mirror
        self.hourglass = Hourglass(channels, generator=generator)

    def forward(self, seen: Tensor) -> Float[Tensor, "B V"]:
        """The codes."""
        if self.others is None:
            return self.hourglass(self.cells(seen)).flatten(1)
        sides = [seen, mirrored(seen, self.mirror)]
        pairs = [sides] if self.training else [sides, sides[::-1]]
        features = [self.cells(one) + self.others(other) for one, other in pairs]
        return torch.cat([self.hourglass(volume).flatten(1) for volume in features], dim=1)


class VolumeDecoder(nn.Module):
    """The logit at points from volumes over [-half, half]^3: residual blocks, before each of which
    a linear map of the features at the point is added. Beyond, the features of the rim. Of codes
    that hold a second volume, the mean with the logit there at the points mirrored along `mirror`.
    """

    def __init__(
        self,
        width: int,
        blocks: int,
        *,
        channels: int,
        half: float,
        mirror: int = 0,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.extent, self.channels, self.mirror, g = half, channels, mirror, generator
        self.input = uniform_linear(9, width, generator=g)
        self.maps = nn.ModuleList(
            uniform_linear(channels, width, generator=g) for _ in range(blocks)
        )
        self.blocks = nn.ModuleList(
            ResidualBlock(width, width, hidden=width, generator=g) for _ in range(blocks)
        )
        self.output = uniform_linear(width, 1, generator=g)

    def features(
        self, points: Float[Tensor, "B N 3"], codes: Float[Tensor, "B V"]
    ) -> Float[Tensor, "B N C"]:
        """Trilinear between the centres of cells."""
        volumes = codes.view(-1, self.channels, SIDE, SIDE, SIDE)
        places = (points / self.extent).flip(-1)[:, None, None]
        found = functional.grid_sample(volumes, places, padding_mode="border", align_corners=False)
        return found[:, :, 0, 0].transpose(1, 2)

    def forward(
        self, points: Float[Tensor, "B N 3"], codes: Float[Tensor, "B V"]
    ) -> Float[Tensor, "B N"]:
        """Logits of every shape's points."""
        if codes.shape[1] > self.channels * SIDE**3:
            own, other = codes.chunk(2, dim=1)
            image = mirrored(points, self.mirror)
            return (self.forward(points, own) + self.forward(image, other)) / 2
        phase = points * (math.pi * SIDE / self.extent)
        x = self.input(torch.cat([points, phase.sin(), phase.cos()], dim=-1))
        features = self.features(points, codes)
        for plan, block in zip(self.maps, self.blocks, strict=True):
            x = block(x + plan(features))
        return self.output(torch.relu(x))[..., 0]


def _conv(
    inputs: int, outputs: int, size: int, *, stride: int = 1, generator: Generator | None
) -> nn.Conv3d:
    """A convolution of as many cells, divided by the stride; uniform weights by He et al. 2015."""
    plan = {"stride": stride, "padding": size // 2}
    layer = nn.utils.skip_init(nn.Conv3d, inputs, outputs, size, **plan)
    nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu", generator=generator)
    nn.init.zeros_(layer.bias)
    return layer


def _norm(channels: int) -> nn.GroupNorm:
    """Of groups of two channels or more."""
    return nn.GroupNorm(math.gcd(GROUPS, max(1, channels // 2)), channels)
