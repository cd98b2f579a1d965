"""What every part of rayfield speaks: plain records, and the conventions they keep.

Conventions (tested in tests/core/test_conventions.py, told in docs/conventions.md):

* World: right-handed, the user's units. Training happens in a normalised *scene* frame;
  `world_from_scene` (4x4 similarity) takes scene points to the world.
* Camera: x right, y down, z forward (OpenCV). Loaders convert to it. Pixel centres at +0.5.
* Rays: unit directions, so `t` is a length. Density is in 1/length. A signed distance is
  negative inside.
* Images: height, width, channels; [0, 1] floats or uint8; sRGB; straight (unmultiplied) alpha.
* Faces are counter-clockwise seen from outside.
* Randomness comes from a `torch.Generator` argument; `None` means deterministic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple, NewType, TypeVar

import numpy as np
from jaxtyping import Float, Int, UInt8
from torch import Tensor

# A path in a method's settings: made absolute when it is given, for a run may be asked for
# something from any folder; empty where there is none.
File = NewType("File", str)
NO_FILE = File("")

# The type of a setting that only the data can tell (`FromData[int]`): a method's `adapt` takes it
# over, and nobody sets it by hand.
T = TypeVar("T")
FROM_DATA = "follows from the data"
FromData = Annotated[T, FROM_DATA]

# What a mask of a photo is for: "cut" makes it the photo's alpha, "skip" leaves its black pixels
# out of training, "off" trains on the whole photo.
MaskUse = Literal["cut", "skip", "off"]
ExifUse = Literal["apply", "ignore"]

# How a lens draws: "perspective" keeps straight lines straight but for its distortion; "fisheye"
# draws distances from the middle by the angle to the axis (math/lens.py).
Lens = Literal["perspective", "fisheye"]


@dataclass(frozen=True)
class Camera:
    """A camera with OpenCV's lens models, in pixels, and its pose.

    `distortion` is (k1, k2, p1, p2, k3, k4, k5, k6), OpenCV's order, then a coefficient of r^8; of
    a fisheye it is (k1, k2, k3, k4). Missing ones are zero. `pose` is `world_from_camera`, or
    `scene_from_camera` once the scene is normalised.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    pose: Float[np.ndarray, "4 4"]
    distortion: tuple[float, ...] = ()
    lens: Lens = "perspective"

    @property
    def pinhole(self) -> bool:
        """Whether straight lines are drawn straight: a perspective lens without distortion."""
        return self.lens == "perspective" and not any(self.distortion)


class Rays(NamedTuple):
    """Rays with unit directions; `near` and `far` are lengths along them.

    `image` is the index of the training photo a ray came from, -1 where there is none.
    """

    origins: Float[Tensor, "R 3"]
    directions: Float[Tensor, "R 3"]
    near: Float[Tensor, " R"]
    far: Float[Tensor, " R"]
    image: Int[Tensor, " R"]


class Samples(NamedTuple):
    """Intervals [start, end] along rays, packed: ray r owns `first[r] : first[r] + count[r]`."""

    start: Float[Tensor, " S"]
    end: Float[Tensor, " S"]
    ray: Int[Tensor, " S"]
    first: Int[Tensor, " R"]
    count: Int[Tensor, " R"]  # type: ignore[assignment]  # hides tuple.count, unused


class Rendered(NamedTuple):
    """What a renderer returns for R rays.

    `color` is composited over the background it was given; `opacity` in [0, 1]; `depth` the
    expected distance along the ray, normalised by opacity (0 where opacity is 0);
    `samples` how many field evaluations each ray cost; `distortion` the regulariser of
    mip-NeRF 360 eq. 15 per ray, where it was asked for.
    """

    color: Float[Tensor, "R 3"]
    opacity: Float[Tensor, " R"]
    depth: Float[Tensor, " R"]
    samples: Int[Tensor, " R"]
    distortion: Float[Tensor, " R"] | None = None


class RayBatch(NamedTuple):
    """Training rays and the pixels they should show: straight-alpha RGBA in [0, 1]."""

    rays: Rays
    rgba: Float[Tensor, "R 4"]


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh, counter-clockwise from outside; optional vertex normals and RGB colours."""

    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    normals: Float[np.ndarray, "V 3"] | None = None
    colors: UInt8[np.ndarray, "V 3"] | None = None


@dataclass(frozen=True)
class PointCloud:
    """Points of a surface, with unit outward normals where they are known."""

    points: Float[np.ndarray, "N 3"]
    normals: Float[np.ndarray, "N 3"] | None = None


class SceneTraits(NamedTuple):
    """What a method may know of a scene before it is built (scene units).

    `bounded`: everything to learn lies in the cube [-1, 1]^3 (photos with alpha); otherwise
    the subject is near the unit ball and the background extends without limit.
    `alpha`: the photos carry alpha. `images`: number of training photos. `near`: a distance
    from the lenses within which nothing is expected. `forward`: where all cameras look one way at
    something in front of them all, the frustum of their mean camera for normalised device
    coordinates: 12 numbers of its pose, row by row, the depth of the near plane, and half the
    picture's width and height at depth 1; else empty. `photos`: of a class of scenes, how many of
    the training photos each has, in the order of their numbers; empty for a single scene. `ball`:
    radius of the ball about the origin that the subject of an unbounded scene is taken to lie in.
    """

    bounded: bool
    alpha: bool
    images: int
    near: float
    forward: tuple[float, ...] = ()
    photos: tuple[int, ...] = ()
    ball: float = 1.0
