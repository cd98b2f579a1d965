"""IDR's and NeuS's form: cameras*.npz beside folders of pictures and masks (DTU, BlendedMVS).

Picture number i of the sorted names has `world_mat_i`, the 3x4 projection K [R | t] of world points
to pixels (4x4 with a last row that means nothing), and `scale_mat_i`, the similarity that takes the
unit ball about the subject to the world (Yariv et al. 2020, arXiv:2003.09852). Whole pixel numbers
are pixel centres there; half a pixel is added here.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy.linalg import rq

from rayfield.core.check import DataError
from rayfield.core.types import Camera
from rayfield.data.images import image_info
from rayfield.data.masks import pictures_in
from rayfield.data.poses import rigid
from rayfield.data.scene import Ball, Capture, Frame, Masks
from rayfield.geometry.arrayfile import names_in, read_npz

FILES = ("cameras_sphere.npz", "cameras.npz", "cameras_large.npz")
PICTURES = ("image", "images", "rgb", "imgs", "img")
MASKS = ("mask", "masks")
MAX_BYTES = 100_000_000
SKEW = 5e-3  # of the focal length
FIX = "make it again with IDR's or NeuS's preprocessing"

Matrices = dict[int, Float[np.ndarray, "3 4"]]


def read_matrices(path: Path) -> tuple[Matrices, Matrices]:
    """The world_mat and scale_mat of every number in an .npz file, upper three rows, checked.

    Raises DataError on anything that is not such a file.
    """
    known = [re.fullmatch(r"(?:world|scale)_mat_([0-9]{1,6})", name) for name in names_in(path)]
    numbers = sorted({int(match[1]) for match in known if match})
    keys = {kind: {n: f"{kind}_mat_{n}" for n in numbers} for kind in ("world", "scale")}
    every = tuple(name for names in keys.values() for name in names.values())
    arrays = read_npz(path, every, most=MAX_BYTES)
    worlds, scales = (
        {n: _matrix(arrays[key], key, path) for n, key in keys[kind].items() if key in arrays}
        for kind in ("world", "scale")
    )
    return worlds, scales


def _matrix(matrix: np.ndarray, name: str, path: Path) -> Float[np.ndarray, "3 4"]:
    if matrix.shape not in ((4, 4), (3, 4)):
        raise DataError(path, f"{name} has shape {list(matrix.shape)}, not 4x4", FIX)
    if not np.isfinite(matrix).all():
        raise DataError(path, f"{name} holds NaN or infinity", FIX)
    return matrix[:3].astype(np.float64)


def decompose(
    projection: Float[np.ndarray, "3 4"], path: Path, name: str
) -> tuple[Float[np.ndarray, " 4"], Float[np.ndarray, "4 4"]]:
    """(fx, fy, cx, cy) and world_from_camera of a projection given up to scale and sign.

    Whole numbers are pixel centres in the projection, and still are in cx and cy. Raises DataError
    where it is singular, or its pixels are no rectangles.
    """
    turn = projection[:, :3]
    sizes = np.linalg.svd(turn, compute_uv=False)
    if not sizes[2] > 1e-9 * sizes[0]:
        raise DataError(path, f"{name} is no projection: its 3x3 part is singular", FIX)
    signed = projection * np.sign(np.linalg.det(turn))
    lens, rotation = rq(signed[:, :3])
    flip = np.sign(np.diag(lens))  # focal lengths are positive
    lens, rotation = lens * flip, rotation * flip[:, None]
    pose = np.eye(4)
    pose[:3, :3] = rotation.T
    pose[:3, 3] = -np.linalg.solve(turn, projection[:, 3])
    pose, _ = rigid(pose, path, name)
    lens = lens / lens[2, 2]
    if abs(lens[0, 1]) > SKEW * lens[0, 0]:
        what = f"{name} has skewed pixels (skew {lens[0, 1]:.3g} at a focal length of "
        raise DataError(path, f"{what}{lens[0, 0]:.4g})", "rectify the pictures")
    return np.array([lens[0, 0], lens[1, 1], lens[0, 2], lens[1, 2]]), pose


def ball_of(scales: Matrices, path: Path) -> Ball | None:
    """The ball of the subject that the scale_mats agree on, in the world; None without any.

    Raises DataError where they differ, or are not scale and shift (and turn).
    """
    if not scales:
        return None
    first = min(scales)
    matrix = scales[first]
    sizes = np.linalg.svd(matrix[:, :3], compute_uv=False)
    if not 0 < sizes[0] < 1e12 or sizes[2] < (1 - 1e-3) * sizes[0]:
        what = f"scale_mat_{first} is not one scale and a shift (scales {sizes.round(6)})"
        raise DataError(path, what, FIX)
    for number, other in scales.items():
        if not np.allclose(other, matrix, rtol=1e-4, atol=1e-4 * sizes[0]):
            what = f"scale_mat_{number} differs from scale_mat_{first}: one ball is needed for all"
            raise DataError(path, what, FIX)
    return Ball(matrix[:, 3], float(sizes.mean()))


def _checked(path: Path, worlds: Matrices, scales: Matrices, pictures: int) -> None:
    """Raise DataError unless numbers run without gaps, one for each picture."""
    if not worlds:
        raise DataError(path, "holds no world_mat_0, world_mat_1, ...", FIX)
    missing = sorted(set(range(max(worlds) + 1)) - set(worlds))
    if missing:
        what = f"world_mat_{missing[0]} is missing, while there is world_mat_{max(worlds)}"
        raise DataError(path, what, FIX)
    if scales and set(scales) != set(worlds):
        number = min(set(scales) ^ set(worlds))
        lacking = "scale_mat" if number in worlds else "world_mat"
        raise DataError(path, f"{lacking}_{number} is missing", FIX)
    if len(worlds) != pictures:
        what = f"has cameras of {len(worlds)} images, but there are {pictures}"
        raise DataError(path, what, "cameras follow the sorted names: restore or remove images")


def read(root: Path, path: Path) -> Capture:
    """Read the cameras in a file of a folder, its pictures and masks; masks cut the subject out.

    Raises DataError on input that cannot be used.
    """
    found = [path, *(root / name for name in FILES if (root / name).is_file())]
    folder = next((root / name for name in PICTURES if (root / name).is_dir()), None)
    if folder is None:
        raise DataError(path, "has no folder of images beside it", f"restore {root / PICTURES[0]}")
    worlds, scales = read_matrices(path)
    pictures = pictures_in(folder, root)
    _checked(path, worlds, scales, len(pictures))
    masks = next((root / name for name in MASKS if (root / name).is_dir()), root / MASKS[0])
    frames = []
    for number, picture in enumerate(pictures):
        info = image_info(picture)
        lens, pose = decompose(worlds[number], path, f"world_mat_{number}")
        fx, fy, cx, cy = (float(x) for x in lens + np.array([0, 0, 0.5, 0.5]))
        camera = Camera(info.width, info.height, fx, fy, cx, cy, pose)
        name = picture.relative_to(root).as_posix()
        frames.append(Frame(name, camera, picture, "train"))
    notes = [f"{path.name} is used, not {other.name}" for other in found if other != path]
    ball = ball_of(scales, path)
    if ball is None:
        notes.append(f"{path.name} has no scale_mat: the subject is looked for in the pictures")
    return Capture(
        root, "dtu", tuple(frames), None, tuple(notes), ball=ball, masks=Masks(masks, "cut")
    )
