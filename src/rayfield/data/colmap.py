"""COLMAP's form: images/ beside sparse/0/ (or sparse/) with a binary model."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rayfield.core.check import DataError
from rayfield.core.types import Camera
from rayfield.data.colmap_model import (
    ColmapCamera,
    ColmapImage,
    read_cameras,
    read_images,
    read_points,
    rotation,
)
from rayfield.data.files import existing_image, fit_to_image
from rayfield.data.images import SUFFIXES, image_info
from rayfield.data.poses import rigid
from rayfield.data.scene import Capture, Frame, Masks, Remarks, in_natural_order, shortened

FILES = ("cameras.bin", "images.bin", "points3D.bin")
SUPPORTED = "SIMPLE_PINHOLE, PINHOLE, SIMPLE_RADIAL, RADIAL, OPENCV or FULL_OPENCV"


def models(root: Path) -> list[Path]:
    """Folders of a data set that hold a binary model: sparse/0, sparse/1, ..., or sparse."""
    sparse = root / "sparse"
    if not sparse.is_dir():
        return []
    folders = sorted(entry for entry in sparse.iterdir() if entry.is_dir())
    return [folder for folder in (*folders, sparse) if (folder / "images.bin").is_file()]


def detect(root: Path) -> bool:
    """Whether the folder holds a COLMAP model, binary or text."""
    return bool(models(root)) or bool(_text_models(root))


def _text_models(root: Path) -> list[Path]:
    return [*root.glob("sparse/images.txt"), *root.glob("sparse/*/images.txt")]


def _largest(root: Path) -> tuple[Path, tuple[ColmapImage, ...], tuple[str, ...]]:
    """The model with the most pictures, and a note if there are others."""
    folders = models(root)
    if not folders:
        fix = "convert it: colmap model_converter --output_type BIN"
        raise DataError(_text_models(root)[0], "is a text model, which is not read yet", fix)
    read = [(folder, read_images(folder / "images.bin")) for folder in folders]
    folder, images = max(read, key=lambda item: len(item[1]))
    if len(read) == 1:
        return folder, images, ()
    name = folder.relative_to(root).as_posix()
    return folder, images, (f"{len(read)} models: {name} with {len(images)} images is used",)


def _pictures(root: Path) -> Path:
    """The folder of the pictures: images, else the first images_*, else the data set itself."""
    folders = [root / "images", *sorted(root.glob("images_*"))]
    return next((folder for folder in folders if folder.is_dir()), root)


def _camera(lens: ColmapCamera, image: ColmapImage, path: Path) -> Camera:
    """The camera of a registered picture; distortion in OpenCV's order."""
    p = lens.parameters
    if lens.model in ("SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL"):
        p = (p[0], *p)  # one focal length for both axes
    elif lens.model not in ("PINHOLE", "OPENCV", "FULL_OPENCV"):
        what = f"image {image.name!r}: the camera model {lens.model} is not supported yet"
        raise DataError(path, what, f"undistort the images or re-estimate as {SUPPORTED}")
    if min(p[:2]) <= 0:
        what = f"image {image.name!r}: focal length {min(p[:2])} is not positive"
        raise DataError(path, what, "run the reconstruction again")
    pose = np.eye(4)
    pose[:3, :3] = rotation(image.quaternion).T
    pose[:3, 3] = -pose[:3, :3] @ image.translation
    pose, _ = rigid(pose, path, image.name)
    distortion = p[4:] if any(p[4:]) else ()
    fx, fy, cx, cy = p[:4]
    return Camera(lens.width, lens.height, fx, fy, cx, cy, pose, distortion)


def read(root: Path) -> Capture:
    """Read the largest binary model of a folder, with its sparse points, and masks in masks/.

    Registered pictures that do not exist, and pictures without pose, are noted. Raises DataError
    on input that cannot be used.
    """
    folder, images, notes = _largest(root)
    lenses = read_cameras(folder / "cameras.bin")
    _, points = read_points(folder / "points3D.bin")
    pictures, listing = _pictures(root), folder / "images.bin"
    remarks = Remarks()
    frames = []
    for image in images:
        path = existing_image(pictures, image.name, listing)
        if path is None:
            remarks.add("do not exist", image.name)
            continue
        if image.camera not in lenses:
            what = f"image {image.name!r} names camera {image.camera}, which cameras.bin lacks"
            raise DataError(listing, what, "export the model again")
        declared = _camera(lenses[image.camera], image, listing)
        camera, remark = fit_to_image(declared, image_info(path), path)
        name = path.relative_to(root).as_posix()
        if remark:
            remarks.add(remark, name)
        frames.append(Frame(name, camera, path, "train"))
    if not frames:
        missing = shortened([image.name for image in images])
        what = f"none of its {len(images)} registered images exists: {missing or 'it lists none'}"
        raise DataError(listing, what, f"put the pictures into {root / 'images'}")
    if len(points) == 0:
        notes = (*notes, "the model has no sparse points")
    notes = (*notes, *remarks.sentences(len(images)), *_without_pose(pictures, frames))
    masks = Masks(root / "masks", "skip")
    return Capture(root, "colmap", in_natural_order(frames), points, notes, masks=masks)


def _without_pose(pictures: Path, frames: list[Frame]) -> tuple[str, ...]:
    """A note on pictures in the folder that the model does not register."""
    posed = {frame.path for frame in frames}
    found = (path for path in sorted(pictures.rglob("*")) if path.suffix.lower() in SUFFIXES)
    rest = [path.relative_to(pictures).as_posix() for path in found if path not in posed]
    return (f"{len(rest)} images have no pose (not used): {shortened(rest)}",) if rest else ()
