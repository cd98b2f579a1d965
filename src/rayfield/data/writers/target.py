"""What a format of data sets can hold, and the names that pictures get in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

from rayfield.core.types import Camera
from rayfield.data.rectify import pinhole_within
from rayfield.data.scene import Capture, Frame

# What a format may have a place for. "names": those of the pictures; "masks": those that leave
# pixels out; "depths": of the nearest and farthest content; "ball": that of the subject.
Content = Literal["points", "colors", "sightings", "ball", "depths", "splits", "masks", "names"]


class Target(NamedTuple):
    """A format to write.

    `write` puts the cameras into a folder that has the pictures already; `fit` gives the cameras
    that the format can express in place of those there are, each at the same place and with the
    same axis; `place` names the pictures, `mask` that of a picture. With `png` all pictures must be
    PNG files. With `cut_by_alpha` masks that cut the subject out become alpha, else they stay. With
    `needs_test` some pictures must be for test.
    """

    write: Callable[[Path, Capture], None]
    fit: Callable[[Sequence[Camera]], list[Camera]]
    place: Callable[[Sequence[Frame]], list[str]]
    mask: Callable[[str], str]
    holds: frozenset[Content]
    png: bool = False
    cut_by_alpha: bool = True
    needs_test: bool = False


def undistorted_unless(
    expressed: Callable[[Camera], bool],
) -> Callable[[Sequence[Camera]], list[Camera]]:
    """A `fit` that leaves the cameras for which `expressed` is true, and undoes other lenses."""

    def fit(cameras: Sequence[Camera]) -> list[Camera]:
        return [camera if expressed(camera) else pinhole_within(camera) for camera in cameras]

    return fit


def inner_names(frames: Sequence[Frame]) -> list[str]:
    """The names without the folder that all pictures are in, where they are in one."""
    names = [PurePosixPath(frame.name) for frame in frames]
    folders = {name.parts[0] if len(name.parts) > 1 else "" for name in names}
    common = len(folders) == 1 and folders != {""}
    return [PurePosixPath(*name.parts[common:]).as_posix() for name in names]


def in_images(frames: Sequence[Frame]) -> list[str]:
    """The pictures in images/, in the folders they are in."""
    return [f"images/{name}" for name in inner_names(frames)]


def side_by_side(frames: Sequence[Frame]) -> list[str]:
    """The pictures in images/ itself, in the order they had by name."""
    names = inner_names(frames)
    if any("/" in name for name in names):
        order = sorted(range(len(names)), key=names.__getitem__)
        digits = len(str(len(names)))
        for number, index in enumerate(order):
            names[index] = f"{number:0{digits}d}_{PurePosixPath(names[index]).name}"
    return [f"images/{name}" for name in names]


def by_split(frames: Sequence[Frame]) -> list[str]:
    """The pictures in train/, val/ and test/."""
    names = []
    for frame, name in zip(frames, inner_names(frames), strict=True):
        inner = name.removeprefix(f"{frame.split}/").replace("/", "_")
        names.append(f"{frame.split}/{inner}")
    return names


def numbered(folder: str) -> Callable[[Sequence[Frame]], list[str]]:
    """The pictures by number, in the order they had by name."""

    def place(frames: Sequence[Frame]) -> list[str]:
        order = sorted(range(len(frames)), key=lambda index: frames[index].name)
        digits = max(3, len(str(len(frames))))
        names = [""] * len(frames)
        for number, index in enumerate(order):
            suffix = PurePosixPath(frames[index].name).suffix
            names[index] = f"{folder}/{number:0{digits}d}{suffix}"
        return names

    return place


def mask_beside(name: str) -> str:
    """The mask masks/a.jpg.png of the picture images/a.jpg, as COLMAP names it."""
    folder, _, inner = name.partition("/")
    return f"masks/{inner}.png" if folder == "images" else f"masks/{name}.png"
