"""What a run has learned, whatever kind of data it learned from."""

from __future__ import annotations

from pathlib import Path

from rayfield.app.catalogue import find_method
from rayfield.app.contract import MeshMethod, PointMethod
from rayfield.app.learned.field import TrainedField
from rayfield.app.learned.restoring import open_field, restore
from rayfield.app.learned.trained_class import TrainedClass
from rayfield.app.learned.trained_geometry import TrainedGeometry
from rayfield.app.learned.trained_picture import TrainedPicture
from rayfield.app.learned.trained_shapes import TrainedShapes
from rayfield.app.learned.trained_solid import TrainedSolid
from rayfield.app.learned.trained_surface import TrainedSurface
from rayfield.app.sources.shapes import TrainedShape
from rayfield.core.check import UsageError

Learned = (
    TrainedField
    | TrainedClass
    | TrainedGeometry
    | TrainedPicture
    | TrainedShape
    | TrainedShapes
    | TrainedSolid
    | TrainedSurface
)


def open_learned(path: Path | str, verb: str | None = None) -> Learned:
    """What a run folder holds at its newest whole checkpoint, or RUN/checkpoints/step-N.

    Raises DataError if there is no run, no checkpoint, or one that does not fit; UsageError if
    its method does not serve the `verb`.
    """
    restored = restore(path)
    name = restored.run.record["method"]
    entry = find_method(name)
    if verb is not None and verb not in entry.offers:
        offers = ", ".join(entry.offers)
        raise UsageError(f"{path}: {verb} has no answer for a run of {name}, which has: {offers}")
    if "scenes" in restored.run.record["traits"]:
        return TrainedClass(*restored)
    if entry.learns in ("photos", "scenes"):
        return open_field(restored)
    if entry.learns == "target":
        if "bounded" in restored.run.record["traits"]:
            return open_field(restored)
        if isinstance(restored.method, MeshMethod | PointMethod):
            return TrainedGeometry(*restored)
        return TrainedSurface(*restored)
    if entry.learns == "points":
        return TrainedSurface(*restored)
    if entry.learns == "solid":
        return TrainedSolid(TrainedSurface(*restored))
    if entry.learns == "shapes":
        return TrainedShapes(*restored)
    if entry.learns == "samples" and len(restored.cfg.sizes) == 3:
        return TrainedShape(*restored)
    return TrainedPicture(*restored)
