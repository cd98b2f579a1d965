"""A class of scenes: a folder whose subfolders are data sets, brought into one common frame."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from rayfield.core.check import DataError
from rayfield.core.types import ExifUse, MaskUse, RayBatch, Rays, SceneTraits
from rayfield.data import pixels
from rayfield.data.detect import holds_scene
from rayfield.data.load import BYTES_LIMIT, load_scene
from rayfield.data.normalise import similarity
from rayfield.data.scene import Frame, Scene, natural_order

TOGETHER = 8  # scenes that a batch looks at


@dataclass(frozen=True)
class Scenes:
    """Scenes in the order of their folders' names.

    Training photos are numbered through: those of the first scene, then those of the second ...
    """

    root: Path
    scenes: tuple[Scene, ...]

    @property
    def traits(self) -> SceneTraits:
        """What a method may know of all scenes together."""
        each = [scene.traits for scene in self.scenes]
        return SceneTraits(
            bounded=all(one.bounded for one in each),
            alpha=any(one.alpha for one in each),
            images=sum(self.photos),
            near=min(one.near for one in each),
            photos=self.photos,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The scenes' folders."""
        return tuple(scene.root.name for scene in self.scenes)

    @property
    def photos(self) -> tuple[int, ...]:
        """How many training photos each scene has: which photo is of which scene."""
        return tuple(len(scene.split("train")) for scene in self.scenes)

    @property
    def fingerprint(self) -> str:
        """sha256 over the scenes' fingerprints."""
        return hashlib.sha256("".join(s.fingerprint for s in self.scenes).encode()).hexdigest()

    def view_rays(self, scene: int, frame: Frame) -> Rays:
        """The H*W rays of a picture of a scene, by its number; `image` is its first photo."""
        rays = pixels.view_rays(self.scenes[scene], frame)
        return rays._replace(image=torch.full_like(rays.image, sum(self.photos[:scene])))


class ScenesSampler:
    """Random training pixels of a few random scenes at a time, the same share of each."""

    def __init__(self, scenes: Scenes) -> None:
        self.samplers = [pixels.PixelSampler(scene) for scene in scenes.scenes]
        self.first = (0, *accumulate(scenes.photos))

    def sample(self, n: int, *, generator: torch.Generator | None) -> RayBatch:
        """`n` pixels of up to TOGETHER scenes; `rays.image` numbers the photos of all scenes."""
        chosen = torch.randperm(len(self.samplers), generator=generator)[:TOGETHER].tolist()
        batches = []
        for place, scene in enumerate(chosen):
            share = n // len(chosen) + (place < n % len(chosen))
            rays, rgba = self.samplers[scene].sample(share, generator=generator)
            rays = rays._replace(image=rays.image + self.first[scene])
            batches.append((*rays, rgba))
        *rays, rgba = (torch.cat(column) for column in zip(*batches, strict=True))
        return RayBatch(Rays(*rays), rgba)


def holds_scenes(path: Path) -> bool:
    """Whether a folder that is no data set itself has one as a subfolder, whole or not."""
    if not path.is_dir() or holds_scene(path):
        return False
    return any(holds_scene(entry) for entry in path.iterdir())


def load_scenes(
    path: Path, *, downscale: int = 1, masks: MaskUse | None = None, exif: ExifUse = "ignore"
) -> Scenes:
    """Read every subfolder of a folder as `load_scene` does.

    Scenes of cut-out subjects share the frame of the smallest cube about all their cubes, so that
    sizes and places compare; others keep the frame that each has. Raises DataError for fewer than
    two subfolders, for one that is no data set, where only some subjects are cut out, and for
    more than 1.5 GB of training pixels.
    """
    if not path.is_dir():
        raise DataError(path, "is not a folder", "give the folder that holds the scenes' folders")
    folders = [entry for entry in path.iterdir() if entry.is_dir() and entry.name[0] != "."]
    folders.sort(key=lambda folder: (natural_order(folder.name), folder.name))
    if len(folders) < 2:
        fix = "learning across scenes needs a folder of at least 2 scenes, each in its own folder"
        raise DataError(path, f"holds {len(folders)} folder{'s' * (len(folders) != 1)}", fix)
    scenes = tuple(
        load_scene(folder, downscale=downscale, masks=masks, exif=exif) for folder in folders
    )
    cut_out = [scene.traits.bounded for scene in scenes]
    if any(cut_out) and not all(cut_out):
        odd = scenes[cut_out.index(False)].root.name
        what = f"mixes cut-out subjects and whole scenes ({odd})"
        raise DataError(path, what, "give all pictures alpha, or none")
    _check_size(path, scenes)
    if all(cut_out):
        scenes = _in_one_frame(scenes)
    return Scenes(path, scenes)


def _check_size(path: Path, scenes: tuple[Scene, ...]) -> None:
    """Raise DataError if the training pictures of all scenes take more than BYTES_LIMIT."""
    frames = [frame for scene in scenes for frame in scene.split("train")]
    size = 4 * sum(frame.camera.width * frame.camera.height for frame in frames)
    if size > BYTES_LIMIT:
        least = math.ceil(math.sqrt(size / BYTES_LIMIT) * frames[0].downscale)
        what = f"has {size / 1e9:.1f} GB of training pixels, over {BYTES_LIMIT / 1e9:.1f} GB"
        raise DataError(path, what, f"reduce them with --downscale {least}, or give fewer scenes")


def _in_one_frame(scenes: tuple[Scene, ...]) -> tuple[Scene, ...]:
    """Bounded scenes, whose frames have the world's axes, in the frame of their common cube."""
    centres = np.stack([scene.world_from_scene[:3, 3] for scene in scenes])
    halves = np.stack([scene.world_from_scene[0, :1] for scene in scenes])
    lower, upper = (centres - halves).min(0), (centres + halves).max(0)
    common = similarity(np.eye(3), 0.5 * (lower + upper), 0.5 * float((upper - lower).max()))
    return tuple(in_frame(scene, common) for scene in scenes)


def in_frame(scene: Scene, world_from_scene: Float[np.ndarray, "4 4"]) -> Scene:
    """A bounded scene with another `world_from_scene` of the same axes: that of a class, say."""
    change = np.linalg.inv(world_from_scene) @ scene.world_from_scene
    frames = []
    for frame in scene.frames:
        pose = change @ frame.camera.pose
        pose[:3, :3] /= change[0, 0]
        frames.append(replace(frame, camera=replace(frame.camera, pose=pose)))
    return replace(scene, frames=tuple(frames), world_from_scene=world_from_scene)
