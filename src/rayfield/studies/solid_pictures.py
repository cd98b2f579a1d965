"""Pictures of small solids and of the functions whose zero sets they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8

from rayfield.core.drawing import FAINT, INK, bytes_of
from rayfield.core.types import Mesh
from rayfield.fields.piecewise_linear import PiecewiseLinear
from rayfield.geometry.mesh import face_normals

VIEW = np.array([0.55, -0.72, 0.42])  # from where solids are seen
LIGHT = np.array([0.15, -0.75, 0.65])
CLAY = np.array([0.80, 0.78, 0.75])
WIDTH = 2.5  # across a picture, in units of the solid
FINER = 2  # samples of a pixel along a side


def picture(mesh: Mesh, side: int) -> UInt8[np.ndarray, "S S 3"]:
    """A closed mesh as flat clay on white, `side` pixels wide, by orthographic projection."""
    toward = VIEW / np.linalg.norm(VIEW)
    right = np.cross([0.0, 0.0, 1.0], toward)
    right /= np.linalg.norm(right)
    frame = np.stack([right, np.cross(toward, right), toward])
    corners = mesh.vertices[mesh.faces] @ frame.T
    normals = face_normals(mesh)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    lit = 0.35 + 0.65 * np.clip(normals @ (LIGHT / np.linalg.norm(LIGHT)), 0, 1)
    count = side * FINER
    line = ((np.arange(count) + 0.5) / count - 0.5) * WIDTH
    x, y = line[None, :], -line[:, None]
    depth, colors = np.full((count, count), -np.inf), np.ones((count, count, 3))
    for (a, b, c), shade in zip(corners, lit, strict=True):
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if area <= 0:
            continue  # looks away
        u = ((b[0] - x) * (c[1] - y) - (b[1] - y) * (c[0] - x)) / area
        v = ((c[0] - x) * (a[1] - y) - (c[1] - y) * (a[0] - x)) / area
        height = u * a[2] + v * b[2] + (1 - u - v) * c[2]
        seen = (u >= 0) & (v >= 0) & (u + v <= 1) & (height > depth)
        depth[seen], colors[seen] = height[seen], CLAY * shade
    return bytes_of(colors.reshape(side, FINER, side, FINER, 3).mean(axis=(1, 3)))


def cut(network: PiecewiseLinear, height: float, cells: int) -> Float[np.ndarray, "S S"]:
    """The network's values on [-1, 1]^2 at z = `height`; rows go up y."""
    line = torch.linspace(-1, 1, cells, dtype=torch.float64)
    y, x = torch.meshgrid(line, line, indexing="ij")
    points = torch.stack([x, y, torch.full_like(x, height)], dim=2).reshape(-1, 3)
    with torch.no_grad():
        return network(points).reshape(cells, cells).numpy()


def draw_cut(axes: Any, values: Float[np.ndarray, "S S"], title: str) -> None:
    """A cut as level lines, blue inside and orange outside, with its zero set."""
    line = np.linspace(-1, 1, len(values))
    levels = np.linspace(-0.6, 0.6, 25)
    axes.contourf(line, line, values, levels, cmap="PuOr_r", extend="both")
    axes.contour(line, line, values, levels, colors=[FAINT], linewidths=0.3, linestyles="solid")
    axes.contour(line, line, values, [0.0], colors=[INK], linewidths=1.8)
    axes.set_title(title, fontsize=9)
    axes.set(aspect="equal", xticks=[], yticks=[])
    for side in axes.spines.values():
        side.set_visible(False)
