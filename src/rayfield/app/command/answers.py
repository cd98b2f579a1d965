"""The verbs that ask a run for something, answered by what it has learned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rayfield.app.command import summary
from rayfield.app.learned.evaluate import evaluate as evaluate_field
from rayfield.app.learned.field import TrainedField
from rayfield.app.learned.field_surface import export as export_field
from rayfield.app.learned.opened import Learned
from rayfield.app.learned.rendering import Shot
from rayfield.app.learned.rendering import render as render_field
from rayfield.app.learned.trained_class import TrainedClass
from rayfield.app.learned.trained_geometry import TrainedGeometry
from rayfield.app.learned.trained_picture import TrainedPicture
from rayfield.app.learned.trained_shapes import TrainedShapes
from rayfield.app.learned.trained_solid import TrainedSolid
from rayfield.app.learned.trained_surface import TrainedSurface
from rayfield.app.meshes.meshing import Meshing
from rayfield.app.sources.shapes import TrainedShape
from rayfield.core.check import UsageError

Answer = tuple[dict[str, Any], str]
Progress = Callable[[float], None]


def evaluate(
    learned: Learned,
    *,
    split: str,
    save_renders: bool,
    reference: Path | None,
    progress: Progress,
) -> Answer:
    """How close it is to the data; `reference` is another picture or mesh to compare with."""
    if reference is not None and not isinstance(
        learned, TrainedPicture | TrainedSurface | TrainedGeometry | TrainedField
    ):
        raise UsageError("--reference is for runs that learned one picture or a surface")
    if not isinstance(learned, TrainedField | TrainedClass):
        if split != "test":
            raise UsageError(f"--split {split} is for runs that learned from photos; leave it out")
        if save_renders:
            raise UsageError("--save-renders is for runs that learned from photos; leave it out")
    if isinstance(learned, TrainedField):
        found = evaluate_field(
            learned, split=split, save_renders=save_renders, reference=reference, progress=progress
        )
        return found, summary.of_evaluation(found, learned.run)
    if isinstance(learned, TrainedClass):
        found = learned.evaluate(split, save_renders=save_renders, progress=progress)
        return found, summary.of_class(found, learned.run)
    if isinstance(learned, TrainedGeometry):
        found = learned.evaluate(reference=reference, progress=progress)
        return found, summary.of_values(found, learned.run)
    if isinstance(learned, TrainedSurface):
        found = learned.evaluate(reference=reference, progress=progress)
        return found, summary.of_surface(found, learned.run)
    if isinstance(learned, TrainedSolid):
        found = learned.evaluate(progress=progress)
        return found, summary.of_solid(found, learned.run)
    if isinstance(learned, TrainedShapes):
        found = learned.evaluate(progress=progress)
        return found, summary.of_shapes(found, learned.run)
    if isinstance(learned, TrainedPicture):
        found = learned.evaluate(reference=reference)
    else:
        found = learned.evaluate()
    return found, summary.of_values(found, learned.run)


def render(
    learned: Learned, shot: Shot, *, scene: str | None, out: Path | None, progress: Progress
) -> Answer:
    """A video of a field, or of the scene named `scene` of a class, or the picture."""
    if shot.up is not None and not isinstance(learned, TrainedSurface | TrainedSolid):
        raise UsageError("--up is for surfaces of points and meshes; leave it out")
    if isinstance(learned, TrainedShapes):
        found = learned.render(scene=scene, out=out)
        return found, f"picture: {found['file']}"
    if isinstance(learned, TrainedClass):
        learned = learned.scene(scene)
    elif scene is not None:
        raise UsageError("--scene is for runs that learned several scenes")
    if isinstance(learned, TrainedField):
        found = render_field(learned, shot, out=out, progress=progress)
        size = f"{found['width']}x{found['height']}"
        text = f"{found['frames']} pictures of {size} in {found['seconds']:.1f} s: {found['video']}"
        if found["reduced_from"]:
            whole = "x".join(map(str, found["reduced_from"]))
            text += f"\nsmaller than the photos, to take about a minute; else: --resolution {whole}"
        return found, text
    if isinstance(learned, TrainedShape | TrainedGeometry):
        raise UsageError(f"{learned.run.path}: learned a shape; write its mesh: rayfield export")
    if isinstance(learned, TrainedSurface | TrainedSolid):
        found = learned.render(shot, out=out, progress=progress)
        return found, f"{found['frames']} pictures: {found['video']}"
    found = learned.render(size=shot.size, out=out)
    return found, f"{found['width']}x{found['height']}: {found['file']}"


def export(
    learned: Learned,
    path: Path,
    meshing: Meshing,
    *,
    scene: str | None,
    observation: Path | None,
    force: bool,
    progress: Progress,
) -> Answer:
    """The surface of a field or of a shape: of a class, that of the shape `scene` held out, or of
    the one seen in the file `observation`."""
    if isinstance(learned, TrainedShapes):
        found = learned.export(
            path, meshing, scene=scene, observation=observation, force=force, progress=progress
        )
        return found, summary.of_mesh(found)
    if scene is not None or observation is not None:
        raise UsageError("--scene and --observation are for runs that learned a class of shapes")
    if isinstance(learned, TrainedPicture | TrainedClass):
        raise UsageError(f"{learned.run.path}: has no surface; draw it: rayfield render")
    if isinstance(learned, TrainedField):
        found = export_field(learned, path, meshing, force=force, progress=progress)
    else:
        found = learned.export(path, meshing, force=force, progress=progress)
    return found, summary.of_mesh(found)
