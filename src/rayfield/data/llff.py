"""LLFF's form: poses_bounds.npy beside images/ (Mildenhall et al. 2019, arXiv:1905.00889).

A row of 17 numbers for each picture, in the order of the sorted file names: a 3x5 matrix, row by
row, then the depths of the nearest and farthest content. The matrix's columns are the camera's
axes down, right, back, its centre, and (height, width, focal length) in pixels of the full size.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from jaxtyping import Float

from rayfield.core.check import DataError
from rayfield.core.types import Camera
from rayfield.data.files import contents, fit_to_image
from rayfield.data.images import SUFFIXES, image_info
from rayfield.data.poses import rigid
from rayfield.data.scene import Capture, Frame, Masks, Remarks, in_natural_order

FILE = "poses_bounds.npy"
MAX_BYTES = 100_000_000
FIX = "make it again with LLFF's imgs2poses.py"


def read_poses_bounds(path: Path) -> Float[np.ndarray, "N 17"]:
    """The rows of a poses_bounds.npy, checked. Raises DataError on anything else."""
    try:
        rows = np.load(io.BytesIO(contents(path, limit=MAX_BYTES)), allow_pickle=False)
    except DataError:
        raise
    except Exception as error:  # numpy's header parser raises many kinds
        raise DataError(path, f"is not a NumPy array ({type(error).__name__})", FIX) from None
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.shape[1] != 17 or not len(rows):
        shape = rows.shape if isinstance(rows, np.ndarray) else "several arrays"
        raise DataError(path, f"holds {shape}, not one row of 17 numbers for each picture", FIX)
    if rows.dtype.kind not in "fiu" or not np.isfinite(rows).all():
        raise DataError(path, "holds NaN, infinity or no numbers", FIX)
    return rows.astype(np.float64)


def camera_of(row: Float[np.ndarray, " 17"], path: Path, name: str) -> Camera:
    """The camera that a row describes, in OpenCV's axes. Raises DataError on impossible values."""
    matrix = row[:15].reshape(3, 5)
    height, width, focal = matrix[:, 4].tolist()
    sides = min(width, height), max(width, height)
    if sides[0] < 1 or sides[1] > 1e6 or width % 1 or height % 1 or focal <= 0:
        what = f"image {name!r}: height {height}, width {width}, focal length {focal} are no camera"
        raise DataError(path, what, FIX)
    near, far = row[15:]
    if not 0 < near < far:
        what = f"image {name!r}: near {near:g}, far {far:g}, where 0 < near < far is needed"
        raise DataError(path, what, FIX)
    pose = np.eye(4)
    down, right, back, pose[:3, 3] = matrix[:, :4].T
    pose[:3, :3] = np.stack([right, down, -back], axis=1)
    pose, _ = rigid(pose, path, name)
    return Camera(int(width), int(height), focal, focal, width / 2, height / 2, pose)


def read(root: Path) -> Capture:
    """Read ROOT/poses_bounds.npy and its pictures. Raises DataError on input that cannot be used.

    Pictures of another size (images_4 where there is no images) rescale the intrinsics. The
    nearest content becomes `Capture.nearest`.
    """
    path = root / FILE
    rows = read_poses_bounds(path)
    folder = _pictures(root)
    pictures = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
    if len(pictures) != len(rows):
        what = f"has poses of {len(rows)} images, but {folder} holds {len(pictures)}"
        raise DataError(path, what, "rows follow the sorted names: restore or remove images")
    remarks = Remarks()
    frames = []
    for row, picture in zip(rows, pictures, strict=True):
        name = picture.relative_to(root).as_posix()
        if not picture.resolve().is_relative_to(root.resolve()):
            raise DataError(picture, "leads out of the data set", "copy the file into the folder")
        camera, remark = fit_to_image(camera_of(row, path, name), image_info(picture), picture)
        if remark:
            remarks.add(remark, name)
        bounds = (float(row[15]), float(row[16]))
        frames.append(Frame(name, camera, picture, "train", bounds=bounds))
    notes = remarks.sentences(len(rows))
    masks = Masks(root / "masks", "skip")
    return Capture(root, "llff", in_natural_order(frames), None, notes, masks=masks)


def _pictures(root: Path) -> Path:
    """The folder of the pictures: images, else the first images_*."""
    folders = [root / "images", *sorted(root.glob("images_*"))]
    found = next((folder for folder in folders if folder.is_dir()), None)
    if found is None:
        raise DataError(root / FILE, "has no folder of images beside it", "restore images/")
    return found
