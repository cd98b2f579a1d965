"""The figure of `explicit_vs_implicit`: a mesh step by step, IoU over time, a torus five ways."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from rayfield.core.drawing import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    bytes_of,
    dress,
    new_figure,
    save,
    show,
    style,
)
from rayfield.core.types import Mesh
from rayfield.geometry.mesh import vertex_normals
from rayfield.geometry.meshio import read_mesh
from rayfield.render import raster
from rayfield.studies.mesh_sequence import SHOWN, SIDE, Frame, view
from rayfield.studies.study import FIGURE

COLOURS = {
    "mesh": ORANGE, "voxels": BLUE, "points": FAINT, "network": GREEN, "hash grid": PURPLE
}  # fmt: skip
ARROWS = 120  # of the largest, in a picture
LONGEST = 9.0  # pixels of the longest arrow
PICTURE = 220  # pixels a side of a torus
TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)  # CPU seconds
LIGHT = np.array([0.3, -0.75, 0.6])


def draw(
    folder: Path,
    found: dict[str, Any],
    frames: list[Frame],
    *,
    goal: float,
    targets: dict[str, Mesh],
) -> None:
    """Write the figure of the study."""
    with style():
        figure = new_figure(11.0, 8.6)
        rows: Any = figure.subfigures(3, 1, height_ratios=(1.0, 1.25, 1.0))
        _sequence(rows[0], [f for f in frames if f.step in (*SHOWN, frames[-1].step)])
        curves, table = rows[1].subplots(1, 2, width_ratios=(1.0, 1.0))
        _curves(curves, found["shape"], goal)
        _table(table, found["shape"])
        rows[1].subplots_adjust(left=0.07, right=0.98, bottom=0.2, top=0.86, wspace=0.08)
        _tori(rows[2], folder, found["torus"], targets["torus"])
    save(figure, folder / FIGURE)


def _sequence(row: Any, frames: list[Frame]) -> None:
    axes = row.subplots(1, len(frames))
    for ax, frame in zip(axes, frames, strict=True):
        show(ax, frame.picture)
        length = np.linalg.norm(frame.way, axis=1)
        most = np.argsort(-length)[:ARROWS]
        scale = LONGEST / max(float(length.max()), 1e-12)
        ax.quiver(
            *frame.at[most].T, *(scale * frame.way[most]).T, angles="xy", scale_units="xy",
            scale=1, color=INK, width=0.006, headwidth=4,
        )  # fmt: skip
        ax.set(xlim=(0, SIDE), ylim=(SIDE, 0))
        ax.set_title(f"step {frame.step}: IoU {frame.iou:.3f}", fontsize=9)
    row.suptitle(
        "A sphere is fitted to silhouettes: orange is too much, blue is missing, arrows are the "
        "way down the gradient",
        fontsize=10, x=0.02, ha="left",
    )  # fmt: skip
    row.subplots_adjust(left=0.02, right=0.98, top=0.78, bottom=0.02, wspace=0.08)


def _curves(axes: Any, shape: dict[str, Any], goal: float) -> None:
    for kind, one in shape.items():
        if one["curve"]:
            time, iou = zip(*((p["seconds"], p["iou"]) for p in one["curve"]), strict=True)
            axes.semilogx(time, iou, color=COLOURS[kind], lw=1.6, label=kind)
    axes.axhline(goal, color=FAINT, lw=0.8, ls=":")
    axes.set_ylim(0.5, 1.0)
    ends = axes.get_xlim()
    axes.set_xticks([t for t in TICKS if ends[0] <= t <= ends[1]])
    axes.xaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    dress(axes, title="The same shape: IoU", x="CPU seconds of training", y="IoU")
    axes.legend(frameon=False, fontsize=8, loc="lower right")


def _table(axes: Any, shape: dict[str, Any]) -> None:
    axes.set_axis_off()
    head = ["", "kB", "CPU s to 0.95", "steps", "last IoU", "Chamfer"]
    rows = []
    for kind, one in shape.items():
        goal, curve = one["to_goal"], one["curve"]
        rows.append([
            kind, f"{one['bytes'] / 1000:.0f}",
            "-" if goal is None else f"{goal['seconds']:.1f}",
            "-" if goal is None else f"{goal['step']:.0f}",
            f"{curve[-1]['iou']:.3f}" if curve else "no inside",
            "no surface" if one["chamfer_l1_onet"] is None else f"{one['chamfer_l1_onet']:.4f}",
        ])  # fmt: skip
    table = axes.table(rows, colLabels=head, loc="center", edges="horizontal", cellLoc="right")
    table.auto_set_font_size(False)
    table.set_fontsize(9)
    table.scale(1, 1.6)


def _tori(row: Any, folder: Path, ring: dict[str, Any], target: Mesh) -> None:
    axes = row.subplots(1, 1 + len(ring))
    show(axes[0], clay(target))
    axes[0].set_title("target", fontsize=9)
    for ax, (kind, one) in zip(axes[1:], ring.items(), strict=True):
        ax.set_axis_off()
        if one["euler_number"] is None:
            ax.set_title(f"{kind}: no surface yet", fontsize=9)
            continue
        show(ax, clay(read_mesh(folder / "torus" / f"{kind}.ply")))
        ax.set_title(f"{kind}: Euler number {one['euler_number']}", fontsize=9)
    title = "A torus (Euler number 0): a mesh that starts as a sphere stays one (2)"
    row.suptitle(title, fontsize=10, x=0.02, ha="left")
    row.subplots_adjust(left=0.02, right=0.98, top=0.8, bottom=0.02, wspace=0.05)


def clay(mesh: Mesh) -> UInt8[np.ndarray, "H W 3"]:
    """A picture of a mesh, lit from the left, by the soft rasteriser with hard edges."""
    light = 0.35 + 0.65 * (vertex_normals(mesh) @ (LIGHT / np.linalg.norm(LIGHT))).clip(0)
    colors = torch.from_numpy(light[:, None] * np.array([0.80, 0.78, 0.75])).float()
    rays = view(torch.tensor([0.5, -1.0, 0.75]), side=PICTURE)
    seen = raster.render(
        torch.from_numpy(mesh.vertices).float(), torch.from_numpy(mesh.faces).long(), colors,
        rays=rays, softness=3e-3, sharpness=2e3, background=torch.ones(1, 3),
    )  # fmt: skip
    return bytes_of(seen.color.reshape(PICTURE, PICTURE, 3).numpy())
