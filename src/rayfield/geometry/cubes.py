"""How a surface may cut a cube whose corners are inside or outside: marching cubes' cases, derived.

Lorensen and Cline 1987, with the ambiguous faces decided by the bilinear interpolant (Nielson and
Hamann 1991). *Departures:* the cases are not a table to type but follow from two rules: on every
face of the cube the cut runs from an edge where, seen from outside, a walk around the face enters
the solid to one where it leaves it; and no triangle's side crosses a face of the cube, so that two
neighbours never share more than the cut itself. Cuts are discs: where the trilinear interpolant
would make a tunnel inside one cell (Chernyaev 1995), two discs stay apart.

Corner c of a cube lies at (c & 1, c >> 1 & 1, c >> 2 & 1); edge e joins the corners EDGES[e].
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import combinations
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

CORNERS = np.array([(c & 1, c >> 1 & 1, c >> 2 & 1) for c in range(8)])
EDGES = [(c, c | 1 << axis) for axis in range(3) for c in range(8) if not c >> axis & 1]
CENTRE = len(EDGES)  # stands for the middle of a cut's outline, beside the edges 0 to 11
CASES, CHOICES = 2**8, 2**6  # which corners are inside; on which faces the solid is joined

_EDGE = {pair: e for e, (a, b) in enumerate(EDGES) for pair in ((a, b), (b, a))}


def _faces() -> Iterator[list[int]]:
    """Corners of the six faces, counter-clockwise from outside."""
    for axis in range(3):
        b, c = 1 << (axis + 1) % 3, 1 << (axis + 2) % 3
        for side in (0, 1):
            ring = [corner | side << axis for corner in (0, b, b | c, c)]
            yield ring if side else ring[::-1]


FACES = list(_faces())
_ON = [{f for f, ring in enumerate(FACES) if a in ring and b in ring} for a, b in EDGES]
_MIDDLE = [CORNERS[[a, b]].mean(axis=0) for a, b in EDGES]
# From edge to edge across the cube; infinite where the way lies on a face of it.
_WAY = [
    [
        np.inf if _ON[i] & _ON[j] else float(np.linalg.norm(_MIDDLE[i] - _MIDDLE[j]))
        for j in range(12)
    ]
    for i in range(12)
]


class Cuts(NamedTuple):
    """All cuts: `row[case | joined << 8]` leads to the others.

    `size` triangles, each three edges or CENTRE, counter-clockwise from outside the solid;
    `outline` marks the edges whose mean CENTRE is.
    """

    row: Int[np.ndarray, " C"]
    size: Int[np.ndarray, " R"]
    triangles: Int[np.ndarray, "R T 3"]
    outline: Bool[np.ndarray, "R 12"]


def ambiguous(case: int) -> list[int]:
    """Faces of whose corners two opposite ones alone are inside."""
    return [
        f
        for f, ring in enumerate(FACES)
        if [case >> corner & 1 for corner in ring] in ([0, 1, 0, 1], [1, 0, 1, 0])
    ]


def outlines(case: int, joined: Sequence[int]) -> list[list[int]]:
    """Closed walks over the cut edges, counter-clockwise from outside the solid.

    `joined`: the ambiguous faces on which the solid holds together; on the others it is parted.
    """
    after: dict[int, int] = {}
    for f, ring in enumerate(FACES):
        inside = [case >> corner & 1 for corner in ring]
        edge = [_EDGE[ring[i], ring[(i + 1) % 4]] for i in range(4)]
        leaves = [inside[i] > inside[(i + 1) % 4] for i in range(4)]
        for i in range(4):
            if inside[i] < inside[(i + 1) % 4]:
                way = -1 if f in joined else 1
                after[edge[i]] = next(
                    edge[(i + way * k) % 4] for k in (1, 2, 3) if leaves[(i + way * k) % 4]
                )
    found = []
    while after:
        walk = [min(after)]
        while (edge_after := after.pop(walk[-1])) != walk[0]:
            walk.append(edge_after)
        found.append(walk)
    return found


@cache
def triangulate(walk: tuple[int, ...]) -> tuple[tuple[int, int, int], ...] | None:
    """Triangles of an outline with the shortest sides; None if some side must cross a face."""

    @cache
    def best(i: int, j: int) -> tuple[float, tuple[tuple[int, int, int], ...]]:
        if j == i + 1:
            return 0.0, ()
        side = 0.0 if (i, j) == (0, len(walk) - 1) else _WAY[walk[i]][walk[j]]
        return min(
            (
                best(i, k)[0] + best(k, j)[0] + side,
                (*best(i, k)[1], (walk[i], walk[k], walk[j]), *best(k, j)[1]),
            )
            for k in range(i + 1, j)
        )

    total, triangles = best(0, len(walk) - 1)
    return triangles if np.isfinite(total) else None


AMBIGUOUS = np.array([bool(ambiguous(case)) for case in range(CASES)])


@cache
def cuts() -> Cuts:
    """The cuts of every case with every choice on its ambiguous faces."""
    row = np.full(CASES * CHOICES, -1, np.int16)
    triangles: list[list[tuple[int, int, int]]] = []
    outline = []
    for case in range(CASES):
        for joined in _subsets(ambiguous(case)):
            row[case | sum(1 << f for f in joined) << 8] = len(triangles)
            made: list[tuple[int, int, int]] = []
            around = np.zeros(len(EDGES), bool)
            for walk in outlines(case, joined):
                found = triangulate(tuple(walk))
                if found is None:
                    around[walk] = True
                    found = tuple(zip(walk, walk[1:] + walk[:1], [CENTRE] * len(walk), strict=True))
                made += found
            triangles.append(made)
            outline.append(around)
    size = np.array([len(made) for made in triangles])
    padded = np.zeros((len(triangles), size.max(), 3), np.int8)
    for made, into in zip(triangles, padded, strict=True):
        into[: len(made)] = np.reshape(made, (-1, 3))
    return Cuts(row, size, padded, np.array(outline))


def _subsets(faces: list[int]) -> Iterator[tuple[int, ...]]:
    for count in range(len(faces) + 1):
        yield from combinations(faces, count)
