"""Small pictures of what coordinate networks learn: pictures, curves of signals, cuts of shapes."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from rayfield.core.drawing import BLUE, GRID, ORANGE, bytes_of, new_figure, style

SIDE = 256  # pixels along the longest side


def thumbnail(
    values: Float[Tensor, "H W C"], truth: Float[Tensor, "h w C"]
) -> UInt8[np.ndarray, "a b 3"]:
    """A picture, or the curve of a signal over that of the truth."""
    if len(values) == 1:
        return _curve(values[0], truth[0])
    return bytes_of(rgb(resized(values, limited(values.shape[0], values.shape[1]))).numpy())


def limited(height: int, width: int, side: int = SIDE) -> tuple[int, int]:
    """A size (height, width) of that shape, no longer than `side`."""
    factor = min(1.0, side / max(height, width))
    return max(1, round(height * factor)), max(1, round(width * factor))


def resized(values: Float[Tensor, "H W C"], size: tuple[int, int]) -> Float[Tensor, "h w C"]:
    """Averaged down, or enlarged without blur, to (height, width)."""
    if values.shape[:2] == size:
        return values
    moved = values.permute(2, 0, 1)[None]
    moved = torch.nn.functional.interpolate(moved, size, mode="area")
    return moved[0].permute(1, 2, 0).contiguous()


def rgb(values: Float[Tensor, "H W C"]) -> Float[Tensor, "H W 3"]:
    """Three channels to show: greys repeated, missing ones black, more than three left out."""
    if values.shape[-1] == 1:
        return values.expand(-1, -1, 3)
    missing = values.new_zeros(*values.shape[:2], max(0, 3 - values.shape[-1]))
    return torch.cat([values[..., :3], missing], dim=-1)


def cut(occupancy: Float[Tensor, "X Y"], inside: Bool[Tensor, "X Y"]) -> UInt8[np.ndarray, "a b 3"]:
    """A cut through a shape: occupancy in grey, the true outline in orange."""
    shade = (1 - 0.7 * occupancy.clamp(0, 1)).T.flip(0)
    solid = inside.T.flip(0)
    edge = torch.zeros_like(solid)
    edge[1:] |= solid[1:] != solid[:-1]
    edge[:, 1:] |= solid[:, 1:] != solid[:, :-1]
    picture = bytes_of(shade[..., None].expand(-1, -1, 3).numpy())
    picture[edge.numpy()] = [int(ORANGE[i : i + 2], 16) for i in (1, 3, 5)]
    scale = max(1, round(SIDE / max(solid.shape)))
    return np.repeat(np.repeat(picture, scale, axis=0), scale, axis=1)


def _curve(values: Float[Tensor, "N C"], truth: Float[Tensor, "N C"]) -> UInt8[np.ndarray, "a b 3"]:
    with style():
        figure = new_figure(2.4, 1.6)
        axes = figure.add_axes((0.02, 0.03, 0.96, 0.94))
        for curve, colour, width in ((truth, GRID, 2.5), (values, BLUE, 0.9)):
            place = (np.arange(len(curve)) + 0.5) / len(curve)
            axes.plot(place, curve.numpy(), color=colour, lw=width)
        axes.set(xlim=(0, 1), ylim=(-0.05, 1.05), xticks=[], yticks=[])
        figure.canvas.draw()
        pixels = np.asarray(figure.canvas.buffer_rgba())  # type: ignore[attr-defined]
    return np.ascontiguousarray(pixels[..., :3])
