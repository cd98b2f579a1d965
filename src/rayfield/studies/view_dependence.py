"""One point seen from everywhere: the colours of a glossy and of a matte one.

Mildenhall et al. 2020 (NeRF), arXiv:2003.08934, Fig. 3: radiance that depends on the direction of
view shows highlights, and continues between the photos over the whole hemisphere. Shown on the demo
scene: a point on the copper ball and one on the stone below, each as a map of the directions it
can be seen from, with what the photos show there; figures over photos that were not learned from.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from rayfield.core import drawing
from rayfield.core.drawing import BLUE, FAINT, INK, ORANGE, dress
from rayfield.core.types import Mesh, Rays
from rayfield.data.demo import demo_photos
from rayfield.data.scene import Frame, Scene
from rayfield.geometry.meshio import read_mesh
from rayfield.studies.sphere import Vectors, from_above, hemisphere, unobstructed
from rayfield.studies.study import FIGURE, Findings, Report, Verdict, part
from rayfield.studies.views import Field, learn, load, photo

BEFORE, BEHIND = 0.05, 0.2  # world units of a ray about the point that count as the point
GRAZING = 70.0  # degrees from straight on; beyond, a ray passes by more than it meets
FAINTEST = 0.05  # opacity at which a point has a colour of its own
CLEAR = 0.01  # world units above the point from which it must see the camera
TITLES = {
    True: "A glossy point changes colour with the direction of view, a matte one hardly does",
    False: "The colours of a glossy and of a matte point over the directions of view",
}
POINTS = {"copper ball": (0.28, -0.52, -0.02), "stone": (0.0, -0.8, -0.36)}  # both face upwards


@dataclass(frozen=True)
class Size:
    """Training steps; pixels along the diameter of a map."""

    steps: int = 1500
    side: int = 160
    downscale: int = 1


FULL = Size(steps=15_000, side=320)


class Seen(NamedTuple):
    """A point in photos: directions to their cameras, colours in the photos, whether unseen."""

    directions: Vectors
    photos: Vectors
    held_out: np.ndarray


@torch.no_grad()
def radiance(field: Field, scene: Scene, point: np.ndarray, *, towards: Vectors) -> Vectors:
    """The colour of a world point seen from the unit directions `towards` a viewer.

    What rays show of the field from just before the point to well behind it, made opaque: fields
    put a reflecting surface deeper than it is.
    """
    scale = np.cbrt(np.linalg.det(scene.world_from_scene[:3, :3]))
    start = _to_scene(scene, point + BEFORE * towards)
    n = len(towards)
    rays = Rays(
        torch.from_numpy(start).float(),
        torch.from_numpy(-towards).float(),
        torch.zeros(n),
        torch.full((n,), float((BEFORE + BEHIND) / scale)),
        torch.full((n,), -1),
    )
    seen = field.render(rays)
    opacity = seen.opacity[:, None]
    bare = (seen.color - (1 - opacity)) / opacity.clamp_min(FAINTEST)  # without the white behind
    return torch.where(opacity < FAINTEST, 1.0, bare).clamp(0, 1).numpy()


def in_photos(scene: Scene, mesh: Mesh, point: np.ndarray) -> Seen:
    """The point in every photo that sees it past the true surfaces, and not at a grazing angle."""
    frames = [f for f in scene.frames if _project(scene, f, point) is not None]
    centres = np.stack([f.camera.pose[:3, 3] for f in frames])
    matrix = scene.world_from_scene
    away = centres @ matrix[:3, :3].T + matrix[:3, 3] - point
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    free = unobstructed(mesh, point + CLEAR * away, away)
    free &= away[:, 2] > np.cos(np.radians(GRAZING))
    colours = [photo(scene, f)[_project(scene, f, point)].numpy() for f in frames]
    held_out = np.array([f.split != "train" for f in frames])
    return Seen(away[free], np.stack(colours)[free], held_out[free])


def _project(scene: Scene, frame: Frame, point: np.ndarray) -> tuple[int, int] | None:
    """Row and column of a world point in a photo without distortion; None outside of it."""
    camera = frame.camera
    x, y, z = camera.pose[:3, :3].T @ (_to_scene(scene, point[None])[0] - camera.pose[:3, 3])
    column, row = camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy
    inside = z > 0 and 0 <= column < camera.width and 0 <= row < camera.height
    return (int(row), int(column)) if inside else None


def _to_scene(scene: Scene, points: Vectors) -> Vectors:
    matrix = np.linalg.inv(scene.world_from_scene)
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def run(folder: Path, *, full: bool, report: Report, data: Path | None) -> Findings:
    """See the module; takes no data, for it must know where the points are."""
    return examine(folder, FULL if full else Size(), report)


def examine(folder: Path, size: Size, report: Report) -> Findings:
    """The study at a given size."""
    scene = load(None, downscale=size.downscale)
    field = learn(folder / "field", scene, steps=size.steps, report=part(report, 0.0, 0.8))
    mesh = read_mesh(demo_photos() / "mesh.ply")
    numbers: dict[str, Any] = {"steps": size.steps, "points": {}}
    seen: dict[str, Seen] = {}
    for name, place in POINTS.items():
        report(0.85, name)
        point = np.array(place)
        seen[name] = in_photos(scene, mesh, point)
        shown = radiance(field, scene, point, towards=seen[name].directions)
        numbers["points"][name] = {"place": place, **measure(seen[name], shown)}
    verdict = judge(numbers)
    title = TITLES[verdict.holds]
    _draw(folder / FIGURE, scene, field, seen=seen, size=size, numbers=numbers, title=title)
    return Findings(numbers, verdict)


def measure(seen: Seen, shown: Vectors) -> dict[str, Any]:
    """Spread over directions, and errors on held-out photos with and without view dependence.

    Brightness is the mean of R, G and B; `constant_error` that of the mean colour of the photos
    learned from.
    """
    new = seen.held_out
    constant = seen.photos[~new].mean(axis=0)
    return {
        "photos": len(new),
        "held_out": int(new.sum()),
        "spread_photos": float(seen.photos.mean(axis=1).std()),
        "spread_field": float(shown.mean(axis=1).std()),
        "error": _rms(shown[new] - seen.photos[new]),
        "constant_error": _rms(constant - seen.photos[new]),
        "brightness_photos": seen.photos.mean(axis=1).tolist(),
        "brightness_field": shown.mean(axis=1).tolist(),
        "is_held_out": new.tolist(),
    }


def _rms(values: Vectors) -> float:
    return float(np.sqrt(np.mean(values**2)))


def judge(numbers: dict[str, Any]) -> Verdict:
    """The glossy point varies at least twice as much, and direction tells more than the mean."""
    glossy, matte = (numbers["points"][name] for name in POINTS)
    return Verdict(
        "radiance that depends on the direction of view shows highlights between the photos too "
        "(NeRF Fig. 3; 31.01 dB against 27.66 without it, Table 2)",
        f"brightness spreads by {glossy['spread_field']:.3f} over directions on the ball and "
        f"{matte['spread_field']:.3f} on the stone (photos: {glossy['spread_photos']:.3f}, "
        f"{matte['spread_photos']:.3f}); error on {glossy['held_out']} photos not learned from "
        f"{glossy['error']:.3f}, with one colour for all directions "
        f"{glossy['constant_error']:.3f}",
        glossy["spread_field"] > 2 * matte["spread_field"]
        and glossy["error"] < glossy["constant_error"],
    )


def _draw(
    path: Path,
    scene: Scene,
    field: Field,
    *,
    seen: dict[str, Seen],
    size: Size,
    numbers: dict[str, Any],
    title: str,
) -> None:
    with drawing.style():
        figure = drawing.new_figure(12.6, 4.2)
        columns = figure.subplots(1, 4)
        _draw_photo(columns[0], scene)
        for axes, name in zip(columns[1:3], POINTS, strict=True):
            _draw_map(axes, field, scene, np.array(POINTS[name]), seen=seen[name], side=size.side)
            axes.set_title(f"the {name}, seen from everywhere", fontsize=10)
        _draw_brightness(columns[3], numbers["points"])
        drawing.headline(
            figure,
            title,
            below="maps: the field's colour of one point, seen from straight above (middle) down "
            "to 20° above the level (rim); dots: what photos show there, ringed in black if not "
            "learned from",
            remark=f"{scene.root.name}: fast method, {size.steps:,} steps, "
            f"{scene.traits.images} photos of {scene.frames[0].camera.width} x "
            f"{scene.frames[0].camera.height}",
        )
        figure.tight_layout(rect=drawing.between(figure))
    drawing.save(figure, path)


def _draw_photo(axes: Any, scene: Scene) -> None:
    frame = scene.split("test")[0]
    drawing.show(axes, photo(scene, frame).numpy())
    for (name, place), colour in zip(POINTS.items(), (ORANGE, BLUE), strict=True):
        pixel = _project(scene, frame, np.array(place))
        assert pixel is not None
        axes.plot(pixel[1], pixel[0], "o", mfc="none", mec=colour, ms=9, mew=2, label=name)
    axes.legend(frameon=False, fontsize=8, loc="lower left")
    axes.set_title("the two points", fontsize=10)


def _draw_map(
    axes: Any, field: Field, scene: Scene, point: np.ndarray, *, seen: Seen, side: int
) -> None:
    towards, inside = hemisphere(side)
    picture = np.ones((side * side, 3))
    shown = towards[:, 2] > np.cos(np.radians(GRAZING))
    picture[np.flatnonzero(inside)[shown]] = radiance(field, scene, point, towards=towards[shown])
    axes.imshow(picture.reshape(side, side, 3), extent=(-1, 1, -1, 1), interpolation="bilinear")
    x, y = from_above(seen.directions)
    edges = [INK if new else "white" for new in seen.held_out]
    axes.scatter(x, y, c=seen.photos.clip(0, 1), s=52, edgecolors=edges, linewidths=1.1)
    rim = GRAZING / 90 + 0.05
    axes.set(xlim=(-rim, rim), ylim=(-rim, rim))
    axes.set_axis_off()


def _draw_brightness(axes: Any, points: dict[str, Any]) -> None:
    axes.plot([0, 1], [0, 1], color=FAINT, lw=0.9)
    for (name, found), colour in zip(points.items(), (ORANGE, BLUE), strict=True):
        new = np.array(found["is_held_out"])
        x, y = (np.array(found[f"brightness_{of}"])[new] for of in ("photos", "field"))
        axes.plot(x, y, "o", color=colour, ms=5, label=name)
    dress(
        axes, title="photos not learned from", x="brightness in the photo",
        y="brightness in the field",
    )  # fmt: skip
    axes.set(xlim=(0.2, 1), ylim=(0.2, 1), aspect="equal")
