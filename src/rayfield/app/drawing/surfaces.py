"""Meshes of signed functions of the scene, and pictures of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from rayfield.app.contract import PointFn
from rayfield.app.drawing.paths import look_at
from rayfield.core.check import UsageError
from rayfield.core.parts import in_parts
from rayfield.core.types import Camera, Mesh
from rayfield.geometry.marching import extract
from rayfield.geometry.mesh import components, keep_largest, transform
from rayfield.math.calculus import central_gradient
from rayfield.render.shading import shade

KEEP_FRACTION = 0.02  # of the largest component's area, for a component to stay
CHUNK = 2**14  # points at a time, at most
AXES = ("x", "y", "z")
UPS = (*AXES, *(f"-{axis}" for axis in AXES))
DISTANCE, ELEVATION = 3.4, np.radians(22)  # of the camera from the middle, above the horizon
WIDTH = 2.25  # scene units across a picture, at the middle


def in_chunks(value: PointFn) -> PointFn:
    """The function without gradients, a part of the points at a time."""

    def chunked(points: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
        with torch.no_grad():
            return torch.cat(in_parts(lambda part: value(points[part]), len(points), CHUNK))

    return chunked


def surface_mesh(
    value: PointFn,
    resolution: int,
    *,
    progress: Callable[[float], None] = lambda _: None,
    notes: list[str] | None = None,
) -> Mesh:
    """The zero set in the cube [-1, 1]^3 as a closed mesh with normals from the gradient.

    As `without_crumbs`. Raises RayfieldError where there is no zero set.
    """
    value = in_chunks(value)
    mesh = extract(
        value,
        level=0.0,
        box_min=(-1.0, -1.0, -1.0),
        box_max=(1.0, 1.0, 1.0),
        resolution=resolution,
        inside="below",
        progress=progress,
    )
    mesh = without_crumbs(mesh, notes)
    return replace(mesh, normals=gradient_normals(value, mesh, step=0.5 / resolution))


def without_crumbs(mesh: Mesh, notes: list[str] | None = None) -> Mesh:
    """The mesh without components of less than 2 % of the area of the largest, told in `notes`."""
    kept = keep_largest(mesh, fraction=KEEP_FRACTION)
    if notes is not None and len(kept.faces) < len(mesh.faces):
        gone = int(components(mesh).max()) - int(components(kept).max())
        share = f"{100 * KEEP_FRACTION:g} % of the area of the largest"
        notes.append(f"{gone} separate pieces of less than {share} are left out")
    return kept


def gradient_normals(value: PointFn, mesh: Mesh, *, step: float) -> Float[np.ndarray, "V 3"]:
    """Unit gradients at the vertices, over 2 `step`; the mesh's own where there is no gradient."""
    assert mesh.normals is not None
    points = torch.from_numpy(mesh.vertices).float()
    gradient = central_gradient(value, points, step).numpy().astype(np.float64)
    length = np.linalg.norm(gradient, axis=1, keepdims=True)
    clear = np.isfinite(length) & (length > 1e-9)
    return np.where(clear, gradient / np.where(clear, length, 1), mesh.normals)


def frame_of(up: str) -> Float[np.ndarray, "3 3"]:
    """The axes, as columns, of an upright frame whose z is an axis of the data ("y", "-z", ...).

    Raises UsageError for what is no axis.
    """
    if up not in UPS:
        raise UsageError(f"there is no axis {up!r}; give one of {', '.join(UPS)}")
    third = np.zeros(3)
    third[AXES.index(up[-1])] = -1.0 if up[0] == "-" else 1.0
    first = np.array([0.0, 1.0, 0.0]) if up[-1] == "x" else np.array([1.0, 0.0, 0.0])
    return np.stack([first, np.cross(third, first), third], axis=1)


def stood(mesh: Mesh, frame: Float[np.ndarray, "3 3"]) -> Mesh:
    """A mesh in the coordinates of an upright frame."""
    matrix = np.eye(4)
    matrix[:3, :3] = frame.T
    return transform(mesh, matrix)


def orbit(azimuth: float, size: tuple[int, int]) -> Camera:
    """A camera that sees the cube's middle from a direction in radians, +z up."""
    level = np.cos(ELEVATION)
    eye = DISTANCE * np.array([level * np.cos(azimuth), level * np.sin(azimuth), np.sin(ELEVATION)])
    width, height = size
    focal = min(size) * DISTANCE / WIDTH
    pose = look_at(eye, np.zeros(3), np.array([0.0, 0.0, 1.0]))
    return Camera(width, height, focal, focal, width / 2, height / 2, pose)


def clay(mesh: Mesh, camera: Camera) -> UInt8[np.ndarray, "H W 3"]:
    """A picture of a mesh with normals as clay, on white."""
    white = np.full(mesh.vertices.shape, 255, np.uint8)
    return shade(replace(mesh, colors=white), camera).clay
