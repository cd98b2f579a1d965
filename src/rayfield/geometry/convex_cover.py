"""A solid as a union of OVERLAPPING open convex pieces, each bounded by planes of its faces.

Why there is one: let p be inside. All face planes that do not pass through p cut off an open
convex cell C around it. No face A meets C: if p is off A's plane, C lies on one side of it. Else A
within C can end only at planes through p, so it is a part of a cone with apex p; then A would reach
p, which is not on the surface. There are finitely many such cells, and together they are the
interior. Two pieces that only touch would leave a sheet between them; here a point of that sheet
has a piece of its own around it.

So the interior is where min over pieces of max over their planes of (n.x + c) is negative, the
surface exactly where it is zero. Pieces are grown as large as may be: planes are taken nearest face
first, then dropped again where no face comes in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Generator

from rayfield.core.check import RayfieldError
from rayfield.geometry.polyhedron import ROUNDING, Polyhedron, inside, polygon_distance

ON_PLANE = 1e-9  # nearer points are taken to lie on a plane
POOL = 4096  # random points of each kind in a round
CLEAN = 3  # rounds in a row without a point left over, after which random search ends
ROUNDS = 200
COMPARED = 64  # points of which the deepest is taken next

Piece = Int[np.ndarray, "_"]
"""Half-spaces of a solid (see geometry/polyhedron.py) whose intersection is meant."""


def clip(
    polygons: Float[np.ndarray, "F K 3"], halfspace: Float[np.ndarray, " 4"]
) -> tuple[Float[np.ndarray, "G L 3"], Bool[np.ndarray, " F"]]:
    """The parts of convex polygons in a half-space n.x + c < 0, and which have one.

    Polygons have K corners, the last repeated where there are fewer (Sutherland & Hodgman 1974).
    """
    height = polygons @ halfspace[:3] + halfspace[3]
    alive = (height < -ROUNDING).any(axis=1)
    polygons, height = polygons[alive], height[alive]
    cut = (height > ROUNDING).any(axis=1)
    if not cut.any():
        return polygons, alive
    here, low = polygons[cut], height[cut]
    there, high = np.roll(here, -1, axis=1), np.roll(low, -1, axis=1)
    crosses = low * high < 0
    share = np.where(crosses, low / np.where(crosses, low - high, 1), 0)
    meeting = here + share[..., None] * (there - here)
    corners = np.stack([here, meeting], axis=2).reshape(len(here), -1, 3)
    kept = np.stack([low <= 0, crosses], axis=2).reshape(len(here), -1)
    count = kept.sum(axis=1)
    size = max(int(count.max()), polygons.shape[1])
    order = np.argsort(~kept, axis=1, kind="stable")
    chosen = np.minimum(np.arange(size)[None], count[:, None] - 1)
    pad = np.repeat(polygons[:, -1:], size - polygons.shape[1], axis=1)
    out = np.concatenate([polygons, pad], axis=1)
    index = np.take_along_axis(order, chosen, axis=1)
    out[cut] = np.take_along_axis(corners, index[..., None], axis=1)
    return out, alive


def piece_at(solid: Polyhedron, point: Float[np.ndarray, " 3"]) -> Piece:
    """A large open convex piece of the solid around a point inside it.

    Raises RayfieldError where rounding hides on which side of a face the point is.
    """
    m = len(solid.planes)
    height = solid.planes[:, :3] @ point + solid.planes[:, 3]
    own = np.where(height < 0, np.arange(m), np.arange(m) + m)  # the half-spaces around the point
    apart = abs(height) > ON_PLANE
    toward = solid.halfspaces[own]
    polygons, planes, taken = solid.corners, solid.plane_of, np.zeros(m, bool)
    while len(polygons):
        nearest = int(polygon_distance(polygons, point).argmin())
        plane = int(planes[nearest])
        if not apart[plane]:  # the point lies on its plane: another one that cuts most of it off
            left = (polygons[nearest] @ toward[:, :3].T + toward[:, 3]).min(axis=0)
            plane = int(np.where(apart & ~taken, left, -np.inf).argmax())
        if taken[plane] or not apart[plane]:
            raise RayfieldError(f"no convex piece of the solid around {point.tolist()} was found")
        taken[plane] = True
        polygons, alive = clip(polygons, toward[plane])
        planes = planes[alive]
    return _enlarged(solid, own[taken], abs(height[taken]))


def _enlarged(solid: Polyhedron, piece: Piece, distance: Float[np.ndarray, _]) -> Piece:
    """The piece without the planes that no face needs, nearest planes tried first."""
    forms = solid.halfspaces[piece]
    # whether a plane alone keeps a face out: [faces, planes]
    height = np.einsum("fck,pk->fcp", solid.corners, forms[:, :3]) + forms[:, 3]
    out = (height >= -ROUNDING).all(axis=1)
    kept = np.ones(len(piece), bool)
    for index in np.argsort(distance).tolist():
        kept[index] = False
        polygons = solid.corners[~out[:, kept].any(axis=1)]
        for form in forms[kept]:
            polygons, _ = clip(polygons, form)
        kept[index] = len(polygons) > 0
    return piece[kept]


def uncovered(
    solid: Polyhedron, pieces: Iterable[Piece], points: Float[np.ndarray, "N 3"]
) -> Bool[np.ndarray, " N"]:
    """Which points are in no piece."""
    height = solid.planes[:, :3] @ points.T + solid.planes[:, 3:]
    within = np.concatenate([height < 0, height > 0])  # [half-spaces, points]
    covered = np.zeros(len(points), bool)
    for piece in pieces:
        covered |= within[piece].all(axis=0)
    return ~covered


def extend(solid: Polyhedron, pieces: list[Piece], points: Float[np.ndarray, "N 3"]) -> int:
    """Add pieces until the given points, all inside, are covered; how many were not before.

    Deep points come first: their pieces are large. Raises RayfieldError as `piece_at` does.
    """
    points = points[uncovered(solid, pieces, points)]
    left = len(points)
    while len(points):
        some = points[:: max(1, len(points) // COMPARED)]
        depth = [polygon_distance(solid.corners, point).min() for point in some]
        deepest = some[int(np.argmax(depth))]
        pieces.append(piece_at(solid, deepest))
        rest = uncovered(solid, pieces[-1:], points)
        points = points[rest & (points != deepest).any(axis=1)]
    return left


def cover_randomly(
    solid: Polyhedron,
    *,
    generator: Generator,
    report: Callable[[float, int], None] = lambda done, pieces: None,
) -> list[Piece]:
    """Pieces until random points find no gap: points in the box, near faces, edges and corners.

    `report` is told of how much is done, in [0, 1], and the number of pieces.
    """
    pieces: list[Piece] = []
    clean = 0
    for turn in range(ROUNDS):
        points = random_points(solid, POOL, generator=generator)
        points = points[uncovered(solid, pieces, points)]
        found = extend(solid, pieces, points[inside(solid, points)])
        clean = 0 if found else clean + 1
        report(max(clean / CLEAN, 1 - 0.8**turn), len(pieces))
        if clean == CLEAN:
            break
    return pieces


def random_points(solid: Polyhedron, n: int, *, generator: Generator) -> Float[np.ndarray, "N 3"]:
    """`n` points in the box around the solid, and as many off its faces, edges and corners.

    Distances off the surface are spread evenly in their logarithm, from 1e-4 to 0.1.
    """
    corners = torch.from_numpy(solid.corners)

    def uniform(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    low, high = corners.amin(dim=(0, 1)), corners.amax(dim=(0, 1))
    places = [low + (high - low) * uniform(n, 3)]
    edges = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    areas = torch.linalg.cross(*edges).norm(dim=1)
    for used in (3, 2, 1):  # corners mixed: faces, edges, vertices
        face = torch.multinomial(areas, n, replacement=True, generator=generator)
        first = (uniform(n) * 3).long()
        order = (first[:, None] + torch.arange(used)) % 3
        share = -torch.log(uniform(n, used).clamp_min(1e-300))
        share /= share.sum(dim=1, keepdim=True)
        at = (corners[face[:, None], order] * share[..., None]).sum(dim=1)
        off = torch.randn(n, 3, generator=generator, dtype=torch.float64)
        off /= off.norm(dim=1, keepdim=True)
        places.append(at + off * 10 ** (-4 + 3 * uniform(n, 1)))
    return torch.cat(places).numpy()
