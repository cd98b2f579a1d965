"""The whole path on the scene that comes with rayfield: the verb `demo`."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from rayfield.app.command.display import Display
from rayfield.app.drawing import figures, paths, sheet
from rayfield.app.learned import cameras as cams
from rayfield.app.learned import rendering
from rayfield.app.learned.evaluate import evaluate
from rayfield.app.learned.field import TrainedField
from rayfield.app.learned.field_surface import surface
from rayfield.app.learned.rendering import Shot, render
from rayfield.app.meshes.meshing import Meshing
from rayfield.app.plan import Plan
from rayfield.app.report.page import write_report
from rayfield.app.training import train
from rayfield.core.types import Camera, Mesh
from rayfield.data.demo import demo_photos
from rayfield.geometry.mesh import report, transform
from rayfield.geometry.meshio import read_mesh, write_mesh
from rayfield.geometry.metrics import compare
from rayfield.render.shading import shade
from rayfield.train.files import read_json, write_json

SIDE = 300  # pixels of the pictures made
FILM = Shot("turntable", (SIDE, SIDE), 75, 25.0)
NOVEL_VIEWS = 6
SAMPLES = 30_000  # of each surface, for the distance between meshes
MESHING = Meshing()
Picture = UInt8[np.ndarray, "H W 3"]


def demo(out: Path, *, seconds: float, display: Display) -> tuple[dict[str, Any], str]:
    """Train, evaluate on held-out views, film, mesh, and lay the pictures out on one sheet.

    All results lie in the run folder `out`. Raises as the verbs do.
    """
    started = time.perf_counter()
    data = demo_photos()
    field = train("instant", data, out, plan=Plan(seconds=seconds, report=False), display=display)
    assert isinstance(field, TrainedField)
    metrics = evaluate(field, progress=lambda done: display.task("evaluating", done))
    film = render(field, FILM, progress=lambda done: display.task("filming", done))
    mesh = surface(field, MESHING, progress=lambda done: display.task("meshing", done))
    mesh = transform(mesh, field.world_from_scene)
    file = field.run.meshes / "demo.glb"
    write_mesh(file, mesh)
    display.note("comparing the mesh with the exact one, laying out the pictures ...")
    found: dict[str, Any] = {
        "run": out.as_posix(),
        "training_seconds": seconds,
        "steps": field.step,
        "psnr": metrics["psnr"],
        "ssim": metrics["ssim"],
        "test_views": len(metrics["views"]),
        "video": film["video"],
        "mesh": {"file": file.as_posix(), **report(mesh)},
        "mesh_distance": compare(mesh, read_mesh(data / "mesh.ply"), SAMPLES, generator=None),
        "contact_sheet": (out / "contact_sheet.png").as_posix(),
    }
    _lay_out(field, mesh, found)
    page = write_report(out, learned=field, tell=lambda _, done: display.task("report", done))
    found["report"] = page["file"]
    found["seconds"] = time.perf_counter() - started
    write_json(out / "demo.json", found)
    return found, _text(found)


def _lay_out(field: TrainedField, mesh: Mesh, found: dict[str, Any]) -> None:
    """The contact sheet."""
    cameras = _orbit(field)
    views = [field.look(camera) for camera in cameras]
    near, far = rendering.depth_range(field, cameras)
    novel = [figures.bytes_of(view.color) for view in views]
    depth = [rendering.depth_colors(view, near, far, white=True) for view in views[::3]]
    matrix = field.world_from_scene
    world = [replace(c, pose=cams.to_world(c.pose, matrix)) for c in cameras[::3]]
    shown = [shade(mesh, camera) for camera in world]
    strip, labels = _sharpening(field)
    held_out, names = _held_out(field)
    headline = (
        f"{field.traits.images} photos of 200x200, {found['training_seconds']:.0f} s of training "
        f"on a CPU; {found['test_views']} held-out views: PSNR {found['psnr']:.2f} dB, "
        f"SSIM {found['ssim']:.3f}"
    )
    rows = [
        sheet.Row("one held-out view as it sharpened", strip, labels),
        sheet.Row("new views on an orbit", novel, []),
        sheet.Row("held-out views: photo, rendered, error", held_out, names),
        sheet.Row(
            "depth, and the exported mesh: shape and colours",
            [*depth, *(s.clay for s in shown), *(s.colored for s in shown)],
            [],
        ),
    ]
    sheet.write(Path(found["contact_sheet"]), rows, title="rayfield demo", headline=headline)


def _orbit(field: TrainedField) -> list[Camera]:
    matrix = field.world_from_scene
    photos = [
        replace(c.camera, pose=cams.to_scene(c.camera.pose, matrix)) for c in field.split("train")
    ]
    return [cams.resized(c, SIDE, SIDE) for c in paths.turntable(photos, NOVEL_VIEWS)]


def _sharpening(field: TrainedField) -> tuple[list[Picture], list[str]]:
    """Five previews and the photo they come close to."""
    folder = field.run.figures
    rows = read_json(folder / "sharpening.json", "run the demo again")["frames"]
    chosen = [rows[i] for i in np.unique(np.linspace(0, len(rows) - 1, 5).round().astype(int))]
    pictures = [figures.read_picture(folder / row["file"]) for row in chosen]
    labels = [f"{row['seconds']:.1f} s   {row['psnr']:.1f} dB" for row in chosen]
    photo = figures.read_picture(folder / "preview-photo.png")
    return [*pictures, photo], [*labels, "photo"]


def _held_out(field: TrainedField) -> tuple[list[Picture], list[str]]:
    """Photo, rendering and error of the worst and of the best view."""
    pictures, labels = [], []
    for name in ("worst", "best"):
        for part in ("photo", "rendered", "error"):
            file = field.run.figures / f"evaluation-{name}-{part}.png"
            pictures.append(figures.read_picture(file))
            labels.append(f"{name} view" if part == "photo" else part)
    return pictures, labels


def _text(found: dict[str, Any]) -> str:
    mesh, distance = found["mesh"], found["mesh_distance"]
    closed = "closed" if mesh["boundary_edges"] == 0 else f"{mesh['boundary_edges']} open edges"
    return "\n".join(
        (
            f"PSNR {found['psnr']:.2f} dB, SSIM {found['ssim']:.4f} on {found['test_views']} "
            f"held-out views after {found['training_seconds']:.0f} s of training "
            f"({found['steps']:,} steps)",
            f"mesh: {mesh['faces']:,} faces, {closed}, Chamfer distance "
            f"{distance['chamfer_l1_onet']:.4f} to the exact one (the scene is 2 units wide)",
            f"all of it took {found['seconds']:.0f} s",
            "",
            f"look at  {found['contact_sheet']}",
            f"         {found['report']}",
            f"         {found['video']}",
            f"         {mesh['file']}",
            "then     rayfield train instant PHOTOS -o RUN    (PHOTOS: your photos with poses)",
        )
    )
