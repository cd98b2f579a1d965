"""What the page is told of a run, once: the frame, the photos' cameras, where to start."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from rayfield.app.contract import DenseMethod, SurfaceMethod
from rayfield.app.drawing import paths
from rayfield.app.learned import cameras as cams
from rayfield.app.learned.field import TrainedField
from rayfield.app.viewer.messages import MODES, Mode
from rayfield.core.types import Camera
from rayfield.data.normalise import upright
from rayfield.train.log import read_log

MOST_CAMERAS = 5000  # that are drawn
MOST_POINTS = 400  # of a curve
Matrix = Float[np.ndarray, "4 4"]


def scene_cameras(field: TrainedField) -> list[Camera]:
    """The photos' cameras, in their order, with poses scene_from_camera."""
    matrix = field.world_from_scene
    return [replace(c.camera, pose=cams.to_scene(c.camera.pose, matrix)) for c in field.cameras]


def home(field: TrainedField) -> Camera:
    """Where to look from first: of a subject, the turntable's start; of a place, a photo."""
    photos = scene_cameras(field)
    train = [p for p, c in zip(photos, field.cameras, strict=True) if c.split == "train"] or photos
    return paths.turntable(train, 8)[0] if field.traits.bounded else train[0]


def modes(field: TrainedField) -> list[Mode]:
    """What can be shown of a field: normals need a density or a distance."""
    if isinstance(field.method, DenseMethod | SurfaceMethod):
        return list(MODES)
    return [mode for mode in MODES if mode != "normals"]


def stage(field: TrainedField, *, live: bool, mesh: str, photos: bool) -> dict[str, Any]:
    """All of it, as JSON values. `mesh`: "file", "field" (it can be made) or ""."""
    start = home(field)
    poses = scene_cameras(field)
    run = field.run
    return {
        "name": run.path.resolve().name,
        "folder": run.path.as_posix(),
        "method": run.record["method"],
        "step": field.step,
        "live": live,
        "mesh": mesh,
        "photos": photos,
        "modes": modes(field),
        "bounded": field.traits.bounded,
        "background": [1.0, 1.0, 1.0] if field.traits.alpha else [0.0, 0.0, 0.0],
        "unit": cams.scale_of(field.world_from_scene),
        "world_from_scene": field.world_from_scene.tolist(),
        "up": up_of(poses).tolist(),
        "home": {"pose": start.pose[:3].ravel().tolist(), "fov": vertical_fov(start)},
        "aspect": start.width / start.height,
        "size": frustum_size(poses),
        "cameras": [
            {
                "name": named.name,
                "split": named.split,
                "pose": camera.pose[:3].ravel().round(6).tolist(),
                "plane": plane(camera),
                "size": [camera.width, camera.height],
            }
            for named, camera in zip(field.cameras[:MOST_CAMERAS], poses, strict=False)
        ],
        "curves": curves(read_log(run.log)),
    }


def up_of(cameras: list[Camera]) -> Float[np.ndarray, 3]:
    """Which way is up: that of the photos, or +z if they nearly agree with it."""
    up: Float[np.ndarray, 3] = upright(np.stack([camera.pose for camera in cameras]))[:, 2]
    return np.array([0.0, 0.0, 1.0]) if up[2] > paths.LEVEL else up


def vertical_fov(camera: Camera) -> float:
    """Degrees."""
    return float(np.degrees(2 * np.arctan(0.5 * camera.height / camera.fy)))


def plane(camera: Camera) -> list[float]:
    """The picture's left, top, right and bottom edge in the plane z = 1, without distortion."""
    left, top = -camera.cx / camera.fx, -camera.cy / camera.fy
    return [left, top, left + camera.width / camera.fx, top + camera.height / camera.fy]


def frustum_size(cameras: list[Camera]) -> float:
    """How far from their lenses photos are drawn, so that they rarely hide each other."""
    places = np.stack([camera.pose[:3, 3] for camera in cameras])[:MOST_CAMERAS]
    some = places[:: max(1, len(places) // 300)]
    gaps = np.sort(np.linalg.norm(some[:, None] - places[None], axis=-1), axis=1)
    near = float(np.median(gaps[:, min(1, gaps.shape[1] - 1)]))
    reach = float(np.median(np.linalg.norm(places, axis=1)))
    return float(np.clip(0.5 * near, 0.02 * reach, 0.12 * reach)) or 0.1


def curves(log: list[dict[str, Any]]) -> dict[str, Any]:
    """The log's steps, seconds, PSNR and sum of terms, thinned out."""
    rows = [row for row in log if "terms" in row]
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(MOST_POINTS, len(rows))).round())
    rows = [rows[int(i)] for i in chosen]
    return {
        "step": [row["step"] for row in rows],
        "seconds": [row.get("seconds") for row in rows],
        "psnr": [row.get("psnr") for row in rows],
        "loss": [_sum(row["terms"]) for row in rows],
    }


def _sum(terms: dict[str, float | None]) -> float | None:
    values = [value for value in terms.values() if value is not None]
    return sum(values) if len(values) == len(terms) else None
