"""Triangles of cells against a loop over cells, and against an independent implementation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.measure import marching_cubes

from rayfield.geometry.cubes import CENTRE, CORNERS, EDGES, FACES, cuts
from rayfield.geometry.marching import extract
from rayfield.geometry.mesh import area, report, volume
from rayfield.geometry.nodes import WALL

N = 8


def field_of(values):
    """The values of a lattice of N + 1 nodes a side in the unit cube."""
    table = torch.from_numpy(values).flatten()

    def field(p):
        x, y, z = (N * p).round().long().unbind(1)
        return table[(x * (N + 1) + y) * (N + 1) + z]

    return field


def mesh_of(values):
    """Marching cubes of a lattice, vertices in units of cells."""
    mesh = extract(
        field_of(values),
        level=0.0,
        box_min=(0.0, 0.0, 0.0),
        box_max=(1.0, 1.0, 1.0),
        resolution=N,
        inside="above",
    )
    low = WALL / N
    return mesh, (mesh.vertices - low) / (1 - 2 * low) * N


def noise(seed):
    """Random values, outside at the border."""
    values = np.random.default_rng(seed).standard_normal((N + 1,) * 3).astype(np.float32)
    inner = np.zeros(values.shape, bool)
    inner[1:-1, 1:-1, 1:-1] = True
    return np.where(inner, values, -np.abs(values))


def by_loops(values):
    """The readable twin: triangles as corners in space, cell by cell, face by face."""
    found = []
    for cell in np.ndindex(N, N, N):
        v = {c: float(values[tuple(np.add(cell, CORNERS[c]))]) for c in range(8)}
        code = sum(1 << c for c in range(8) if v[c] > 0)
        for f, ring in enumerate(FACES):
            a, b, c, d = (v[k] for k in ring)
            if (a > 0) == (c > 0) != (b > 0) == (d > 0):
                inner, outer = (a * c, b * d) if a > 0 else (b * d, a * c)
                code |= (inner > outer) << (8 + f)
        row = cuts().row[code]
        at = {}
        for e, (low, high) in enumerate(EDGES):
            if (v[low] > 0) != (v[high] > 0):
                share = v[low] / (v[low] - v[high])
                at[e] = np.add(cell, CORNERS[low]) + share * (CORNERS[high] - CORNERS[low])
        outline = np.nonzero(cuts().outline[row])[0].tolist()
        if outline:
            at[CENTRE] = np.mean([at[e] for e in outline], axis=0)
        triangles = cuts().triangles[row, : cuts().size[row]].tolist()
        found += [[at[e] for e in triangle] for triangle in triangles]
    return np.array(found)


@pytest.mark.parametrize("seed", range(3))
def test_triangles_equal_those_of_a_loop_over_cells(seed):
    values = noise(seed)
    mesh, vertices = mesh_of(values)
    np.testing.assert_allclose(vertices[mesh.faces], by_loops(values), atol=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_noise_gives_closed_surfaces_that_look_outwards(seed):
    mesh, _ = mesh_of(noise(seed))
    found = report(mesh)
    assert found["boundary_edges"] == found["nonmanifold_edges"] == 0
    assert volume(mesh) > 0


def test_no_two_faces_share_an_edge_in_the_same_direction():
    mesh, _ = mesh_of(noise(5))
    edges = mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    assert len(np.unique(edges, axis=0)) == len(edges)


def test_vertices_are_those_of_an_independent_implementation():
    """Where the cells are unambiguous, triangles may differ but vertices, area, volume do not."""
    x = np.linspace(-1, 1, N + 1)
    values = (0.8 - np.linalg.norm(np.stack(np.meshgrid(x, x, x)), axis=0)).astype(np.float32)
    mesh, vertices = mesh_of(values)
    other, faces, _, _ = marching_cubes(values, 0.0, gradient_direction="ascent")
    assert len(vertices) == len(other)
    assert len(mesh.faces) == len(faces)
    order, same = (np.lexsort(v.round(4).T) for v in (vertices, other))
    np.testing.assert_allclose(vertices[order], other[same], atol=1e-5)
    mine, theirs = (type(mesh)(v, f) for v, f in ((vertices, mesh.faces), (other, faces)))
    assert area(mine) == pytest.approx(area(theirs), rel=2e-3)
    assert volume(mine) == pytest.approx(volume(theirs), rel=2e-3)


@pytest.mark.parametrize(("strength", "pieces"), [(0.5, 2), (2.0, 1)])
def test_two_corners_across_a_face_are_joined_where_the_saddle_is_inside(strength, pieces):
    """The bilinear saddle between values s, -1, s, -1 is inside if s > 1."""
    values = np.full((N + 1,) * 3, -1, np.float32)
    values[4, 4, 4] = values[5, 5, 4] = strength
    mesh, _ = mesh_of(values)
    assert report(mesh)["components"] == pieces


def test_corners_at_the_very_level_make_no_degenerate_triangles():
    """Small whole numbers: a third of the nodes lie on the surface."""
    values = np.random.default_rng(1).integers(-1, 2, (N + 1,) * 3).astype(np.float32)
    values[[0, -1]] = values[:, [0, -1]] = values[:, :, [0, -1]] = -1
    mesh, _ = mesh_of(values)
    found = report(mesh)
    assert found["boundary_edges"] == found["nonmanifold_edges"] == 0
    assert volume(mesh) > 0
