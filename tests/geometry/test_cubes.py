"""The cuts of a cube against the rules that they are made from, case by case."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from rayfield.geometry.cubes import (
    AMBIGUOUS,
    CASES,
    CENTRE,
    CORNERS,
    EDGES,
    FACES,
    ambiguous,
    cuts,
    outlines,
)

MIDDLES = np.array([CORNERS[[a, b]].mean(axis=0) for a, b in EDGES])


def choices(case):
    """All ways to join the solid on the ambiguous faces of a case, as (code, faces)."""
    faces = ambiguous(case)
    for some in range(2 ** len(faces)):
        joined = [f for k, f in enumerate(faces) if some >> k & 1]
        yield case | sum(1 << f for f in joined) << 8, joined


def share_a_face(e, f):
    return CENTRE not in (e, f) and any({*EDGES[e], *EDGES[f]} <= set(ring) for ring in FACES)


def cut_of(code):
    row = cuts().row[code]
    return cuts().triangles[row, : cuts().size[row]], cuts().outline[row]


def test_exactly_the_cut_edges_carry_vertices():
    for case in range(CASES):
        cut = {e for e, (a, b) in enumerate(EDGES) if (case >> a ^ case >> b) & 1}
        for code, _ in choices(case):
            triangles, _ = cut_of(code)
            assert set(triangles.ravel().tolist()) - {CENTRE} == cut


def test_inner_sides_join_two_triangles_and_only_the_outline_lies_on_faces():
    """A side within the cube is used once each way; no side crosses a face of the cube."""
    for case in range(1, CASES - 1):
        for code, joined in choices(case):
            triangles, _ = cut_of(code)
            sides = Counter((int(t[k]), int(t[(k + 1) % 3])) for t in triangles for k in range(3))
            border = {
                (walk[k - 1], walk[k]) for walk in outlines(case, joined) for k in range(len(walk))
            }
            assert set(sides.values()) == {1}
            assert {s for s in sides if s[::-1] not in sides} == border
            assert not any(share_a_face(*s) for s in sides if s[::-1] in sides)


@pytest.mark.parametrize("corner", range(8))
def test_one_corner_inside_is_cut_off_and_the_triangle_looks_away_from_it(corner):
    (triangle,), _ = cut_of(1 << corner)
    a, b, c = MIDDLES[triangle]
    assert np.cross(b - a, c - a) @ (a - CORNERS[corner]) > 0


def test_the_cut_of_the_complement_is_the_same_outline_walked_backwards():
    for case in range(CASES):
        faces = ambiguous(case)
        assert ambiguous(CASES - 1 - case) == faces
        for _, joined in choices(case):
            parted = [f for f in faces if f not in joined]
            backwards = [walk[::-1] for walk in outlines(CASES - 1 - case, parted)]
            assert cyclic(backwards) == cyclic(outlines(case, joined))


def cyclic(walks):
    turned = [walk[walk.index(min(walk)) :] + walk[: walk.index(min(walk))] for walk in walks]
    return sorted(turned)


def test_joining_an_ambiguous_face_joins_its_two_corners():
    """Two opposite corners of a face: two triangles when parted, one band when joined."""
    a, _, c, _ = FACES[0]
    case = 1 << a | 1 << c
    assert sorted(map(len, outlines(case, []))) == [3, 3]
    assert sorted(map(len, outlines(case, ambiguous(case)))) == [6]


def test_every_possible_code_has_a_row_and_no_other():
    codes = {code for case in range(CASES) for code, _ in choices(case)}
    assert set(np.nonzero(cuts().row >= 0)[0].tolist()) == codes
    assert len(codes) == len(cuts().size)
    assert [bool(ambiguous(case)) for case in range(CASES)] == AMBIGUOUS.tolist()
