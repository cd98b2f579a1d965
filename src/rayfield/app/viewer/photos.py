"""The photos of a run as the page shows them: small, and as a lens without distortion sees them."""

from __future__ import annotations

import io
import threading
import time
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image

from rayfield.app.learned import cameras as cams
from rayfield.app.learned.cameras import NamedCamera
from rayfield.app.sources.photos import scene_of
from rayfield.core.check import RayfieldError
from rayfield.core.types import Camera
from rayfield.data.photo import decode
from rayfield.data.scene import Frame
from rayfield.math.rays import pixel_grid, project
from rayfield.train.run import Run

SMALL, LARGE = 128, 1280  # pixels of the longer side
SHARE = 0.05  # of one core's time, for photos while a field is still learning


class Photos:
    """The photos behind the cameras of a run; read when first asked for, one at a time."""

    def __init__(self, run: Run, cameras: tuple[NamedCamera, ...], *, live: bool = False) -> None:
        self._run, self._cameras, self._live = run, cameras, live
        self._frames: dict[tuple[str, str], Frame] | None = None
        self._lock = threading.Lock()
        self.problem = ""  # why there are none

    def known(self) -> bool:
        """Whether the data is where the run says; it is not read for this."""
        try:
            return self._run.find_data().exists()
        except RayfieldError:
            return False

    def take(self, frames: tuple[Frame, ...]) -> None:
        """Photos of data that has been read already."""
        self._frames = {(frame.split, frame.name): frame for frame in frames}

    def encoded(self, index: int, side: int) -> bytes | None:
        """The photo of a camera as WebP, at most `side` pixels; None where there is none."""
        started = time.perf_counter()
        with self._lock:
            picture = self._read(index, side)
        if picture is None:
            return None
        encoded = io.BytesIO()
        Image.fromarray(picture).save(encoded, "WEBP", quality=85, method=2)
        if self._live:  # the training is more urgent
            time.sleep((time.perf_counter() - started) * (1 / SHARE - 1))
        return encoded.getvalue()

    def _read(self, index: int, side: int) -> UInt8[np.ndarray, "H W C"] | None:
        if not 0 <= index < len(self._cameras):
            return None
        named = self._cameras[index]
        try:
            frame = self._all().get((named.split, named.name))
            return None if frame is None else straightened(decode(frame), frame.camera, side)
        except RayfieldError as error:  # gone, or not what the run was trained on
            self.problem = str(error)
            return None

    def _all(self) -> dict[tuple[str, str], Frame]:
        if self._frames is None:
            self._frames = {}  # data that cannot be read is not tried again
            self.take(scene_of(self._run).frames)
        return self._frames


def straightened(
    picture: UInt8[np.ndarray, "H W C"], camera: Camera, side: int
) -> UInt8[np.ndarray, "h w C"]:
    """The photo at most `side` pixels large, seen without distortion; what the lens did not see is
    transparent, or black."""
    small = cams.limited(straight(camera), side)
    size = (small.width, small.height)
    image = Image.fromarray(picture)
    if camera.pinhole:
        return np.asarray(image.resize(size, Image.Resampling.BOX, reducing_gap=2.0))
    near = replace(cams.limited(camera, 2 * side), pose=np.eye(4))
    image = image.resize((near.width, near.height), Image.Resampling.BOX)
    offset, focal = torch.tensor([small.cx, small.cy]), torch.tensor([small.fx, small.fy])
    plane = (pixel_grid(*size) - offset) / focal
    places, _ = project(near, torch.nn.functional.pad(plane, (0, 1), value=1.0))
    places = 2 * places / torch.tensor([near.width, near.height]) - 1
    source = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].double()
    grid = places.reshape(1, *size[::-1], 2)
    found = torch.nn.functional.grid_sample(source, grid, align_corners=False)
    return found[0].permute(1, 2, 0).round().byte().numpy()


def straight(camera: Camera) -> Camera:
    """The camera with a pinhole in place of its lens."""
    return replace(camera, distortion=(), lens="perspective")
