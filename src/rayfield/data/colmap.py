"""COLMAP's form: images/ beside sparse/0/ (or sparse/) with a binary or text model.

The poses in images.bin and images.txt are those of the pictures also where rigs and frames were
estimated (rigs.bin, frames.bin), so these files are not needed. The file test.txt in a model's
folder, where there is one, lists the pictures held out for test, as the code of 3D Gaussian
splatting has it; val.txt is our own, for those of validation.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rayfield.core.check import DataError
from rayfield.data import colmap_binary, colmap_text
from rayfield.data.colmap_model import ColmapImage, ColmapPoints, camera_of
from rayfield.data.files import contents, existing_image, fit_to_image
from rayfield.data.images import SUFFIXES, image_info
from rayfield.data.scene import (
    Capture,
    Frame,
    Masks,
    Remarks,
    Sightings,
    Sparse,
    in_natural_order,
    shortened,
)

BINARY = ("cameras.bin", "images.bin", "points3D.bin")
TEXT = ("cameras.txt", "images.txt", "points3D.txt")
PLACES = ("sparse", "colmap/sparse")
MOST_NAMES = 100_000_000  # bytes

Seen = tuple[Frame, ColmapImage]


class Model(NamedTuple):
    """A model's folder, and in which form it is read."""

    folder: Path
    text: bool

    @property
    def files(self) -> tuple[Path, Path, Path]:
        """The files of cameras, images and points."""
        cameras, images, points = (self.folder / name for name in (TEXT if self.text else BINARY))
        return cameras, images, points

    def images(self) -> tuple[ColmapImage, ...]:
        """The registered pictures."""
        read = colmap_text.read_images if self.text else colmap_binary.read_images
        return read(self.files[1])


def model_in(folder: Path) -> Model | None:
    """The model directly in a folder; the binary one where there are both."""
    if (folder / BINARY[1]).is_file():
        return Model(folder, text=False)
    return Model(folder, text=True) if (folder / TEXT[1]).is_file() else None


def models(root: Path) -> list[Model]:
    """The models of a data set: in sparse/0, sparse/1, ..., or in sparse itself."""
    folders: list[Path] = []
    for place in PLACES:
        if (root / place).is_dir():
            inner = sorted(entry for entry in (root / place).iterdir() if entry.is_dir())
            folders += [*inner, root / place]
    return [model for folder in folders if (model := model_in(folder))]


def _largest(root: Path) -> tuple[Model, tuple[ColmapImage, ...], tuple[str, ...]]:
    """The model with the most pictures, and a note if there are others."""
    read = [(model, model.images()) for model in models(root)]
    model, images = max(read, key=lambda item: len(item[1]))
    if len(read) == 1:
        return model, images, ()
    name = model.folder.relative_to(root).as_posix()
    return model, images, (f"{len(read)} models: {name} with {len(images)} images is used",)


def _both(model: Model) -> tuple[str, ...]:
    """A note if the model's folder holds the other form too."""
    if model.text or not (model.folder / TEXT[1]).is_file():
        return ()
    name = model.folder.name
    return (f"{name} holds a binary and a text model: the binary one is read, not images.txt",)


def _picture_folders(root: Path) -> list[Path]:
    """The folders that may be those of the pictures: images, or images_2 and so on."""
    folders = [root / "images", *sorted(root.glob("images_*"))]
    return [folder for folder in folders if folder.is_dir()]


def has_pictures(root: Path) -> bool:
    """Whether a folder has one of pictures in it."""
    return bool(_picture_folders(root))


def _pictures(root: Path) -> Path:
    """The folder of the pictures, or the data set itself."""
    return next(iter(_picture_folders(root)), root)


def read(root: Path, model: Model | None = None) -> Capture:
    """Read a model of a folder, with its sparse points, and masks in masks/.

    None: the largest model there is. Registered pictures that do not exist, and pictures without
    pose, are noted. Raises DataError on input that cannot be used.
    """
    if model is None:
        model, images, notes = _largest(root)
    else:
        images, notes = model.images(), ()
    seen, remarks = _frames(root, model, images)
    if not seen:
        missing = shortened([image.name for image in images])
        what = f"none of its {len(images)} registered images exists: {missing or 'it lists none'}"
        raise DataError(model.files[1], what, f"put the pictures into {root / 'images'}")
    seen, held = _split(model.folder, seen)
    points = (colmap_text if model.text else colmap_binary).read_points(model.files[2])
    if len(points.ids) == 0:
        notes = (*notes, "the model has no sparse points")
    frames = in_natural_order(frame for frame, _ in seen)
    sparse = _sparse(points, frames, {frame.name: image for frame, image in seen})
    notes = (*notes, *_both(model), *held, *remarks.sentences(len(images)))
    notes = (*notes, *_without_pose(_pictures(root), frames))
    masks = Masks(root / "masks", "skip")
    return Capture(root, "colmap", frames, points.positions, notes, masks=masks, sparse=sparse)


def _frames(
    root: Path, model: Model, images: tuple[ColmapImage, ...]
) -> tuple[list[Seen], Remarks]:
    """The registered pictures that exist, as frames and as they are in the model."""
    lenses_file, listing, _ = model.files
    lenses = (colmap_text if model.text else colmap_binary).read_cameras(lenses_file)
    pictures = _pictures(root)
    remarks = Remarks()
    seen: list[Seen] = []
    for image in images:
        path = existing_image(pictures, image.name, listing)
        if path is None:
            remarks.add("do not exist", image.name)
            continue
        if image.camera not in lenses:
            what = f"names camera {image.camera}, which {lenses_file.name} lacks"
            raise DataError(listing, f"image {image.name!r} {what}", "export the model again")
        declared = camera_of(lenses[image.camera], image, listing)
        camera, remark = fit_to_image(declared, image_info(path), path)
        name = path.relative_to(root).as_posix()
        if remark:
            remarks.add(remark, name)
        scale = np.array([camera.width / declared.width, camera.height / declared.height])
        image = image._replace(observed=image.observed * scale)
        seen.append((Frame(name, camera, path, "train"), image))
    return seen, remarks


def _split(folder: Path, seen: list[Seen]) -> tuple[list[Seen], list[str]]:
    """The pictures with the splits that lists of names give them, and notes on others there."""
    wanted = {name: split for split in ("val", "test") for name in _listed(folder / f"{split}.txt")}
    split = [(replace(f, split=wanted.get(image.name, "train")), image) for f, image in seen]
    absent = sorted(set(wanted) - {image.name for _, image in seen})
    if not absent:
        return split, []
    return split, [f"{len(absent)} images held out have no pose: {shortened(absent)}"]


def _listed(path: Path) -> set[str]:
    """The names in a list, one a line; none where there is no such file."""
    if not path.is_file():
        return set()
    try:
        text = contents(path, limit=MOST_NAMES).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(path, "is not UTF-8", "list the names of the held out images") from None
    return {line.strip() for line in text.splitlines()} - {""}


def _sparse(
    points: ColmapPoints, frames: tuple[Frame, ...], seen: dict[str, ColmapImage]
) -> Sparse:
    """Colours, errors and sightings of the points; rows of points and frames as they are given."""
    order = np.argsort(points.ids)
    ids = points.ids[order]
    rows: list[Sightings] = []
    for number, frame in enumerate(frames):
        image = seen[frame.name]
        place = np.searchsorted(ids, image.observed_points).clip(max=max(len(ids) - 1, 0))
        known = ids[place] == image.observed_points if len(ids) else np.zeros(len(place), bool)
        found = order[place[known]] if len(ids) else place[known]
        rows.append(Sightings(np.full(len(found), number), found, image.observed[known]))
    columns = (np.concatenate(column) for column in zip(*rows, strict=True))
    return Sparse(points.colors, points.errors, Sightings(*columns))


def _without_pose(pictures: Path, frames: tuple[Frame, ...]) -> tuple[str, ...]:
    """A note on pictures in the folder that the model does not register."""
    posed = {frame.path for frame in frames}
    found = (path for path in sorted(pictures.rglob("*")) if path.suffix.lower() in SUFFIXES)
    rest = [path.relative_to(pictures).as_posix() for path in found if path not in posed]
    return (f"{len(rest)} images have no pose (not used): {shortened(rest)}",) if rest else ()
