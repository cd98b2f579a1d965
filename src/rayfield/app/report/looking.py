"""A quick look at views that were held out: small, and only some of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from rayfield.app.drawing import figures
from rayfield.app.drawing.preview import composited, shrunk
from rayfield.app.learned import cameras as cams
from rayfield.app.learned.evaluate import Measured, masked_psnr, means
from rayfield.app.learned.field import TrainedField
from rayfield.data.scene import Frame, Scene
from rayfield.objectives.photometric import WINDOW, psnr, ssim


@dataclass
class Look:
    """A view that was held out: photo, rendering, and error as a colour, from black (0) to light
    (`limit`, of a range of 1); and its PSNR."""

    title: str
    name: str
    psnr: float
    photo: UInt8[np.ndarray, "H W 3"]
    rendered: UInt8[np.ndarray, "H W 3"]
    error: UInt8[np.ndarray, "H W 3"]
    limit: float


def look(
    field_: TrainedField,
    scene: Scene,
    chosen: list[Frame],
    *,
    side: int,
    total: int,
) -> tuple[list[Look], dict[str, Any]]:
    """Measure some views at a reduced size: the worst, the median and the best, and the measures
    as `eval` has them, with a remark. `total`: how many views there are."""
    seen = []
    for frame in chosen:
        camera = cams.limited(frame.camera, side)
        photo = shrunk(composited(frame, scene), camera.width, camera.height)
        rendered = torch.from_numpy(field_.look(camera).color)
        small = min(camera.width, camera.height) < WINDOW
        similar = None if small else float(ssim(rendered, photo))
        whole = camera.width == frame.camera.width
        masked = masked_psnr(rendered, photo, frame) if whole else None
        one = Measured(field_, scene, frame, float(psnr(rendered, photo)), similar, masked=masked)
        seen.append((one, photo.numpy(), rendered.numpy()))
    seen.sort(key=lambda row: row[0].psnr)
    picked = {"worst": seen[0], "median": seen[len(seen) // 2], "best": seen[-1]}
    pairs = [figures.Comparison("", photo, rendered) for _, photo, rendered in picked.values()]
    limit, looks = figures.error_limit(pairs), list[Look]()
    for (title, (one, _, _)), pair in zip(picked.items(), pairs, strict=True):
        parts = (figures.bytes_of(pair.photo), figures.bytes_of(pair.rendered))
        error = figures.error_colors(pair, limit)
        looks.append(Look(title, one.frame.name, one.psnr, *parts, error, limit))
    width, height = pairs[0].photo.shape[1::-1]
    return looks, means([row[0] for row in seen]) | {
        "views": [{"name": row[0].frame.name, "psnr": row[0].psnr} for row in seen],
        "remark": f"a quick look at {len(seen)} of {total} held-out views, at {width}x{height}",
    }
