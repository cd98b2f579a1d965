"""Videos of a trained field: the verb `render`."""

from __future__ import annotations

import contextlib
import io
import math
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from jaxtyping import Float, UInt8

from rayfield.app.catalogue import find_method, suggestion
from rayfield.app.drawing import figures, paths
from rayfield.app.drawing.normals import normal_colors, normal_map
from rayfield.app.drawing.video import Video, find_codec
from rayfield.app.learned import cameras as cams
from rayfield.app.learned.camera_path import CameraPath, read_path
from rayfield.app.learned.field import TrainedField, View
from rayfield.core.check import UsageError
from rayfield.core.types import Camera
from rayfield.geometry.wholefile import write_whole

FRAMES, MAX_FRAMES = 100, 100_000
PATHS = ("turntable", "interpolate", "test")
PROBES, PROBE_SIDE = 5, 64  # views that settle the range of the depth colours
SEEN = 0.5  # opacity from which a pixel has a depth
PATIENCE = 75.0  # seconds that a video may take before its pictures get smaller than the photos
SMALLEST = 320  # pixels along the longer side, that they keep


class Shot(NamedTuple):
    """What to film: the path, the pictures' (width, height), how many, how fast, whether depth,
    normals and single pictures are wanted too, and which axis of the data is up (of a surface).
    Without a size it is the photos' own, or what can be rendered in about a minute (PATIENCE);
    always the photos' own of the path "test". `recorded` are the cameras of a path with another
    name.
    """

    path: str = "turntable"
    size: tuple[int, int] | None = None
    frames: int = FRAMES
    fps: float = 25.0
    depth: bool = False
    png: bool = False
    normals: bool = False
    up: str | None = None
    recorded: CameraPath | None = None


class Route(NamedTuple):
    """A path's name, its number of pictures, and its cameras if they were recorded."""

    name: str
    frames: int
    recorded: CameraPath | None = None


def route(path: str, frames: int | None, fps: float) -> Route:
    """The path of that name, or the one recorded in a file NAME.json.

    Without a number of `frames`: as many as a recorded one lasts, or FRAMES. Raises UsageError for
    a name that is none, DataError for a file that is no camera path.
    """
    if not path.lower().endswith(".json"):
        if path not in PATHS:
            near = suggestion(path, [*PATHS, "a file NAME.json"])
            raise UsageError(f"there is no path {path!r}{near}")
        return Route(path, FRAMES if frames is None else frames)
    recorded = read_path(Path(path))
    if frames is None:
        lasting = recorded.duration * fps if math.isfinite(fps) else 0.0
        frames = round(min(max(lasting, 0.0), MAX_FRAMES - 1)) + (0 if recorded.loop else 1)
    return Route(Path(path).stem, max(frames, 1) if recorded.loop else frames, recorded)


class _Track(NamedTuple):
    """A video in the making: what it shows of a view, and where its pictures are kept, if so."""

    film: Video
    draw: Callable[[Camera, View], UInt8[np.ndarray, "H W 3"]]
    stills: Path | None


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
    (distance along the ray, world units, float32, 0 where nothing is seen), PATH-normals.mp4 and
    normals/*.png (world axes). The paths written and the time taken.

    Raises UsageError for paths, sizes, counts and rates that make no video.
    """
    started = time.perf_counter()
    find_codec()  # told before anything is rendered
    cameras = _cameras(field, shot)
    whole = cameras[0].width, cameras[0].height
    if shot.size is None and shot.path != "test":
        cameras = _affordable(field, cameras)
    folder = out or field.run.renders / shot.path
    video = folder / f"{shot.path}.mp4"
    if folder.suffix == ".mp4":
        folder, video = folder.parent, folder
    found: dict[str, Any] = {"path": shot.path, "video": video.as_posix(), "frames": len(cameras)}
    found |= {"width": cameras[0].width, "height": cameras[0].height, "fps": shot.fps}
    found["reduced_from"] = None if whole == (found["width"], found["height"]) else list(whole)
    unit = cams.scale_of(field.world_from_scene)
    with contextlib.ExitStack() as stack:
        tracks = []
        for name, draw in _drawings(field, shot, cameras).items():
            path = video.with_name(f"{video.stem}-{name}.mp4") if name else video
            film = stack.enter_context(Video(path, fps=shot.fps))
            stills = folder / (name or "frames") if name or shot.png else None
            tracks.append(_Track(film, draw, stills))
            if name:
                found[f"{name}_video"] = path.as_posix()
            if stills is not None:
                found[name or "pictures"] = stills.as_posix()
        for index, camera in enumerate(cameras):
            view = field.look(camera)
            for track in tracks:
                picture = track.draw(camera, view)
                track.film.add(picture)
                if track.stills is not None:
                    figures.save_picture(track.stills / f"{index:04d}.png", picture)
            if shot.depth:
                metric = np.where(view.opacity >= SEEN, view.depth * unit, 0.0)
                array = io.BytesIO()
                np.save(array, metric.astype(np.float32))
                write_whole(folder / "depth" / f"{index:04d}.npy", array.getvalue())
            progress((index + 1) / len(cameras))
    return found | {"seconds": time.perf_counter() - started}


def _drawings(
    field: TrainedField, shot: Shot, cameras: list[Camera]
) -> dict[str, Callable[[Camera, View], UInt8[np.ndarray, "H W 3"]]]:
    """What is drawn of each view, by name: the colours have none."""
    white = field.traits.alpha
    drawings: dict[str, Callable[[Camera, View], UInt8[np.ndarray, "H W 3"]]] = {
        "": lambda camera, view: figures.bytes_of(view.color)
    }
    if shot.depth:
        near, far = depth_range(field, cameras)
        drawings["depth"] = lambda camera, view: depth_colors(view, near, far, white=white)
    if shot.normals:
        if "export" not in find_method(field.run.record["method"]).offers:
            raise UsageError(f"{field.run.path}: has no density, and so no normals")
        drawings["normals"] = lambda camera, view: normal_colors(
            normal_map(field, camera, view), view, white=white
        )
    return drawings


def _cameras(field: TrainedField, shot: Shot) -> list[Camera]:
    """The path's cameras in the scene's frame, all of one size."""
    if not 1 <= shot.frames <= MAX_FRAMES:
        raise UsageError(f"{shot.frames} frames make no video; give 1 to {MAX_FRAMES}")
    matrix = field.world_from_scene
    if shot.recorded is not None:
        found = shot.recorded.cameras(shot.frames)
        moved = [replace(c, pose=cams.to_scene(c.pose, matrix)) for c in found]
        return moved if shot.size is None else [cams.resized(c, *shot.size) for c in moved]
    if shot.path not in PATHS:
        raise UsageError(f"there is no path {shot.path!r}; give turntable, interpolate or test")
    split = "test" if shot.path == "test" else "train"
    named = field.split(split)
    if not named:
        raise UsageError(f"{field.run.path}: the data has no {split} images; choose another --path")
    photos = [replace(c.camera, pose=cams.to_scene(c.camera.pose, matrix)) for c in named]
    width, height = shot.size or (photos[0].width, photos[0].height)
    if shot.path == "turntable":
        photos = paths.turntable(photos, shot.frames)
    elif shot.path == "interpolate":
        photos = paths.interpolate(photos, shot.frames)
    same = [c if (c.width, c.height) == (width, height) else None for c in photos]
    return [s or cams.resized(c, width, height) for s, c in zip(same, photos, strict=True)]


def _affordable(field: TrainedField, cameras: list[Camera]) -> list[Camera]:
    """The cameras with pictures so small that rendering all takes about PATIENCE seconds."""
    whole = cameras[0]
    longest = max(whole.width, whole.height)
    if longest <= SMALLEST:
        return cameras
    probes = [cams.limited(cameras[i * len(cameras) // PROBES], SMALLEST) for i in range(PROBES)]
    field.look(probes[0])  # the first view may take longer
    started = time.perf_counter()
    for probe in probes:
        field.look(probe)
    each = (time.perf_counter() - started) / PROBES
    affordable = SMALLEST * (PATIENCE / (each * len(cameras))) ** 0.5
    if affordable >= longest:
        return cameras
    side = max(SMALLEST, 16 * int(affordable / 16))
    return [cams.limited(camera, side) for camera in cameras]


def depth_range(field: TrainedField, cameras: list[Camera]) -> tuple[float, float]:
    """Depths that most of a path's pixels lie between, from a few small views of it."""
    chosen = np.linspace(0, len(cameras) - 1, min(PROBES, len(cameras))).round().astype(int)
    views = [field.look(cams.limited(cameras[i], PROBE_SIDE)) for i in chosen]
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
