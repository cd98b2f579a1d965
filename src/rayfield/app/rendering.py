"""Videos of a trained field: the verb `render`."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from rayfield.app import cameras as cams
from rayfield.app import figures, paths
from rayfield.app.field import TrainedField, View, render_view
from rayfield.app.video import Video
from rayfield.core.check import RayfieldError, UsageError
from rayfield.core.types import Camera

MAX_FRAMES = 100_000
PROBES, PROBE_SIDE = 5, 64  # views that settle the range of the depth colours
SEEN = 0.5  # opacity from which a pixel has a depth


class Shot(NamedTuple):
    """What to film: the path, the pictures' (width, height) or None for the photos' own, how
    many, how fast, and whether depth and single pictures are wanted too."""

    path: str = "turntable"
    size: tuple[int, int] | None = None
    frames: int = 120
    fps: float = 30.0
    depth: bool = False
    png: bool = False


def parse_size(text: str | None) -> tuple[int, int] | None:
    """(width, height) from "640x480". Raises UsageError."""
    if text is None:
        return None
    match = re.fullmatch(r"\s*(\d{1,6})\s*[xX*,]\s*(\d{1,6})\s*", text)
    if match is None:
        raise UsageError(f"--resolution {text!r} is not of the form 640x480")
    return int(match[1]), int(match[2])


def render(
    field: TrainedField,
    shot: Shot,
    *,
    out: Path | None = None,
    progress: Callable[[float], None] = lambda _: None,
) -> dict[str, Any]:
    """Render a path of cameras into the folder `out` (RUN/renders/PATH), or the file out.mp4.

    Writes PATH.mp4, and if wanted frames/*.png, PATH-depth.mp4, depth/*.png and depth/*.npy
    (distance along the ray, world units, float32, 0 where nothing is seen). The paths written and
    the time taken.

    Raises UsageError for paths, sizes, counts and rates that make no video.
    """
    started = time.perf_counter()
    cameras = _cameras(field, shot)
    folder = out or field.run.renders / shot.path
    video = folder / f"{shot.path}.mp4"
    if folder.suffix == ".mp4":
        folder, video = folder.parent, folder
    unit = cams.scale_of(field.world_from_scene)
    with contextlib.ExitStack() as stack:
        color = stack.enter_context(Video(video, fps=shot.fps))
        depth: Video | None = None
        if shot.depth:
            nearest, farthest = depth_range(field, cameras)
            deep = video.with_name(f"{video.stem}-depth.mp4")
            depth = stack.enter_context(Video(deep, fps=shot.fps))
        for index, camera in enumerate(cameras):
            view = look(field, camera)
            picture = figures.bytes_of(view.color)
            color.add(picture)
            if shot.png:
                _save(folder / "frames" / f"{index:04d}.png", picture)
            if depth is not None:
                shades = depth_colors(view, nearest, farthest, white=field.traits.alpha)
                depth.add(shades)
                _save(folder / "depth" / f"{index:04d}.png", shades)
                metric = np.where(view.opacity >= SEEN, view.depth * unit, 0.0)
                np.save(folder / "depth" / f"{index:04d}.npy", metric.astype(np.float32))
            progress((index + 1) / len(cameras))
    found: dict[str, Any] = {"path": shot.path, "video": video.as_posix(), "frames": len(cameras)}
    found |= {"width": cameras[0].width, "height": cameras[0].height, "fps": shot.fps}
    if shot.depth:
        found |= {"depth": (folder / "depth").as_posix(), "depth_video": deep.as_posix()}
    if shot.png:
        found["pictures"] = (folder / "frames").as_posix()
    return found | {"seconds": time.perf_counter() - started}


def look(field: TrainedField, camera: Camera) -> View:
    """What a camera whose pose is scene_from_camera sees; depth in scene units."""
    return render_view(field.method, field.model, field.cfg, camera=camera, traits=field.traits)


def _cameras(field: TrainedField, shot: Shot) -> list[Camera]:
    """The path's cameras in the scene's frame, all of one size."""
    if not 1 <= shot.frames <= MAX_FRAMES:
        raise UsageError(f"{shot.frames} frames make no video; give 1 to {MAX_FRAMES}")
    if shot.path not in ("turntable", "interpolate", "test"):
        raise UsageError(f"there is no path {shot.path!r}; give turntable, interpolate or test")
    split = "test" if shot.path == "test" else "train"
    named = field.split(split)
    if not named:
        raise UsageError(f"{field.run.path}: the data has no {split} images; choose another --path")
    matrix = field.world_from_scene
    photos = [replace(c.camera, pose=cams.to_scene(c.camera.pose, matrix)) for c in named]
    width, height = shot.size or (photos[0].width, photos[0].height)
    if shot.path == "turntable":
        photos = paths.turntable(photos, shot.frames)
    elif shot.path == "interpolate":
        photos = paths.interpolate(photos, shot.frames)
    same = [c if (c.width, c.height) == (width, height) else None for c in photos]
    return [s or cams.resized(c, width, height) for s, c in zip(same, photos, strict=True)]


def depth_range(field: TrainedField, cameras: list[Camera]) -> tuple[float, float]:
    """Depths that most of a path's pixels lie between, from a few small views of it."""
    chosen = np.linspace(0, len(cameras) - 1, min(PROBES, len(cameras))).round().astype(int)
    views = [look(field, cams.limited(cameras[i], PROBE_SIDE)) for i in chosen]
    seen = np.concatenate([view.depth[view.opacity >= SEEN] for view in views])
    if len(seen) == 0:
        return 0.5, 1.5
    low, high = np.quantile(seen, [0.01, 0.99])
    return float(max(low, 1e-6)), float(max(high, 1.01 * low, 2e-6))


def depth_colors(
    view: View, nearest: float, farthest: float, *, white: bool
) -> UInt8[np.ndarray, "H W 3"]:
    """Depth as colours, near ones bright, even in 1 / depth; what is not seen is the background."""
    inverse = 1 / np.maximum(view.depth, 1e-6)
    shade = (inverse - 1 / farthest) / (1 / nearest - 1 / farthest)
    color: Float[np.ndarray, "H W 3"] = mpl.colormaps["magma"](np.clip(shade, 0, 1))[..., :3]
    opacity = np.clip(view.opacity, 0, 1)[..., None]
    return figures.bytes_of(color * opacity + float(white) * (1 - opacity))


def _save(path: Path, picture: UInt8[np.ndarray, "H W 3"]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
    except OSError as error:
        raise RayfieldError(f"{path}: could not be written ({error.strerror})") from None
