"""Membranes over rims: flat where the rim is, the mean of neighbours everywhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rayfield.geometry import membrane
from rayfield.geometry.icosphere import icosphere
from rayfield.geometry.membrane import inner, patches, spanned
from rayfield.geometry.mesh import vertex_normals


@pytest.fixture
def ball():
    mesh = icosphere(4)
    return replace(mesh, normals=vertex_normals(mesh))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def neighbours(mesh):
    found = [set() for _ in mesh.vertices]
    for face in mesh.faces.tolist():
        for a in face:
            found[a] |= set(face) - {a}
    return found


def test_a_flat_rim_is_spanned_flat_and_the_normals_follow(ball):
    low = ball.vertices[:, 2] < -0.3
    vertices = ball.vertices.copy()
    rim = ~low & (vertices[:, 2] < -0.1)
    vertices[rim, 2] = -0.3
    free = low
    flat = spanned(replace(ball, vertices=vertices), free)
    assert np.allclose(flat.vertices[free, 2], -0.3, atol=1e-9)
    assert np.array_equal(flat.vertices[~free], vertices[~free])
    middle = free & (np.hypot(*flat.vertices[:, :2].T) < 0.5)
    assert middle.sum() > 20
    assert (flat.normals[middle, 2] < -0.99).all()
    assert np.array_equal(flat.normals[~free], ball.normals[~free])


def test_what_moves_lies_at_the_mean_of_its_neighbours(ball, rng):
    free = ball.vertices[:, 2] < rng.uniform(-0.5, 0.2)
    moved = spanned(ball, free).vertices
    for vertex, links in enumerate(neighbours(ball)):
        if free[vertex]:
            assert np.allclose(moved[vertex], moved[list(links)].mean(axis=0), atol=1e-9)


def test_a_patch_too_wide_for_its_rounds_ends_on_the_way(ball, monkeypatch):
    free = ball.vertices[:, 2] < -0.3
    there = spanned(ball, free).vertices
    away = []
    for rounds in (2, 8, 32):
        monkeypatch.setattr(membrane, "ROUNDS", rounds)
        away.append(np.abs(spanned(ball, free).vertices - there).max())
    assert np.abs(ball.vertices - there).max() > away[0] > away[1] > away[2] > 0


def test_nothing_free_is_nothing_moved(ball):
    assert spanned(ball, np.zeros(len(ball.vertices), bool)) is ball


def test_the_inner_vertices_are_rings_away_from_others(ball, rng):
    marked = rng.random(len(ball.vertices)) < 0.97
    links, twin = neighbours(ball), marked.copy()
    for _ in range(2):
        twin = np.array([twin[v] and all(twin[u] for u in links[v]) for v in range(len(twin))])
    assert 0 < twin.sum() < marked.sum()
    assert np.array_equal(inner(ball, marked, rings=2), twin)


def test_patches_are_connected_large_and_have_a_rim(ball):
    n = len(ball.vertices)
    two = replace(
        ball,
        vertices=np.concatenate([ball.vertices, ball.vertices + 5]),
        faces=np.concatenate([ball.faces, ball.faces + n]),
        normals=None,
    )
    marked = np.zeros(2 * n, bool)
    marked[n:] = True  # a whole component: no rim holds it
    marked[:n] = ball.vertices[:, 2] > 0.5
    lone = int(ball.vertices[:, 2].argmin())
    marked[lone] = True  # a speck
    found = patches(two, marked, share=0.01)
    expected = marked.copy()
    expected[n:] = expected[lone] = False
    assert np.array_equal(found, expected)
