"""One picture of a data set: its colours, its alpha, and what its mask keeps."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from rayfield.data.images import read_image, read_mask
from rayfield.data.scene import Frame

SOLID = 128  # of 255: alpha from which a pixel is the subject's


def decode(frame: Frame) -> UInt8[np.ndarray, "H W C"]:
    """The stored pixels, averaged as the frame asks; RGBA where it has alpha or is cut out."""
    camera = frame.camera
    size = (camera.width, camera.height)
    return read_image(
        frame.path,
        size=size,
        downscale=frame.downscale,
        cutout=frame.cutout,
        upright=frame.upright,
    )


def view_image(frame: Frame) -> Float[Tensor, "H W 4"]:
    """The picture of a frame: straight-alpha RGBA in [0, 1], opaque where it has no alpha."""
    pixels = torch.from_numpy(decode(frame)).float() / 255
    if pixels.shape[-1] == 4:
        return pixels
    return torch.cat([pixels, torch.ones_like(pixels[..., :1])], dim=-1)


def view_subject(frame: Frame) -> Bool[Tensor, "H W"] | None:
    """What of a picture its mask, however it is used, or its alpha keeps; None without either."""
    size = (frame.camera.width, frame.camera.height)
    if frame.mask is not None and frame.mask_use != "cut":
        return torch.from_numpy(read_mask(frame.mask, size=size, downscale=frame.downscale))
    pixels = decode(frame)
    return torch.from_numpy(pixels[..., 3] >= SOLID) if pixels.shape[-1] == 4 else None
