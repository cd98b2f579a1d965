"""Small closed meshes with flat faces and known properties, for studies and tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rayfield.core.types import Mesh


def cube() -> Mesh:
    """The cube [-0.8, 0.8]^3, 12 triangles."""
    square = [(-0.8, -0.8), (0.8, -0.8), (0.8, 0.8), (-0.8, 0.8)]
    return prism(square, [(0, 1, 2), (0, 2, 3)], height=1.6)


def l_prism() -> Mesh:
    """A prism over an L: a cube of side 1.6 without a quarter; one edge bends inwards."""
    outline = [(-0.8, -0.8), (0.8, -0.8), (0.8, 0.0), (0.0, 0.0), (0.0, 0.8), (-0.8, 0.8)]
    return prism(outline, [(0, 1, 2), (0, 2, 3), (0, 3, 5), (3, 4, 5)], height=1.6)


def frame() -> Mesh:
    """A square frame, of genus 1: sides 1.6 outside, 0.8 inside, height 0.4."""
    outer = [(-0.8, -0.8), (0.8, -0.8), (0.8, 0.8), (-0.8, 0.8)]
    inner = [(x / 2, y / 2) for x, y in outer]
    corners = [(k, (k + 1) % 4) for k in range(4)]
    triangles = [t for a, b in corners for t in ((a, b, 4 + b), (a, 4 + b, 4 + a))]
    return prism(outer, triangles, height=0.4, holes=[inner])


def star() -> Mesh:
    """The star of eight points that two tetrahedra make (Kepler's stella octangula), 24 faces."""
    axes = 0.8 * np.concatenate([np.eye(3), -np.eye(3)])
    vertices, faces = list(axes), []
    for x in (0, 3):
        for y in (1, 4):
            for z in (2, 5):
                ring = (x, y, z) if (x + y + z) % 2 else (x, z, y)
                faces += [(ring[k], ring[(k + 1) % 3], len(vertices)) for k in range(3)]
                vertices.append(axes[x] + axes[y] + axes[z])
    return Mesh(np.array(vertices), np.array(faces, np.int32))


def prism(
    outline: Sequence[tuple[float, float]],
    triangles: Sequence[tuple[int, int, int]],
    *,
    height: float,
    holes: Sequence[Sequence[tuple[float, float]]] = (),
) -> Mesh:
    """The prism over a polygon, counter-clockwise, from z = -height / 2 to height / 2.

    `triangles` fill it, also counter-clockwise; they count the outline's corners first, then those
    of its holes, whose outlines are counter-clockwise too.
    """
    loops = [list(outline), *map(list, holes)]
    flat = np.array([corner for loop in loops for corner in loop], float)
    n = len(flat)
    ends = [np.column_stack([flat, np.full(n, z)]) for z in (-height / 2, height / 2)]
    faces = [(c, b, a) for a, b, c in triangles]
    faces += [(a + n, b + n, c + n) for a, b, c in triangles]
    first = 0
    for number, loop in enumerate(loops):
        for k in range(len(loop)):
            a, b = first + k, first + (k + 1) % len(loop)
            a, b = (a, b) if number == 0 else (b, a)
            faces += [(a, b, b + n), (a, b + n, a + n)]
        first += len(loop)
    return Mesh(np.concatenate(ends), np.array(faces, np.int32))
