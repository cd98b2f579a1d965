"""Plots of a training: its curves, and where its photos were taken."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from matplotlib.lines import Line2D
from mpl_toolkits.mplot3d.art3d import Line3DCollection  # type: ignore[import-untyped]

from rayfield.app.learned.cameras import NamedCamera
from rayfield.core.drawing import BLUE, FAINT, INK, LINE, ORANGE, dress, new_figure, save, style


def curves(
    path: Path,
    *,
    log: list[dict[str, Any]],
    previews: list[dict[str, Any]],
    previewed: str = "test view",
) -> None:
    """Loss terms and PSNR against seconds of training."""
    rows = [row for row in log if isinstance(row.get("terms"), dict) and row.get("seconds")]
    with style():
        figure = new_figure(9.0, 3.4)
        left, right = figure.subplots(1, 2)
        names = list(dict.fromkeys(name for row in rows for name in row["terms"]))
        for index, name in enumerate(names):
            found = [(row["seconds"], row["terms"].get(name)) for row in rows]
            points = [(x, y) for x, y in found if y is not None and y > 0]
            if points:
                colour = mpl.colormaps["tab10"](index)
                _smoothed(left, np.array(points), colour, name.replace("_", " "))
        left.set_yscale("log")
        dress(left, title="loss terms", x="seconds of training")
        points = [(row["seconds"], row["psnr"]) for row in rows if row.get("psnr") is not None]
        if points:
            _smoothed(right, np.array(points), BLUE, "training batch")
        seen = [(row["seconds"], row["psnr"]) for row in previews if row["psnr"] is not None]
        if seen:
            xy = np.array(seen)
            right.plot(xy[:, 0], xy[:, 1], "o-", color=ORANGE, ms=4, lw=1.2, label=previewed)
        dress(right, title="PSNR, dB", x="seconds of training")
        right.set_visible(bool(points or seen))
        figure.tight_layout()
    save(figure, path)


def _smoothed(axes: Any, points: np.ndarray, colour: Any, label: str) -> None:
    """A noisy curve: faint as it is, strong as a running mean."""
    x, y = points[:, 0], points[:, 1]
    axes.plot(x, y, color=colour, alpha=0.25, lw=0.8)
    width = max(1, len(y) // 40)
    padded = np.concatenate([np.full(width, y[0]), y, np.full(width, y[-1])])
    kernel = np.ones(2 * width + 1) / (2 * width + 1)
    axes.plot(x, np.convolve(padded, kernel, "valid"), color=colour, lw=1.5, label=label)


def cameras(
    path: Path,
    *,
    cameras: Sequence[NamedCamera],
    world_from_scene: Float[np.ndarray, "4 4"],
    bounded: bool,
) -> None:
    """Where the photos were taken: from the side and from above, in the world's frame."""
    with style():
        figure = new_figure(9.0, 4.6)
        for index, (title, elevation, azimuth) in enumerate(
            (("from the side", 18, -60), ("from above", 89.9, -90))
        ):
            axes = figure.add_subplot(1, 2, index + 1, projection="3d")
            draw_cameras(axes, cameras, world_from_scene, bounded=bounded)
            axes.view_init(elevation, azimuth)
            axes.set_title(title, fontsize=10)
        handles = [
            Line2D([], [], color=colour, label=f"{_count(cameras, split)} {split}")
            for split, colour in (("train", BLUE), ("test", ORANGE))
        ]
        figure.legend(handles=handles, loc="lower center", ncols=2, frameon=False)
        figure.subplots_adjust(0.0, 0.06, 1.0, 0.95, 0.0, 0.0)
    save(figure, path)


def _count(cameras: Sequence[NamedCamera], split: str) -> int:
    return sum(camera.split == split for camera in cameras)


def draw_cameras(
    axes: Any,
    cameras: Sequence[NamedCamera],
    world_from_scene: Float[np.ndarray, "4 4"],
    *,
    bounded: bool,
) -> None:
    """Frusta in the colours of their splits, and the subject's box, in 3-D axes."""
    centres = np.stack([c.camera.pose[:3, 3] for c in cameras])
    size = 0.06 * float(np.linalg.norm(np.ptp(centres, axis=0)))
    for split, colour in (("train", BLUE), ("val", FAINT), ("test", ORANGE)):
        lines = [line for c in cameras if c.split == split for line in _frustum(c, size)]
        if lines:
            axes.add_collection3d(Line3DCollection(lines, colors=colour, linewidths=0.7))
    box = _box_lines(world_from_scene)
    style = "solid" if bounded else "dashed"
    axes.add_collection3d(Line3DCollection(box, colors=INK, linewidths=0.8, linestyles=style))
    everything = np.concatenate([centres, np.concatenate(box)])
    middle = 0.5 * (everything.min(axis=0) + everything.max(axis=0))
    reach = 0.52 * float(np.ptp(everything, axis=0).max())
    axes.set(
        xlim=(middle[0] - reach, middle[0] + reach),
        ylim=(middle[1] - reach, middle[1] + reach),
        zlim=(middle[2] - reach, middle[2] + reach),
    )
    axes.set_box_aspect((1, 1, 1), zoom=1.15)
    axes.tick_params(labelsize=6, colors=FAINT, pad=-2)
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_pane_color((1, 1, 1, 0))
        axis.line.set_color(LINE)
        axis._axinfo["grid"].update(color="#eceff2", linewidth=0.6)


def _frustum(named: NamedCamera, depth: float) -> list[np.ndarray]:
    """A camera as a small pyramid: its picture's border and the four edges to the lens."""
    camera = named.camera
    x = np.array([0, camera.width, camera.width, 0]) - camera.cx
    y = np.array([0, 0, camera.height, camera.height]) - camera.cy
    corners = np.stack([x / camera.fx, y / camera.fy, np.ones(4)], axis=1) * depth
    world = corners @ camera.pose[:3, :3].T + camera.pose[:3, 3]
    border = np.concatenate([world, world[:1]])
    return [border, *(np.stack([camera.pose[:3, 3], corner]) for corner in world)]


def _box_lines(world_from_scene: Float[np.ndarray, "4 4"]) -> list[np.ndarray]:
    """The twelve edges of the cube [-1, 1]^3 of the scene."""
    lines = []
    for axis in range(3):
        for a in (-1, 1):
            for b in (-1, 1):
                ends = np.array([np.insert([a, b], axis, v) for v in (-1.0, 1.0)], dtype=float)
                lines.append(ends @ world_from_scene[:3, :3].T + world_from_scene[:3, 3])
    return lines
