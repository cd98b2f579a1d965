"""Texels of triangles on a picture, against a test of every texel with every triangle."""

from __future__ import annotations

import numpy as np

from rayfield.geometry.texels import fill_gaps, texels

SIDE = 37


def brute_force(corners: np.ndarray) -> np.ndarray:
    """Face of every texel, -1 where there is none, by signs of areas."""
    middle = (np.arange(SIDE) + 0.5) / SIDE
    u, v = np.meshgrid(middle, 1 - middle)
    owner = np.full((SIDE, SIDE), -1)
    for face, (a, b, c) in enumerate(corners):
        signs = [
            (q[0] - p[0]) * (v - p[1]) - (q[1] - p[1]) * (u - p[0])
            for p, q in ((a, b), (b, c), (c, a))
        ]
        inside = np.all(np.array(signs) >= 0, axis=0) | np.all(np.array(signs) <= 0, axis=0)
        owner[inside] = face
    return owner


def test_every_texel_gets_the_face_its_middle_lies_on():
    generator = np.random.default_rng(2)
    middles = generator.random((1, 40, 1, 2))
    corners = np.clip(middles + 0.15 * generator.standard_normal((1, 40, 3, 2)), 0, 1)[0]
    found = texels(corners, SIDE)
    owner = np.full((SIDE, SIDE), -1)
    owner[found.row, found.column] = found.face
    expected = brute_force(corners)
    assert ((owner >= 0) == (expected >= 0)).all()
    alone = np.array([brute_force(corners[f : f + 1]) >= 0 for f in range(40)]).sum(axis=0) == 1
    np.testing.assert_array_equal(owner[alone], expected[alone])


def test_weights_lead_back_to_the_middle_of_the_texel():
    corners = np.array([[[0.05, 0.1], [0.9, 0.2], [0.3, 0.95]]])
    found = texels(corners, SIDE)
    assert len(found.row) > 300
    place = np.einsum("tc,tck->tk", found.weights, corners[found.face])
    np.testing.assert_allclose(place[:, 0], (found.column + 0.5) / SIDE, atol=1e-6)
    np.testing.assert_allclose(place[:, 1], 1 - (found.row + 0.5) / SIDE, atol=1e-6)


def test_faces_without_area_cover_nothing():
    flat = np.array([[[0.2, 0.2], [0.8, 0.8], [0.5, 0.5]], [[0.5, 0.5]] * 3])
    assert len(texels(flat, SIDE).row) == 0


def test_gaps_take_the_nearest_colour():
    corners = np.array([[[0.0, 0.0], [0.4, 0.0], [0.0, 1.0]], [[0.9, 0.0], [1.0, 0.0], [1.0, 1.0]]])
    found = texels(corners, SIDE)
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    picture[found.row, found.column] = np.where(found.face == 0, 90, 200)[:, None]
    filled = fill_gaps(picture, found)
    assert set(np.unique(filled)) == {90, 200}
    assert (filled[found.row, found.column] == picture[found.row, found.column]).all()
    assert (filled[-1, SIDE // 2] == 90).all()
    assert (filled[-1, int(0.8 * SIDE)] == 200).all()


def test_a_picture_without_faces_stays_as_it_is():
    picture = np.full((4, 4, 3), 7, np.uint8)
    assert fill_gaps(picture, texels(np.zeros((0, 3, 2)), 4)) is picture
