"""Closed triangle meshes from lofted rings: surfaces of revolution, tubes, rods and hoops.

Lengths are in world units, z points up. Every mesh is closed and its faces are
counter-clockwise seen from outside. Needs numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
GROUND = -0.36  # height (world z) of the face the objects stand on
TAU = 2 * np.pi


@dataclass
class Mesh:
    """Triangles: vertices (V, 3), faces (F, 3) vertex indices, uv (F, 3, 2) per face corner."""

    vertices: Array
    faces: NDArray[np.int64]
    uv: Array

    def placed(self, x: float, y: float, z: float = 0.0, yaw: float = 0.0) -> Mesh:
        """Return a copy turned by `yaw` degrees about z, standing `z` above the plinth."""
        c, s = np.cos(np.radians(yaw)), np.sin(np.radians(yaw))
        turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
        return Mesh(self.vertices @ turn.T + [x, y, GROUND + z], self.faces, self.uv)


def join(meshes: list[Mesh]) -> Mesh:
    """Concatenate meshes; vertices are not merged, so each piece stays closed by itself."""
    starts = np.cumsum([0] + [len(m.vertices) for m in meshes])
    return Mesh(
        np.concatenate([m.vertices for m in meshes]),
        np.concatenate([m.faces + s for m, s in zip(meshes, starts[:-1], strict=True)]),
        np.concatenate([m.uv for m in meshes]),
    )


def loft(rings: Array, wrap: bool = False, ends: Array | None = None) -> Mesh:
    """Skin closed rings (M, N, 3): a torus if `wrap`, else capped by fans around `ends` (2, 3)."""
    m, n = rings.shape[:2]
    rows = m if wrap else m - 1
    i, j = (g.ravel() for g in np.meshgrid(np.arange(rows), np.arange(n), indexing="ij"))
    a, b = i * n + j, i * n + (j + 1) % n
    d, c = (i + 1) % m * n + j, (i + 1) % m * n + (j + 1) % n
    u0, u1, v0, v1 = j / n, (j + 1) / n, i / rows, (i + 1) / rows
    faces = [np.stack([a, b, c], 1), np.stack([a, c, d], 1)]
    uv = [np.stack([u0, v0, u1, v0, u1, v1], 1), np.stack([u0, v0, u1, v1, u0, v1], 1)]
    vertices = rings.reshape(-1, 3)
    if not wrap:
        vertices = np.concatenate([vertices, rings[[0, -1]].mean(1) if ends is None else ends])
        j = np.arange(n)
        k, first, last = (j + 1) % n, np.full(n, m * n), np.full(n, m * n + 1)
        faces += [np.stack([first, k, j], 1), np.stack([last, j + m * n - n, k + m * n - n], 1)]
        u, z = j / n, np.zeros(n)
        uv += [np.stack([u, z, u, z, u, z], 1), np.stack([u, z + 1, u, z + 1, u, z + 1], 1)]
    mesh = Mesh(vertices, np.concatenate(faces), np.concatenate(uv).reshape(-1, 3, 2))
    p = mesh.vertices[mesh.faces]
    if np.einsum("fi,fi->", p[:, 0], np.cross(p[:, 1], p[:, 2])) < 0:  # negative volume
        mesh.faces, mesh.uv = mesh.faces[:, ::-1], mesh.uv[:, ::-1]
    return mesh


def spline(points: list[tuple[float, ...]], n: int) -> Array:
    """Sample a Catmull-Rom spline through points (K, D) at n places: (n, D)."""
    p = np.asarray(points, float)
    p = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    t = np.linspace(0, len(p) - 3, n)
    i = np.minimum(t.astype(int), len(p) - 4)
    f = (t - i)[:, None]
    a, b, c, d = p[i], p[i + 1], p[i + 2], p[i + 3]
    return b + 0.5 * f * (c - a + f * (2 * a - 5 * b + 4 * c - d + f * (3 * (b - c) + d - a)))


def revolve(profile: Array, n: int, wave: float = 0.0, lobes: int = 0, twist: float = 0.0) -> Mesh:
    """Turn a profile (M, 2) of (radius, z) about z; `lobes` waves of relative height `wave`.

    The waves turn by `twist` radians per unit of height. Both profile ends close on the axis.
    """
    angle = np.arange(n) * TAU / n
    r, z = np.asarray(profile, float).T[:, :, None]
    r = r * (1 + wave * np.cos(lobes * (angle - twist * z)))
    rings = np.stack([r * np.cos(angle), r * np.sin(angle), z + 0 * angle], -1)
    return loft(rings, ends=np.array([[0, 0, z[0, 0]], [0, 0, z[-1, 0]]]))


def tube(
    path: Array, radius: float | Array, n: int, up: Array, wrap: bool = False, flat: float = 1.0
) -> Mesh:
    """Sweep an ellipse along path (M, 3); `flat` scales it along `up` ((3,) or (M, 3))."""
    tangent = np.roll(path, -1, 0) - np.roll(path, 1, 0) if wrap else np.gradient(path, axis=0)
    side = np.cross(tangent, np.broadcast_to(up, path.shape))
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    normal = np.cross(side, tangent)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    radius = np.broadcast_to(radius, len(path))[:, None, None]
    angle = (np.arange(n) * TAU / n)[:, None]
    ring = np.cos(angle) * side[:, None] + flat * np.sin(angle) * normal[:, None]
    return loft(path[:, None] + radius * ring, wrap)


def rod(start: Array, end: Array, radius: float) -> Mesh:
    """Straight round rod between two points (3,), its rims bevelled."""
    t = np.array([0, 0.006, 1 - 0.006, 1])[:, None]
    up = np.array([0.3, 0.2, 0.9]) if abs((end - start)[2]) < 0.1 else np.array([1.0, 0.2, 0.0])
    return tube(start + t * (end - start), radius * np.array([0.75, 1, 1, 0.75]), 12, up)


def hoop(major: float, minor: float, n: int, sides: int, tilt: float) -> Mesh:
    """Torus around the origin, its plane tilted by `tilt` degrees about x from horizontal."""
    t = np.arange(n) * TAU / n
    c, s = np.cos(np.radians(tilt)), np.sin(np.radians(tilt))
    path = major * np.stack([np.cos(t), c * np.sin(t), s * np.sin(t)], 1)
    return tube(path, minor, sides, np.array([0, -s, c]), wrap=True)
