"""The parts of an occupancy network of a class: what reads an observation, and the decoder."""

from __future__ import annotations

from typing import Literal

from torch import Generator, nn

from rayfield.fields.image_encoder import ImageEncoder
from rayfield.fields.occupancy import ConditionalDecoder
from rayfield.fields.point_encoder import PointEncoder
from rayfield.fields.volume_code import PointCells, VolumeDecoder, VolumeEncoder, VoxelCells
from rayfield.fields.voxel_encoder import VoxelEncoder

Parts = tuple[nn.Module, nn.Module]


def by_vector(
    kind: Literal["points", "voxels", "image"],
    width: int,
    blocks: int,
    *,
    code: int,
    hidden: int,
    channels: int,
    generator: Generator | None,
) -> Parts:
    """Decoder and encoder of codes that are vectors (Mescheder et al. 2019); `hidden` of points,
    `channels` of voxels, twice as many of pictures."""
    decoder = ConditionalDecoder(width, blocks, code=code, generator=generator)
    if kind == "points":
        return decoder, PointEncoder(code, hidden=hidden, generator=generator)
    if kind == "voxels":
        return decoder, VoxelEncoder(code, base=channels, generator=generator)
    return decoder, ImageEncoder(code, base=2 * channels, generator=generator)


def by_volume(
    kind: Literal["points", "voxels"],
    width: int,
    blocks: int,
    *,
    channels: int,
    hidden: int,
    half: float,
    mirror: int | None = None,
    generator: Generator | None,
) -> Parts:
    """Decoder and encoder of codes that are volumes over [-half, half]^3 (Peng et al. 2020);
    `channels` of features, `hidden` of points; `mirror`: an axis, see `VolumeEncoder`."""

    def cells() -> nn.Module:
        if kind == "points":
            return PointCells(channels, hidden=hidden, half=half, generator=generator)
        return VoxelCells(channels, generator=generator)

    seen, others = cells(), None if mirror is None else cells()
    axis, g = mirror or 0, generator
    decoder = VolumeDecoder(width, blocks, channels=channels, half=half, mirror=axis, generator=g)
    encoder = VolumeEncoder(seen, channels, others=others, mirror=axis, generator=g)
    return decoder, encoder
