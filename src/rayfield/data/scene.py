"""The records of a data set: frames as read (`Capture`) and normalised (`Scene`); the split."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

from rayfield.core.types import Camera, MaskUse, SceneTraits

SPLITS = ("train", "val", "test")
TEST_EVERY = 8
SHOWN_NAMES = 5


class Ball(NamedTuple):
    """The ball about a subject, in the world."""

    centre: Float[np.ndarray, " 3"]
    radius: float


class Masks(NamedTuple):
    """A folder of masks, and what masks there are for unless something else is asked for."""

    folder: Path
    use: MaskUse


class Sightings(NamedTuple):
    """Which picture shows which point, and where: a row for each time that one was found."""

    frame: Int[np.ndarray, " M"]
    point: Int[np.ndarray, " M"]
    pixel: Float[np.ndarray, "M 2"]


class Sparse(NamedTuple):
    """What is known of a capture's points besides their places, in the order of the points.

    `errors` are mean distances, in pixels, from where pictures show the points; `sightings` number
    the frames and the points of the capture.
    """

    colors: UInt8[np.ndarray, "N 3"] | None = None
    errors: Float[np.ndarray, " N"] | None = None
    sightings: Sightings | None = None


@dataclass(frozen=True)
class Frame:
    """One posed picture: `name` is its path in the data set, `split` train, val or test.

    `camera` describes the picture after averaging over blocks of `downscale`^2 stored pixels.
    `mask` is a picture that is white where the subject, or what can be used, is seen. `bounds` are
    the depths of the nearest and the farthest content, where files tell. `upright`: the camera is
    that of the picture turned as EXIF asks, which its size does not tell.
    """

    name: str
    camera: Camera
    path: Path
    split: str
    mask: Path | None = None
    mask_use: MaskUse = "skip"
    downscale: int = 1
    bounds: tuple[float, float] | None = None
    upright: bool = False

    @property
    def cutout(self) -> Path | None:
        """The mask that becomes the picture's alpha."""
        return self.mask if self.mask_use == "cut" else None

    @property
    def skipped(self) -> Path | None:
        """The mask whose black pixels are not to be learned from."""
        return self.mask if self.mask_use == "skip" else None


@dataclass(frozen=True)
class Capture:
    """A data set as its files say: camera poses are world_from_camera, points in the world.

    `ball`: where the subject is, where they tell. `masks`: those that no frame names. `sparse`:
    what else they tell of the points.
    """

    root: Path
    format: str
    frames: tuple[Frame, ...]
    points: Float[np.ndarray, "N 3"] | None
    notes: tuple[str, ...]
    ball: Ball | None = None
    masks: Masks | None = None
    sparse: Sparse | None = None

    @property
    def nearest(self) -> float | None:
        """The depth of the content nearest to any camera, where the files tell."""
        return min((f.bounds[0] for f in self.frames if f.bounds), default=None)

    def noted(self, *notes: str) -> Capture:
        """The same with notes added."""
        return replace(self, notes=(*self.notes, *notes))


@dataclass(frozen=True)
class Scene:
    """A normalised data set: camera poses are scene_from_camera, rigid.

    `world_from_scene` is the similarity (4x4, float64) back to the user's frame and units.
    `notes` tell in plain sentences what the reader met and decided. `fingerprint` is the sha256
    of poses, intrinsics, names and file sizes. `source` is the path it was asked for by: `root`, or
    a file in it. `told_by`: what tells where the subject is.
    """

    root: Path
    format: str
    frames: tuple[Frame, ...]
    world_from_scene: Float[np.ndarray, "4 4"]
    traits: SceneTraits
    notes: tuple[str, ...]
    fingerprint: str
    source: Path
    told_by: str = ""

    def split(self, name: str) -> tuple[Frame, ...]:
        """The frames of a split: "train", "val" or "test"; empty where there are none."""
        return tuple(frame for frame in self.frames if frame.split == name)


def placed(scene: Scene, world_from_scene: Float[np.ndarray, "4 4"], traits: SceneTraits) -> Scene:
    """The same pictures in another scene frame, e.g. in that of a run that was trained on them."""
    if np.array_equal(scene.world_from_scene, world_from_scene):
        return scene
    moved = np.linalg.inv(world_from_scene) @ scene.world_from_scene
    scale = np.cbrt(np.linalg.det(moved[:3, :3]))
    frames = []
    for frame in scene.frames:
        pose = moved @ frame.camera.pose
        pose[:3, :3] /= scale
        frames.append(replace(frame, camera=replace(frame.camera, pose=pose)))
    return replace(scene, frames=tuple(frames), world_from_scene=world_from_scene, traits=traits)


def intrinsics(camera: Camera) -> tuple[float, ...]:
    """All of a camera but its pose: equal for pictures taken through the same lens."""
    kind = (-1.0,) if camera.lens == "fisheye" else ()  # no width
    lens = (camera.fx, camera.fy, camera.cx, camera.cy)
    return (*kind, float(camera.width), float(camera.height), *lens, *camera.distortion)


@dataclass
class Remarks:
    """What is said of many pictures, gathered so that it becomes one sentence for all of them."""

    names: dict[str, list[str]] = field(default_factory=dict)

    def add(self, predicate: str, name: str) -> None:
        """Remember that `predicate` ("do not exist") holds for the picture `name`."""
        self.names.setdefault(predicate, []).append(name)

    def sentences(self, total: int) -> tuple[str, ...]:
        """One sentence for each predicate: "3 of 20 listed images do not exist: a, b, c"."""
        return tuple(
            f"{len(names)} of {total} listed images {predicate}: {shortened(names)}"
            for predicate, names in self.names.items()
        )


def shortened(names: list[str]) -> str:
    """The first few names, fit for a terminal, with an ellipsis where there are more."""
    names = ["".join(c if c.isprintable() else "?" for c in name) for name in names]
    more = " ..." if len(names) > SHOWN_NAMES else ""
    return ", ".join(names[:SHOWN_NAMES]) + more


def natural_order(name: str) -> tuple[tuple[int, str], ...]:
    """A sorting key under which img2 comes before img10."""
    parts = re.split(r"([0-9]{1,18})", name)
    return tuple((int(p), "") if i % 2 else (-1, p) for i, p in enumerate(parts))


def in_natural_order(frames: Iterable[Frame]) -> tuple[Frame, ...]:
    """Frames sorted by name, numbers as numbers: the order in which pictures were mostly taken."""
    return tuple(sorted(frames, key=lambda frame: (natural_order(frame.name), frame.name)))


def hold_out_test(frames: tuple[Frame, ...]) -> tuple[tuple[Frame, ...], str | None]:
    """Where no test pictures are published, others become them.

    Those published for validation if there are any; else every 8th of the sorted names, the rule
    of LLFF and mip-NeRF 360 (index 0, 8, 16, ... in plain lexical order). With fewer than three
    training pictures none is held out. Returns the frames and a note if it acted.
    """
    names = sorted(frame.name for frame in frames if frame.split == "train")
    held = {frame.name for frame in frames if frame.split == "val"}
    if any(frame.split == "test" for frame in frames) or (len(names) < 3 and not held):
        return frames, None
    note = f"no test images: the {len(held)} published for validation are used"
    if not held:
        held = set(names[::TEST_EVERY])
        rule = f"(every {TEST_EVERY}th by name)"
        note = f"{len(held)} of {len(names)} images held out for test {rule}"
    return tuple(replace(f, split="test") if f.name in held else f for f in frames), note
