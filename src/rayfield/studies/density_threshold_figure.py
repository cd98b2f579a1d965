"""The figure of the study `density_threshold`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from rayfield.core import drawing
from rayfield.core.drawing import BLUE, FAINT, GREEN, INK, ORANGE, PURPLE, dress, show
from rayfield.core.types import Mesh
from rayfield.data.photo import view_image
from rayfield.data.scene import Frame
from rayfield.geometry.mesh import vertex_normals
from rayfield.render.shading import scaled, shade
from rayfield.studies.level_meshes import SHOWN

COLOURS = {"unisurf": PURPLE, "volsdf": GREEN, "neus": BLUE}
STYLES = {"unisurf": "--", "volsdf": "-.", "neus": "-"}
PICTURE = 360  # pixels of a mesh along the longer side, about
MARGIN = 0.03  # of a picture, kept around its subject
KNOWN = {
    SHOWN: ("Chamfer distance from what photos show", "% of the box's diagonal"),
    "fscore@1%": ("F-score at 1 % of the diagonal", ""),
    "normal_consistency": ("normal consistency", "mean |cosine|"),
}
SILHOUETTES = {
    "silhouette_iou": ("silhouettes in views held out", "intersection over union"),
    "components": ("pieces, small ones too", "connected components"),
    "volume": ("what the mesh encloses", "volume, cubic scene units"),
}
LOGARITHMIC = (SHOWN, "components")


def draw(
    path: Path,
    numbers: dict[str, Any],
    meshes: dict[str, Mesh],
    *,
    frame: Frame,
    photo: Float[Tensor, "H W 3"],
) -> None:
    """The meshes side by side as clay from where a photo held out was taken; curves below."""
    with drawing.style():
        figure = drawing.new_figure(13.2, 6.0)
        row = figure.add_gridspec(
            1, 1 + len(meshes), left=0.011, right=0.99, top=0.87, bottom=0.6, wspace=0.04
        )
        below = figure.add_gridspec(1, 3, left=0.055, right=0.985, top=0.53, bottom=0.125)
        pictures = {"a photo held out": drawing.bytes_of(photo.numpy())}
        pictures |= {_title(name, numbers): clay(mesh, frame) for name, mesh in meshes.items()}
        box = subject_box(frame)
        for column, (title, picture) in enumerate(pictures.items()):
            axes = figure.add_subplot(row[column])
            height, width = picture.shape[:2]
            top, bottom, left, right = (box * np.array([height, height, width, width])).astype(int)
            show(axes, picture[top:bottom, left:right])
            axes.set_title(title, fontsize=9, loc="left")
        known = numbers["measure"] == SHOWN
        for column, (key, told) in enumerate((KNOWN if known else SILHOUETTES).items()):
            _curve(figure.add_subplot(below[column]), numbers, key, told)
        where = numbers["data"] if not known else "the scene that comes with the package"
        drawing.headline(
            figure,
            "A density threshold is not a surface",
            below=f"{where}: a radiance field (instant) meshed at a sweep of thresholds, beside "
            "surfaces learned as such from the same photos",
            remark=f"{numbers['seconds_each']:.0f} s of training each; meshes of "
            f"{numbers['resolution']} cells a side, pieces of less than 2 % of the largest left "
            "out; thresholds in 1 / length, the subject's cube being 2 wide",
        )
    drawing.save(figure, path)


def clay(mesh: Mesh, frame: Frame) -> UInt8[np.ndarray, "H W 3"]:
    """The mesh from a camera in its frame, on white."""
    camera = scaled(frame.camera, PICTURE / max(frame.camera.width, frame.camera.height))
    normals = vertex_normals(mesh) if mesh.normals is None else mesh.normals
    white = np.full(mesh.vertices.shape, 255, np.uint8)
    return shade(replace(mesh, normals=normals, colors=white), camera).clay


def subject_box(frame: Frame) -> Float[np.ndarray, " 4"]:
    """What a picture shows of its subject: top, bottom, left, right, in parts of its sides."""
    solid = view_image(frame)[..., 3].numpy() > 0
    found = []
    for axis in (1, 0):
        place = np.flatnonzero(solid.any(axis=axis))
        size = solid.shape[1 - axis]
        low, high = (place[0], place[-1] + 1) if len(place) else (0, size)
        edge = MARGIN * size
        found += [max(0.0, (low - edge) / size), min(1.0, (high + edge) / size)]
    return np.array(found)


def _title(name: str, numbers: dict[str, Any]) -> str:
    if name == "true":
        return "the true mesh"
    labels = [f"{level:g}" for level in numbers["thresholds"]]
    found = numbers["density"][labels.index(name)] if name in labels else numbers["surfaces"][name]
    key = numbers["measure"]
    value = f"{found[key]:.2%} off" if key == SHOWN else f"IoU {found[key]:.3f}"
    return f"{f'density {name}' if name in labels else name}: {value}"


def _curve(axes: Any, numbers: dict[str, Any], key: str, told: tuple[str, str]) -> None:
    factor = 100.0 if key == SHOWN else 1.0
    there = [
        (level, factor * one[key])
        for level, one in zip(numbers["thresholds"], numbers["density"], strict=True)
        if one is not None
    ]
    if there:
        axes.plot(*zip(*there, strict=True), "o-", color=ORANGE, ms=4, lw=1.6, label="instant")
    for name, one in numbers["surfaces"].items():
        if one is not None:
            axes.axhline(
                factor * one[key], color=COLOURS[name], ls=STYLES[name], lw=1.4, label=name
            )
    axes.set_xscale("log")
    if key in LOGARITHMIC:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_minor_formatter(lambda value, _: f"{value:g}" if _wanted(value) else "")
    axes.set_xticks(numbers["thresholds"], [f"{level:g}" for level in numbers["thresholds"]])
    axes.minorticks_off() if key not in LOGARITHMIC else axes.tick_params(
        axis="x", which="minor", bottom=False
    )
    dress(axes, title=told[0], x="threshold of density", y=told[1])
    if axes.get_subplotspec().colspan.start:
        axes.get_legend().remove()
    axes.tick_params(which="both", labelcolor=INK, color=FAINT)


def _wanted(value: float) -> bool:
    """Whether a tick between decades is worth a label: 2 and 5 of each."""
    return f"{value:e}"[0] in "25"
