"""Where around the subject photos were taken from: how much of the sphere they cover, and a map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from rayfield.app.learned.cameras import NamedCamera
from rayfield.app.report.markup import Markup, joined, tag
from rayfield.data.check.coverage import REACH

Vec = Float[np.ndarray, " 3"]
LIMITS = (REACH / 2, REACH)  # degrees from the nearest photo: well seen, seen; beyond: guessed
BANDS = 48  # of elevation
CELLS = 96  # of azimuth
NEAR_AXIS = np.cos(np.radians(25))
WIDTH, HEIGHT = 520.0, 262.0


class Around(NamedTuple):
    """An upright frame about the subject: its middle, and its axes as columns, the third up."""

    middle: Vec
    axes: Float[np.ndarray, "3 3"]


class Coverage(NamedTuple):
    """Shares of the sphere of directions, in [0, 1]: well seen, at least seen, and of the upper
    half at least seen."""

    well: float
    seen: float
    above: float


def around(cameras: Sequence[NamedCamera], world_from_scene: Float[np.ndarray, "4 4"]) -> Around:
    """The frame about the scene's middle, upright as the cameras are held: along an axis of the
    world if one is near to that."""
    held = np.mean([-c.camera.pose[:3, 1] for c in cameras], axis=0) if cameras else np.zeros(3)
    length = float(np.linalg.norm(held))
    up = held / length if length > 0.2 else np.array([0.0, 0.0, 1.0])
    nearest = int(np.abs(up).argmax())
    if abs(up[nearest]) > NEAR_AXIS:
        up = np.eye(3)[nearest] * np.sign(up[nearest])
    first = np.eye(3)[int(np.abs(up).argmin())]
    first = first - (first @ up) * up
    first = first / np.linalg.norm(first)
    axes = np.stack([first, np.cross(up, first), up], axis=1)
    return Around(world_from_scene[:3, 3], axes)


def directions(cameras: Sequence[NamedCamera], frame: Around) -> Float[np.ndarray, "N 3"]:
    """Unit vectors from the middle to the cameras, in the upright frame."""
    away = np.array([c.camera.pose[:3, 3] for c in cameras]).reshape(-1, 3) - frame.middle
    away = away / np.linalg.norm(away, axis=1, keepdims=True).clip(1e-12)
    return away @ frame.axes


def classes(seen: Float[np.ndarray, "N 3"]) -> Int[np.ndarray, "B C"]:
    """How well the middle of every cell of the sphere is seen: 0 well, 1 seen, 2 not. Bands of
    elevation from below, cells of azimuth from -180 degrees."""
    elevation = np.radians((np.arange(BANDS) + 0.5) / BANDS * 180 - 90)
    azimuth = np.radians((np.arange(CELLS) + 0.5) / CELLS * 360 - 180)
    level = np.cos(elevation)[:, None]
    cells = np.stack(
        [
            level * np.cos(azimuth),
            level * np.sin(azimuth),
            np.sin(elevation)[:, None] * np.ones(CELLS),
        ],
        axis=-1,
    )
    if not len(seen):
        return np.full((BANDS, CELLS), 2)
    nearest = np.degrees(np.arccos((cells @ seen.T).max(axis=-1).clip(-1, 1)))
    return np.searchsorted(np.array(LIMITS), nearest)


def coverage(kind: Int[np.ndarray, "B C"]) -> Coverage:
    """Shares of the sphere by solid angle."""
    edges = np.sin(np.radians(np.linspace(-90, 90, len(kind) + 1)))
    weight = np.diff(edges)[:, None] / 2 / kind.shape[1] * np.ones(kind.shape)
    upper = weight.copy()
    upper[: len(kind) // 2] = 0
    return Coverage(
        float(weight[kind == 0].sum()),
        float(weight[kind <= 1].sum()),
        float(upper[kind <= 1].sum() / upper.sum()),
    )


def sphere_map(
    kind: Int[np.ndarray, "B C"],
    train: Float[np.ndarray, "N 3"],
    test: Float[np.ndarray, "M 3"],
) -> Markup:
    """The sphere spread out without change of area (Mollweide): bands by how well they are seen,
    and a dot for every photo."""
    parts = []
    for band in range(len(kind)):
        low, high = (np.radians(e / len(kind) * 180 - 90) for e in (band, band + 1))
        begin = 0
        for cell in range(1, kind.shape[1] + 1):
            if cell < kind.shape[1] and kind[band, cell] == kind[band, begin]:
                continue
            ends = [np.radians(a / kind.shape[1] * 360 - 180) for a in (begin, cell)]
            corners = [(ends[0], low), (ends[1], low), (ends[1], high), (ends[0], high)]
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in (_placed(*c) for c in corners))
            attributes = {"points": points, "class": f"seen{kind[band, begin]}"}
            parts.append(tag("polygon", "", attributes))
            begin = cell
    for name, places in (("train", train), ("test", test)):
        for x, y, z in places:
            px, py = _placed(float(np.arctan2(y, x)), float(np.arcsin(np.clip(z, -1, 1))))
            place = {"cx": f"{px:.1f}", "cy": f"{py:.1f}", "r": "2.6", "class": f"spot {name}"}
            parts.append(tag("circle", "", place))
    middle = {"x1": _placed(-np.pi, 0.0)[0], "x2": _placed(np.pi, 0.0)[0]}
    level = {"y1": HEIGHT / 2, "y2": HEIGHT / 2, "class": "grid"}
    parts.append(tag("line", "", middle | level))
    label = "map of the directions that photos were taken from"
    shape = {"viewBox": f"0 0 {WIDTH:g} {HEIGHT:g}", "class": "chart", "role": "img"}
    return tag("svg", joined(parts), shape | {"aria-label": label})


def _placed(azimuth: float, elevation: float) -> tuple[float, float]:
    """Where a direction lies on the map, in its units."""
    theta = elevation
    if abs(abs(elevation) - np.pi / 2) < 1e-9:
        theta = float(np.sign(elevation)) * np.pi / 2
    else:
        for _ in range(12):
            wrong = 2 * theta + np.sin(2 * theta) - np.pi * np.sin(elevation)
            theta -= wrong / (2 + 2 * np.cos(2 * theta) + 1e-12)
    x = azimuth / np.pi * np.cos(theta)
    return (0.5 + 0.49 * x) * WIDTH, (0.5 - 0.49 * np.sin(theta)) * HEIGHT
