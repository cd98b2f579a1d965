"""A class of scenes as a source to learn from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from rayfield.app.command.display import Display
from rayfield.app.drawing.gallery import Gallery
from rayfield.app.drawing.preview import scene_gallery
from rayfield.app.learned import cameras as cams
from rayfield.app.learned.trained_class import keep_cameras
from rayfield.app.sources.photos import Photos, open_photos
from rayfield.app.sources.source import Origin
from rayfield.core.types import ExifUse, MaskUse, SceneTraits
from rayfield.data.scene import Remarks, shortened
from rayfield.data.scenes import Scenes, ScenesSampler, holds_scenes, load_scenes
from rayfield.train.run import Run, describe_data

SPLITS = ("train", "val", "test")


class SceneClass:
    """A `Source`: the photos of several scenes.

    `downscale` is what was asked for; that of large scenes may be more.
    """

    def __init__(self, scenes: Scenes, *, downscale: int) -> None:
        self.scenes = scenes
        self.sampler = ScenesSampler(scenes)
        self._downscale = downscale

    @property
    def traits(self) -> SceneTraits:
        """What a method is told of the scenes."""
        return self.scenes.traits

    def lines(self) -> list[str]:
        """What was found, in a few lines."""
        return describe_scenes(self.scenes)

    def origin(self, out: Path) -> Origin:
        """Where the photos came from, seen from the run folder `out`."""
        scenes = self.scenes
        data = describe_data(
            scenes.root,
            out,
            fingerprint=scenes.fingerprint,
            splits=counts_of(scenes),
            downscale=self._downscale,
        )
        each = [
            {"name": scene.root.name, "world_from_scene": scene.world_from_scene.tolist()}
            for scene in scenes.scenes
        ]
        traits = {**scenes.traits._asdict(), "scenes": each}
        return Origin(data, each[0]["world_from_scene"], traits)

    def keep(self, run: Run) -> None:
        """Write the cameras of every scene into a new run."""
        for scene in self.scenes.scenes:
            keep_cameras(run, scene.root.name, cams.of_scene(scene))

    def preview(
        self, run: Run, method: Any, model: nn.Module, *, cfg: Any, display: Display
    ) -> Gallery:
        """What draws the training's pictures: of the first scene."""
        scene = self.scenes.scenes[0]
        return scene_gallery(run, method, model, cfg=cfg, scene=scene, display=display, image=0)


def open_scenes(
    path: Path,
    *,
    cfg: Any,
    downscale: int,
    masks: MaskUse | None = None,
    exif: ExifUse = "ignore",
) -> Photos | SceneClass:
    """The posed photos in a folder, or of all scenes in its subfolders. Raises DataError."""
    if holds_scenes(path):
        scenes = load_scenes(path, downscale=downscale, masks=masks, exif=exif)
        return SceneClass(scenes, downscale=downscale)
    return open_photos(path, cfg=cfg, downscale=downscale, masks=masks, exif=exif)


def counts_of(scenes: Scenes) -> dict[str, int]:
    """How many photos of all scenes are in each split."""
    return {s: sum(len(scene.split(s)) for scene in scenes.scenes) for s in SPLITS}


def describe_scenes(scenes: Scenes) -> list[str]:
    """What was found in a class of scenes, in a few lines."""
    images = " + ".join(f"{count} {split}" for split, count in counts_of(scenes).items() if count)
    names = shortened(list(scenes.names))
    extent = "each in its own frame"
    if scenes.traits.bounded:
        unit = cams.scale_of(scenes.scenes[0].world_from_scene)
        extent = f"cut-out subjects in a cube of side {2 * unit:.3g}"
    head = f"{scenes.root}: {len(scenes.scenes)} scenes ({names}), {images} images; {extent}"
    remarks = Remarks()
    for scene in scenes.scenes:
        for note in scene.notes:
            remarks.add(note, scene.root.name)
    notes = [f"  note: {note} ({shortened(of)})" for note, of in remarks.names.items()]
    return [head, *notes]
