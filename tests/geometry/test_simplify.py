"""Fewer faces: closed as before, with the same tunnels and pieces, and near where they were."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rayfield.core.check import RayfieldError, UsageError
from rayfield.core.types import Mesh
from rayfield.geometry import simplify as module
from rayfield.geometry.distance import MeshDistance
from rayfield.geometry.icosphere import icosphere
from rayfield.geometry.intersections import self_intersections
from rayfield.geometry.marching import extract
from rayfield.geometry.mesh import report, vertex_normals, volume
from rayfield.geometry.simplify import simplify
from rayfield.geometry.solids import cube, frame

RING = (0.6, 0.25)


def ring(points: torch.Tensor) -> torch.Tensor:
    """Signed distance of a torus and of a small ball beside it."""
    around = torch.stack([points[:, :2].norm(dim=1) - RING[0], points[:, 2]], dim=1)
    ball = (points - torch.tensor([0.0, 0.0, 0.7])).norm(dim=1) - 0.2
    return torch.minimum(around.norm(dim=1) - RING[1], ball)


def meshed(resolution: int = 40) -> Mesh:
    box = {"box_min": (-1.0,) * 3, "box_max": (1.0,) * 3}
    return extract(ring, level=0.0, inside="below", resolution=resolution, **box)


@pytest.mark.parametrize("count", [2000, 500, 150])
def test_a_closed_mesh_stays_closed_with_its_tunnels_and_pieces(count):
    whole = meshed()
    small, crossings = simplify(whole, count)
    before, after = report(whole), report(small, crossings=True)
    assert count * 0.9 <= after["faces"] <= count
    for measure in ("boundary_edges", "nonmanifold_edges", "euler_number", "components"):
        assert after[measure] == before[measure], measure
    assert after["self_intersections"] == crossings == 0
    np.testing.assert_allclose(small.normals, vertex_normals(small))


def test_the_surface_stays_where_it_was():
    whole = meshed()
    small = simplify(whole, 1000).mesh
    assert volume(small) == pytest.approx(volume(whole), rel=0.01)
    assert MeshDistance(whole).unsigned(small.vertices).max() < 0.01
    assert MeshDistance(small).unsigned(whole.vertices).max() < 0.02


def test_flat_sides_lose_all_faces_that_say_nothing():
    box = {"box_min": (-0.5,) * 3, "box_max": (0.5, 0.25, 0.5)}
    half = extract(lambda p: p[:, 0] - 0.2, level=0.0, inside="below", resolution=12, **box)
    small = simplify(half, 12).mesh
    assert len(small.faces) == 12
    assert volume(small) == pytest.approx(0.7 * 0.75, rel=1e-3)


@pytest.mark.parametrize(("scale", "shift"), [(1e-6, 0.0), (1e4, 1e7)])
def test_size_and_place_do_not_matter(scale, shift):
    whole = meshed(24)
    moved = Mesh(whole.vertices * scale + shift, whole.faces)
    small, there = simplify(whole, 400).mesh, simplify(moved, 400).mesh
    np.testing.assert_allclose((there.vertices - shift) / scale, small.vertices, atol=1e-5)


def test_a_mesh_within_the_budget_stays_as_it_is():
    mesh = cube()
    assert simplify(mesh, 12).mesh is mesh


def test_what_cannot_get_smaller_gets_as_small_as_it_can():
    found = simplify(frame(), 4).mesh
    assert report(found)["euler_number"] == 0
    assert report(found)["boundary_edges"] == 0
    assert len(found.faces) > 4


def test_faces_that_would_cross_are_collapsed_in_another_order(monkeypatch):
    calls = []
    collapsed = module._collapsed

    def spy(mesh: Mesh, faces: int, *, watched: bool) -> Mesh:
        calls.append(watched)
        return collapsed(mesh, faces, watched=watched)

    # two curved sheets close to each other: reduced carelessly, they pass through each other
    shell = icosphere(3)
    inner = Mesh(0.98 * shell.vertices, shell.faces[:, ::-1])
    both = Mesh(
        np.concatenate([shell.vertices, inner.vertices]),
        np.concatenate([shell.faces, inner.faces + len(shell.vertices)]),
    )
    monkeypatch.setattr(module, "_collapsed", spy)
    found = simplify(both, 600)
    assert self_intersections(collapsed(both, 600, watched=False)) > 0
    assert len(found.mesh.faces) == 600
    assert calls == [False, True]
    assert found.crossings == 0
    assert report(found.mesh)["boundary_edges"] == 0


def test_impossible_requests_are_refused():
    with pytest.raises(UsageError, match="3 faces enclose nothing"):
        simplify(cube(), 3)
    mesh = cube()
    three = Mesh(
        np.concatenate([mesh.vertices, [[3.0, 3, 3]]]),
        np.concatenate([mesh.faces, [[*mesh.faces[0, :2], 8]]]).astype(np.int32),
    )
    with pytest.raises(RayfieldError, match="1 edges of more than two faces"):
        simplify(three, 6)
