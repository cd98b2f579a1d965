"""Forward-facing captures: whether all cameras look one way, and the frustum of their mean.

Mildenhall et al. 2020 (NeRF), arXiv:2003.08934, Appendix C; LLFF's mean pose. The frustum's near
plane lies at 3/4 of the depth of the nearest content, as in the released code (which scales the
world so that it is at 1).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from rayfield.core.types import Camera

NEAR_PLANE = 0.75  # of the nearest content's depth
TURN = np.cos(np.radians(30))  # between a camera's axis and the mean one, at most
WIDEST = np.cos(np.radians(75))  # between any pixel's ray and the mean axis, at most


def mean_pose(poses: Float[np.ndarray, "N 4 4"]) -> Float[np.ndarray, "4 4"]:
    """The camera at the mean of the centres that looks along the mean axis, upright as they are."""
    forward = _unit(poses[:, :3, 2].sum(axis=0))
    right = _unit(np.cross(poses[:, :3, 1].sum(axis=0), forward))
    pose = np.eye(4)
    pose[:3] = np.stack(
        [right, np.cross(forward, right), forward, poses[:, :3, 3].mean(axis=0)], axis=1
    )
    return pose


def forward_frustum(cameras: list[Camera], nearest: float | None) -> tuple[float, ...]:
    """`SceneTraits.forward` of the cameras; empty unless they look one way.

    `nearest`: the depth of the nearest content in front of them, None where it is not known. They
    look one way if their axes are within 30 degrees of the mean one and all they see within 75,
    and if all of them stand behind the near plane of their mean camera. Fisheyes never do.
    """
    if nearest is None or any(camera.lens == "fisheye" for camera in cameras):
        return ()
    poses = np.stack([camera.pose for camera in cameras])
    axes = poses[:, :3, 2]
    if np.linalg.norm(axes.mean(axis=0)) < TURN:
        return ()
    reference = mean_pose(poses)
    axis, near = reference[:3, 2], NEAR_PLANE * nearest
    corners = np.concatenate([_corners(camera) @ camera.pose[:3, :3].T for camera in cameras])
    depths = (poses[:, :3, 3] - reference[:3, 3]) @ axis
    if (axes @ axis).min() < TURN or (corners @ axis).min() < WIDEST or depths.max() >= near:
        return ()
    width = max(0.5 * camera.width / camera.fx for camera in cameras)
    height = max(0.5 * camera.height / camera.fy for camera in cameras)
    return tuple(map(float, (*reference[:3].reshape(-1), near, width, height)))


def _corners(camera: Camera) -> Float[np.ndarray, "4 3"]:
    """Unit directions through the picture's corners, in the camera's axes; distortion left out."""
    x = (np.array([0, camera.width]) - camera.cx) / camera.fx
    y = (np.array([0, camera.height]) - camera.cy) / camera.fy
    corners = np.array([[a, b, 1.0] for a in x for b in y])
    return corners / np.linalg.norm(corners, axis=1, keepdims=True)


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.linalg.norm(vector)), 1e-12)
