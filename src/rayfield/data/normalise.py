"""The scene frame: where the subject is, which way is up, how large the world is.

World and scene are related by a similarity: world = world_from_scene @ scene.

* Where the files name the subject's ball, it becomes the unit ball if bounded, else that of
  radius 1/2.
* Bounded (pictures with alpha): the world's axes are kept; the cube [-1, 1]^3 is the smallest
  about the box of the visual hull, padded by a carving cell.
* Unbounded: the mean up direction of the cameras becomes +z; the origin is the point nearest to
  all optical axes, drawn to the median of the sparse points; the farthest training camera is at
  distance 1.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rayfield.core.check import DataError
from rayfield.core.types import SceneTraits
from rayfield.data.bounds import (
    near_plane,
    nearest_content,
    not_around,
    sightings,
    subject_ball,
)
from rayfield.data.forward import forward_frustum
from rayfield.data.hull import OPAQUE_FROM, alpha_views, hull_box
from rayfield.data.images import image_info
from rayfield.data.masks import remarks_on
from rayfield.data.scene import Capture, Frame, Scene, intrinsics

POINT_WEIGHT = 0.25
TRANSPARENT_SHARE = 0.01
BOUNDED_NEAR = 0.01
NAMED_BALL = 0.5  # radius, in an unbounded scene, of a ball that the files name
BOX_OF_DISTANCE = 1.5 / 4.0  # of NeRF's synthetic scenes: box +-1.5, cameras at 4

NAMED = "what the files name"
NOTHING_CUT = (
    "the masks leave out less than 1 % of the pixels: photos are taken whole (--masks off), as "
    "nothing is cut out"
)

Vector = Float[np.ndarray, " 3"]


class Placed(NamedTuple):
    """world_from_scene and its scale, the traits, and what tells the subject's place."""

    world_from_scene: Float[np.ndarray, "4 4"]
    scale: float
    traits: SceneTraits
    told_by: str


def similarity(rotation: Float[np.ndarray, "3 3"], centre: Vector, scale: float) -> np.ndarray:
    """The 4x4 matrix of x -> scale * rotation @ x + centre."""
    matrix = np.eye(4)
    matrix[:3, :3] = scale * rotation
    matrix[:3, 3] = centre
    return matrix


def nearest_to_axes(
    poses: Float[np.ndarray, "N 4 4"], *, towards: Vector | None = None
) -> Vector | None:
    """The point with the least sum of squared distances to all optical axes.

    `towards` adds a pull to a point. None where the axes are parallel and nothing pulls.
    """
    forward, centres = poses[:, :3, 2], poses[:, :3, 3]
    planes = np.eye(3) - forward[:, :, None] * forward[:, None, :]
    a = planes.mean(axis=0)
    b = np.einsum("nij,nj->i", planes, centres) / len(poses)
    if towards is not None:
        a, b = a + POINT_WEIGHT * np.eye(3), b + POINT_WEIGHT * towards
    if np.linalg.eigvalsh(a)[0] < 1e-3:
        return None
    return np.linalg.solve(a, b)


def _centre(poses: Float[np.ndarray, "N 4 4"], points: np.ndarray | None) -> Vector:
    """What the cameras look at; in front of them where the axes are parallel."""
    positions, forward = poses[:, :3, 3], poses[:, :3, 2]
    median = None if points is None or len(points) == 0 else np.median(points, axis=0)
    centre = nearest_to_axes(poses, towards=median)
    if centre is None:
        spread = float(np.linalg.norm(np.ptp(positions, axis=0)))
        return positions.mean(axis=0) + forward.mean(axis=0) * spread
    if np.median(_depths(poses, centre)) <= 0:  # cameras that look outwards
        return positions.mean(axis=0)
    return centre


def _depths(poses: Float[np.ndarray, "N 4 4"], point: Vector) -> Float[np.ndarray, " N"]:
    return ((point - poses[:, :3, 3]) * poses[:, :3, 2]).sum(axis=1)


def upright(poses: Float[np.ndarray, "N 4 4"]) -> Float[np.ndarray, "3 3"]:
    """The smallest rotation, world from scene, that takes +z to the cameras' mean up direction."""
    up = -poses[:, :3, 1].mean(axis=0)
    if np.linalg.norm(up) < 1e-6:
        return np.eye(3)
    up /= np.linalg.norm(up)
    if up[2] < -1 + 1e-9:
        return np.diag([1.0, -1.0, -1.0])
    axis = np.array([-up[1], up[0], 0.0])  # z x up
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + cross + cross @ cross / (1 + up[2])


def _looks_outwards(poses: Float[np.ndarray, "N 4 4"]) -> bool:
    """Whether the cameras look away from each other but would not if inverted or flipped."""
    centre = nearest_to_axes(poses)
    if centre is None or np.median(_depths(poses, centre)) > 0:
        return False
    return bool((_depths(poses, centre) < 0).mean() > 0.9)


def _moved(frame: Frame, world_from_scene: Float[np.ndarray, "4 4"], scale: float) -> Frame:
    """A frame whose rigid pose is expressed in the scene."""
    pose = np.linalg.inv(world_from_scene) @ frame.camera.pose
    pose[:3, :3] *= scale
    return replace(frame, camera=replace(frame.camera, pose=pose))


def fingerprint(frames: tuple[Frame, ...]) -> str:
    """sha256 over names, splits, poses (to 1e-6), intrinsics and sizes of the image files."""
    digest = hashlib.sha256()
    for frame in frames:
        numbers = [float(round(x, 6)) + 0.0 for x in intrinsics(frame.camera)]
        pose = np.round(frame.camera.pose, 6) + 0.0  # no -0
        digest.update(repr((frame.name, frame.split, numbers, pose.tolist())).encode())
        digest.update(str(frame.path.stat().st_size).encode())
        if frame.mask is not None and frame.mask_use != "off":
            digest.update(f"{frame.mask_use} {frame.mask.stat().st_size}".encode())
    return digest.hexdigest()


def _training(capture: Capture) -> tuple[tuple[Frame, ...], Float[np.ndarray, "N 4 4"]]:
    """The training frames and their poses; DataError where they show no parallax."""
    frames = tuple(frame for frame in capture.frames if frame.split == "train")
    if len(frames) < 2:
        what = f"has {len(frames)} usable training image{'s' * (len(frames) != 1)}"
        raise DataError(capture.root, what, "at least 2 posed pictures are needed")
    poses = np.stack([frame.camera.pose for frame in frames])
    positions = poses[:, :3, 3]
    if np.ptp(positions, axis=0).max() <= 1e-9 * (1 + np.abs(positions).max()):
        what = f"has all {len(frames)} cameras at one point, so depth cannot be learnt"
        raise DataError(capture.root, what, "take the pictures from different places")
    return frames, poses


def _bounded(
    capture: Capture, frames: tuple[Frame, ...], poses: Float[np.ndarray, "N 4 4"], notes: list[str]
) -> Placed | None:
    """Where things are by the pictures' alpha; None where they are opaque."""
    views = alpha_views(frames)
    transparent = np.mean([(view.alpha < OPAQUE_FROM).mean() for view in views])
    if transparent < TRANSPARENT_SHARE:
        if any(frame.cutout for frame in frames):
            notes.append(NOTHING_CUT)
        return None
    notes.extend(remarks_on(views, capture.root, capture.ball))
    traits = SceneTraits(True, True, len(frames), BOUNDED_NEAR)
    if capture.ball is not None:
        frame = similarity(np.eye(3), *capture.ball)
        return Placed(frame, capture.ball.radius, traits, NAMED)
    centre, told_by = _centre(poses, None), "the silhouettes"
    distances = np.linalg.norm(poses[:, :3, 3] - centre, axis=1)
    distance = max(float(np.median(distances)), 0.1 * float(distances.max()))
    box = hull_box(views, centre, 0.9 * distance)
    if box is None:
        told_by = "where the cameras stand"
        notes.append("the silhouettes have no common volume: the box is guessed from the cameras")
        box = (centre - BOX_OF_DISTANCE * distance, centre + BOX_OF_DISTANCE * distance)
    elif within := int(((poses[:, :3, 3] > box[0]) & (poses[:, :3, 3] < box[1])).all(1).sum()):
        notes.append(
            f"{within} of {len(poses)} cameras stand inside the box of the subject: surfaces are "
            "found of what cameras stand around; check the masks and the poses"
        )
    scale = 0.5 * float((box[1] - box[0]).max())
    return Placed(similarity(np.eye(3), 0.5 * (box[0] + box[1]), scale), scale, traits, told_by)


def _unbounded(
    capture: Capture, frames: tuple[Frame, ...], poses: Float[np.ndarray, "N 4 4"], notes: list[str]
) -> Placed:
    """Where things are by cameras and points."""
    points = capture.points
    if points is None and _looks_outwards(poses):
        notes.append(
            "the cameras look away from each other: if that is not so, the poses are "
            "camera-from-world or in OpenCV's axes, and must be inverted or flipped"
        )
    centre = _centre(poses, points) if capture.ball is None else capture.ball.centre
    distances = np.linalg.norm(poses[:, :3, 3] - centre, axis=1)
    scale = float(distances.max()) if capture.ball is None else capture.ball.radius / NAMED_BALL
    world_from_scene = similarity(upright(poses), centre, scale)
    seen = sightings(frames, points)
    nearest = nearest_content(seen) if capture.nearest is None else capture.nearest
    cameras = [_moved(frame, world_from_scene, scale).camera for frame in frames]
    forward = forward_frustum(cameras, None if nearest is None else nearest / scale)
    if forward:
        notes.append("all cameras look one way, at something in front of them (forward-facing)")
    radius, told_by = NAMED_BALL * scale, NAMED
    if capture.ball is None:
        radius, told_by = subject_ball(frames, centre, distances, seen=seen)
    if not forward and (remark := not_around(poses, centre, radius)):
        notes.append(remark)
    near = near_plane(nearest, distances) / scale
    traits = SceneTraits(False, False, len(frames), near, forward, ball=radius / scale)
    return Placed(world_from_scene, scale, traits, told_by)


def normalise(capture: Capture) -> Scene:
    """The scene of a capture: a similarity as the module tells, and the traits methods ask for.

    `traits.near` is 0.01 for bounded scenes; see `bounds.near_plane` for the others. Raises
    DataError where fewer than two training cameras, or cameras all at one point, leave nothing to
    learn from.
    """
    frames, poses = _training(capture)
    notes = list(capture.notes)
    carrying = sum(bool(frame.cutout) or image_info(frame.path).alpha for frame in frames)
    found = _bounded(capture, frames, poses, notes) if carrying == len(frames) else None
    if found is None:
        found = _unbounded(capture, frames, poses, notes)
        if 0 < carrying < len(frames):
            notes.append(f"{carrying} of {len(frames)} training images carry alpha, the rest not")
            found = found._replace(traits=found.traits._replace(alpha=True))
    return Scene(
        root=capture.root,
        format=capture.format,
        frames=tuple(
            _moved(frame, found.world_from_scene, found.scale) for frame in capture.frames
        ),
        world_from_scene=found.world_from_scene,
        traits=found.traits,
        notes=tuple(notes),
        fingerprint=fingerprint(capture.frames),
        source=capture.root,
        told_by=found.told_by,
    )
