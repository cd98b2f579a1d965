"""IDR's and NeuS's form: cameras_sphere.npz beside image/ and mask/, all PNG, by number.

`world_mat_i` projects the world to pixels whose centres are whole numbers; `scale_mat_i` takes the
unit ball to that of the subject: the one the files name, else the ball about the visual hull of a
cut-out subject, or about what all cameras look at.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float

from rayfield.core.types import Camera
from rayfield.data.scene import Capture
from rayfield.data.subject import find_subject
from rayfield.data.writers.target import Target, numbered, undistorted_unless


def write(root: Path, capture: Capture) -> None:
    """Write cameras_sphere.npz. Raises OSError, and DataError where no subject can be found."""
    centre, radius = find_subject(capture).ball
    scale = np.diag([radius, radius, radius, 1.0])
    scale[:3, 3] = centre
    arrays: dict[str, np.ndarray] = {}
    frames = sorted(capture.frames, key=lambda frame: frame.name)
    for number, frame in enumerate(frames):
        arrays[f"world_mat_{number}"] = projection(frame.camera)
        arrays[f"scale_mat_{number}"] = scale
    np.savez(root / "cameras_sphere.npz", allow_pickle=False, **arrays)


def projection(camera: Camera) -> Float[np.ndarray, "4 4"]:
    """K [R | t] of a pinhole, with a last row that means nothing."""
    matrix = np.eye(4)
    lens = np.diag([camera.fx, camera.fy, 1.0])
    lens[:2, 2] = camera.cx - 0.5, camera.cy - 0.5
    turn = camera.pose[:3, :3].T
    matrix[:3] = lens @ np.column_stack([turn, -turn @ camera.pose[:3, 3]])
    return matrix


def mask_of(name: str) -> str:
    """The mask mask/000.png of the picture image/000.png."""
    return f"mask/{name.partition('/')[2]}"


TARGET = Target(
    write,
    undistorted_unless(lambda camera: camera.pinhole),
    numbered("image"),
    mask_of,
    frozenset({"ball"}),
    png=True,
    cut_by_alpha=False,
)
