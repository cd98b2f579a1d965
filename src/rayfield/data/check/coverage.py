"""From where around the subject it was photographed, and from where it was not.

Directions are those from the subject's middle to a camera. One is covered if a training camera that
has the subject in its picture stands within 30 degrees of it: farther from every photo, a learned
field shows what it guesses.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from rayfield.data.check.box import Subject, sees
from rayfield.data.check.finding import Finding
from rayfield.data.scene import Frame

REACH = 30.0  # degrees
DIRECTIONS = 2000  # evenly over the sphere
NEXT = 6.0  # degrees between neighbouring ones, at most
SMALLEST = 0.02  # of the sphere: smaller gaps are not told
HALF = 0.5  # of the sphere: of larger gaps it is told where photos are
LOW, STEEP = -35.0, 55.0  # elevation, degrees: below and above it a gap is one from below, above
GUESSES = "views from here will be guesses"


class Gap(NamedTuple):
    """Directions that no photo covers: their part of the sphere, and what they are called.

    `centre` is their mean, in the world; `farthest` the angle from there to the nearest photo.
    """

    share: float
    centre: Float[np.ndarray, " 3"]
    name: str
    nearest: str
    farthest: float


class Coverage(NamedTuple):
    """Unit directions to the cameras (world), their pictures, and the gaps between them."""

    subject: Subject
    directions: Float[np.ndarray, "N 3"]
    names: tuple[str, ...]
    share: float
    gaps: tuple[Gap, ...]


def sphere(count: int = DIRECTIONS) -> Float[np.ndarray, "D 3"]:
    """Unit vectors spread evenly (a Fibonacci spiral)."""
    number = np.arange(count) + 0.5
    z = 1 - 2 * number / count
    turn = np.pi * (1 + 5**0.5) * number
    flat = np.sqrt(1 - z * z)
    return np.stack([flat * np.cos(turn), flat * np.sin(turn), z], axis=1)


def cover(frames: tuple[Frame, ...], subject: Subject) -> Coverage | None:
    """The coverage of a subject by training cameras; None where fewer than two see it."""
    seen = [f for f in frames if f.split == "train" and sees(f.camera, subject.centre)]
    arms = np.array([frame.camera.pose[:3, 3] - subject.centre for frame in seen])
    lengths = np.linalg.norm(arms, axis=1) if len(arms) else np.zeros(0)
    if len(seen) < 2 or not lengths.min() > 0:
        return None
    directions = arms / lengths[:, None]
    names = tuple(frame.name for frame in seen)
    around = sphere() @ subject.world_from_level.T
    bare = np.flatnonzero(nearest(around, directions)[0] >= REACH)
    gaps = []
    for part in _parts(around[bare]):
        inside = around[bare[part]]
        share = len(part) / len(around)
        if share >= SMALLEST:
            gaps.append(_gap(inside, share, directions, names, subject))
    ordered = tuple(sorted(gaps, key=lambda gap: -gap.share))
    return Coverage(subject, directions, names, 1 - len(bare) / len(around), ordered)


def nearest(
    around: Float[np.ndarray, "D 3"], directions: Float[np.ndarray, "N 3"]
) -> tuple[Float[np.ndarray, " D"], Int[np.ndarray, " D"]]:
    """How far, in degrees, the nearest of some directions are, and which; all of length 1."""
    chord, which = cKDTree(directions).query(around)
    return np.degrees(2 * np.arcsin(np.minimum(chord / 2, 1.0))), which


def _parts(directions: Float[np.ndarray, "B 3"]) -> list[np.ndarray]:
    """Indices of directions that hang together."""
    if len(directions) == 0:
        return []
    pairs = cKDTree(directions).query_pairs(2 * np.sin(np.radians(NEXT) / 2), output_type="ndarray")
    ones = np.ones(len(pairs), bool)
    graph = coo_array((ones, (pairs[:, 0], pairs[:, 1])), shape=2 * (len(directions),))
    count, part = connected_components(graph, directed=False)
    return [np.flatnonzero(part == number) for number in range(count)]


def _gap(
    inside: Float[np.ndarray, "B 3"],
    share: float,
    directions: Float[np.ndarray, "N 3"],
    names: tuple[str, ...],
    subject: Subject,
) -> Gap:
    """A gap, named by where it is seen from."""
    angle, which = nearest(inside, directions)
    middle = int(angle.argmax())
    near, far = int(which[middle]), float(angle[middle])
    mean = inside.mean(axis=0)
    mean = mean / max(float(np.linalg.norm(mean)), 1e-9)
    return Gap(share, mean, _called(inside, mean, subject), names[near], far)


def elevation(direction: Float[np.ndarray, " 3"], subject: Subject) -> float:
    """Degrees above the level plane through the subject."""
    up = subject.world_from_level[:, 2]
    return float(np.degrees(np.arcsin(np.clip(direction @ up, -1, 1))))


def _called(inside: Float[np.ndarray, "B 3"], mean: np.ndarray, subject: Subject) -> str:
    """A gap's name: from below, from above, or from a side of the world."""
    height = elevation(mean, subject)
    heights = np.degrees(np.arcsin(np.clip(inside @ subject.world_from_level[:, 2], -1, 1)))
    if np.percentile(heights, 90) < 5 and height < LOW:
        return "from below"
    if np.percentile(heights, 10) > -5 and height > STEEP:
        return "from above"
    if len(inside) > HALF * DIRECTIONS:
        return f"but {_side(-mean)}"
    side = _side(mean)
    return f"{side}, {_reach(heights)}" if _reach(heights) else side


def _side(direction: Float[np.ndarray, " 3"]) -> str:
    axis = int(np.abs(direction).argmax())
    return f"from the side of {'-' if direction[axis] < 0 else '+'}{'xyz'[axis]}"


def _reach(heights: Float[np.ndarray, " B"]) -> str:
    low, high = np.percentile(heights, [5, 95])
    words = ["below"] * bool(low < -45) + ["above"] * bool(high > 45)
    return " and ".join(words)


def check_coverage(coverage: Coverage | None) -> list[Finding]:
    """A finding for each gap; those from below, where a subject stands, are notes."""
    if coverage is None:
        what = "cameras do not look at one subject: from where it was photographed is not told"
        return [Finding("note", "coverage", what)]
    found = []
    for gap in coverage.gaps:
        what = (
            f"no photo {gap.name} ({gap.share:.0%} of all directions; up to "
            f"{gap.farthest:.0f} degrees from the nearest one): {GUESSES}"
        )
        low = gap.name == "from below"
        fix = "take some from there, if it matters"
        found.append(Finding("note" if low else "warning", "coverage", what, (gap.nearest,), fix))
    told = f"photos cover {coverage.share:.0%} of the directions around the subject"
    return [*found, Finding("note", "coverage", told)]
