"""Posed photos as a source to learn from."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
from torch import nn

from rayfield.app.command.display import Display
from rayfield.app.drawing.gallery import Gallery
from rayfield.app.drawing.preview import scene_gallery
from rayfield.app.learned import cameras as cams
from rayfield.app.learned.field import CAMERAS, traits_of
from rayfield.app.sources.source import Origin
from rayfield.core.check import DataError
from rayfield.core.types import ExifUse, MaskUse, SceneTraits
from rayfield.data.load import load_scene
from rayfield.data.pixels import PixelSampler
from rayfield.data.scene import Scene, placed
from rayfield.data.scenes import Scenes, load_scenes
from rayfield.train.run import Run, describe_data


class Photos:
    """A `Source`: the photos of one scene; each batch is of `views` of them, or of all (0)."""

    def __init__(self, scene: Scene, *, views: int = 0) -> None:
        self.scene, self.views = scene, views

    @cached_property
    def sampler(self) -> PixelSampler:
        """The training pixels; decodes all photos when first asked for. Raises DataError."""
        return PixelSampler(self.scene, views=self.views)

    @property
    def traits(self) -> SceneTraits:
        """What a method is told of the scene."""
        return self.scene.traits

    def lines(self) -> list[str]:
        """What was found, in a few lines."""
        return describe_scene(self.scene)

    def origin(self, out: Path) -> Origin:
        """Where the photos came from, seen from the run folder `out`."""
        scene = self.scene
        data = describe_data(
            scene.source,
            out,
            fingerprint=scene.fingerprint,
            splits={name: len(scene.split(name)) for name in ("train", "val", "test")},
            downscale=scene.frames[0].downscale,
        )
        return Origin(data, scene.world_from_scene.tolist(), scene.traits._asdict())

    def keep(self, run: Run) -> None:
        """Write the cameras into a new run: views are asked for without the photos."""
        cams.save_cameras(run.path / CAMERAS, cams.of_scene(self.scene))

    def preview(
        self, run: Run, method: Any, model: nn.Module, *, cfg: Any, display: Display
    ) -> Gallery:
        """What draws the training's pictures."""
        return scene_gallery(run, method, model, cfg=cfg, scene=self.scene, display=display)


def open_photos(
    path: Path,
    *,
    cfg: Any,
    downscale: int,
    masks: MaskUse | None = None,
    exif: ExifUse = "ignore",
) -> Photos:
    """The posed photos in a folder. Raises DataError. `cfg` changes nothing here."""
    return Photos(load_scene(path, downscale=downscale, masks=masks, exif=exif))


def scene_of(run: Run) -> Scene:
    """The data of a run, read anew. Raises DataError if it is gone or has changed.

    Of a class, where the run is that of one of its scenes: this one.
    """
    number = run.record["traits"].get("scene")
    if number is not None:
        return scenes_of(run).scenes[number]
    downscale = run.record["data"]["downscale"]
    scene = load_scene(run.find_data(), downscale=downscale, masks=masks_of(run), exif=exif_of(run))
    check_unchanged(run, scene.source, scene.fingerprint)
    return in_frame_of(run, scene)


def in_frame_of(run: Run, scene: Scene) -> Scene:
    """The scene where it was when the run was trained: another version, or the arithmetic of
    another machine, may find another box."""
    return placed(scene, np.array(run.record["world_from_scene"], np.float64), traits_of(run))


def scenes_of(run: Run) -> Scenes:
    """The data of a class's run, read anew. Raises DataError if it is gone or has changed."""
    downscale = run.record["data"]["downscale"]
    scenes = load_scenes(
        run.find_data(), downscale=downscale, masks=masks_of(run), exif=exif_of(run)
    )
    check_unchanged(run, scenes.root, scenes.fingerprint)
    return scenes


def masks_of(run: Run) -> MaskUse | None:
    """What masks of a run's photos were asked to be for; None: what their format has them for."""
    use = run.record["data"].get("masks")
    return cast(MaskUse, use) if use in get_args(MaskUse) else None


def exif_of(run: Run) -> ExifUse:
    """Whether photos of a run are turned where EXIF alone asks for it."""
    return "apply" if run.record["data"].get("exif") == "apply" else "ignore"


def check_unchanged(run: Run, root: Path, fingerprint: str) -> None:
    """Raise DataError if data is not what the run was trained on."""
    if fingerprint != run.record["data"]["fingerprint"]:
        what = f"differs from the data that {run.path} was trained on"
        raise DataError(root, what, "bring the photos and poses back, or train anew")


def describe_scene(scene: Scene) -> list[str]:
    """What was found in a data set, in a few lines."""
    sizes = sorted({(f.camera.width, f.camera.height) for f in scene.frames})
    shown = ", ".join(f"{w}x{h}" for w, h in sizes[:3]) + (" ..." if len(sizes) > 3 else "")
    counts = [f"{len(scene.split(s))} {s}" for s in ("train", "val", "test") if scene.split(s)]
    unit = cams.scale_of(scene.world_from_scene)
    extent = (
        f"cut-out subject in a cube of side {2 * unit:.3g}"
        if scene.traits.bounded
        else f"whole scene, cameras within {_farthest(scene) * unit:.3g} of its centre, subject "
        f"within {scene.traits.ball * unit:.3g}"
    )
    extent += f" (by {scene.told_by})" if scene.told_by else ""
    head = f"{scene.source}: {scene.format}, {' + '.join(counts)} images of {shown}; {extent}"
    return [head, *(f"  note: {note}" for note in scene.notes)]


def _farthest(scene: Scene) -> float:
    """How far the training cameras are from the scene's origin at most, in scene units."""
    cameras = [frame.camera for frame in scene.split("train")]
    return max(float(np.linalg.norm(camera.pose[:3, 3])) for camera in cameras)
