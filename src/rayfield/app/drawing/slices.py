"""Pictures of signed functions: a slice with its zero line, beside the surface."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, UInt8

from rayfield.app.contract import PointFn
from rayfield.app.drawing.surfaces import in_chunks, orbit
from rayfield.core.drawing import BLUE, INK, ORANGE, bytes_of

SIDE = 256  # pixels
BAND = 0.1  # scene units between the faint lines
NEAR = 0.02  # scene units within which a point belongs to a slice
AZIMUTH = np.radians(-60)

Picture = UInt8[np.ndarray, "S S 3"]


def _color(text: str) -> np.ndarray:
    return np.array([int(text[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def slice_picture(value: PointFn, points: Float[np.ndarray, "N 3"]) -> Picture:
    """The plane across the middle of the shortest side of the points: blue inside, orange outside,
    paler with distance, a line every 0.1, the points near the plane white, the zero line dark."""
    _, a, b = _axes(points)
    line = 2 * (torch.arange(SIDE) + 0.5) / SIDE - 1
    places = torch.zeros(SIDE, SIDE, 3)
    places[..., a], places[..., b] = line[None, :], -line[:, None]  # the second axis points up
    values = in_chunks(value)(places.reshape(-1, 3)).reshape(SIDE, SIDE).numpy()
    strength = 0.55 * np.exp(-2 * np.abs(values))[..., None]
    tint = np.where((values < 0)[..., None], _color(BLUE), _color(ORANGE))
    picture = 1 - strength * (1 - tint)
    picture[_crossings(np.floor(values / BAND))] *= 0.88
    picture[_near(points)] = 1.0
    picture[_crossings(values < 0)] = _color(INK)
    return bytes_of(picture)


def points_picture(points: Float[np.ndarray, "N 3"]) -> Picture:
    """The points near the plane of `slice_picture`."""
    picture = np.ones((SIDE, SIDE, 3))
    picture[_near(points)] = _color(INK)
    return bytes_of(picture)


def scatter(points: Float[np.ndarray, "N 3"]) -> Picture:
    """The points from where surfaces are seen, nearer ones darker."""
    camera = orbit(AZIMUTH, (SIDE, SIDE))
    local = (points - camera.pose[:3, 3]) @ camera.pose[:3, :3]
    local = local[np.argsort(-local[:, 2], kind="stable")]  # the nearest are drawn last
    at = local[:, :2] / local[:, 2:] * camera.fx + SIDE / 2
    column, row = np.floor(at).astype(int).clip(0, SIDE - 1).T
    depth = (local[:, 2] - local[:, 2].min()) / max(float(np.ptp(local[:, 2])), 1e-9)
    picture = np.ones((SIDE, SIDE, 3))
    picture[row, column] = (0.25 + 0.6 * depth)[:, None]
    return bytes_of(picture)


def _axes(points: np.ndarray) -> tuple[int, int, int]:
    """The axis across the slice, the one to the right and the one up."""
    across = int(np.ptp(points, axis=0).argmin())
    a, b = (axis for axis in range(3) if axis != across)
    return across, a, b


def _near(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of the points near the slice."""
    across, a, b = _axes(points)
    at = points[np.abs(points[:, across]) < NEAR]
    row, column = ((1 - at[:, b]) / 2 * SIDE, (at[:, a] + 1) / 2 * SIDE)
    return row.astype(int).clip(0, SIDE - 1), column.astype(int).clip(0, SIDE - 1)


def _crossings(labels: np.ndarray) -> np.ndarray:
    """Where a pixel differs from its right or lower neighbour."""
    edge = np.zeros(labels.shape, bool)
    edge[:-1] |= labels[:-1] != labels[1:]
    edge[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    return edge
