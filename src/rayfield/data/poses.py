"""Camera poses from files: checked, made exactly rigid, and brought to OpenCV's axes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float

from rayfield.core.check import DataError

OPENCV_FROM_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])
TOLERANCE = 1e-3
FARTHEST = 1e12  # beyond it nothing near the camera can be told apart


def matrix_from_json(value: object, path: Path, what: str) -> Float[np.ndarray, "4 4"]:
    """A 3x4 or 4x4 list of numbers as a 4x4 matrix with last row (0, 0, 0, 1).

    Raises DataError, about `what`, for anything else.
    """
    rows = value if isinstance(value, list) else []
    numbers = all(
        isinstance(row, list)
        and len(row) == 4
        and all(isinstance(x, int | float) and not isinstance(x, bool) for x in row)
        for row in rows
    )
    if len(rows) not in (3, 4) or not numbers:
        said = f"{what} is not 4 (or 3) rows of 4 numbers"
        raise DataError(path, said, "export the poses again")
    matrix = np.eye(4)
    matrix[: len(rows)] = np.array(rows, dtype=np.float64)
    if not np.allclose(matrix[3], (0, 0, 0, 1), atol=1e-6):
        said = f"{what}'s last row is not 0 0 0 1"
        raise DataError(path, said, "give camera-to-world matrices, rows first")
    matrix[3] = (0, 0, 0, 1)
    return matrix


def rigid(
    matrix: Float[np.ndarray, "4 4"], path: Path, name: str
) -> tuple[Float[np.ndarray, "4 4"], tuple[str, ...]]:
    """The rigid pose a matrix stands for, and remarks on what had to be mended.

    A rotation off by up to 1e-3 is replaced by the nearest one; a uniform scale is divided out.
    Raises DataError where the matrix is mirrored, sheared, or not finite.
    """
    what, fix = "", "export the poses again"
    if not np.isfinite(matrix).all():
        raise DataError(path, f"frame {name!r}: the pose holds NaN or infinity", fix)
    if np.abs(matrix[:3, 3]).max() > FARTHEST:
        raise DataError(path, f"frame {name!r}: the camera is {FARTHEST:.0e} units away", fix)
    u, sizes, vt = np.linalg.svd(matrix[:3, :3])
    scale = float(sizes.mean())
    if not 1e-100 < scale < 1e100 or np.abs(sizes - scale).max() > TOLERANCE * scale:
        what = f"frame {name!r}: the rotation is not orthonormal (singular values {sizes.round(4)})"
    elif np.linalg.det(u @ vt) < 0:
        what = f"frame {name!r}: the pose is mirrored (determinant -1)"
        fix = "flip one camera axis: x right, y up, z back is expected"
    if what:
        raise DataError(path, what, fix)
    remarks = []
    if abs(scale - 1) > TOLERANCE:
        remarks.append("had poses with a uniform scale (divided out)")
    if np.abs(sizes / scale - 1).max() > 1e-5:
        remarks.append("had rotations that were slightly off (re-orthonormalised)")
    pose = np.eye(4)
    pose[:3, :3] = u @ vt
    pose[:3, 3] = matrix[:3, 3]
    return pose, tuple(remarks)
