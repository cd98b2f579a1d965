"""Pictures of meshes and distances between them."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from rayfield.app.drawing.paths import look_at
from rayfield.core.types import Camera, Mesh
from rayfield.geometry.mesh import face_normals, vertex_normals
from rayfield.render.shading import shade, visible


def sphere(radius: float, detail: int = 4) -> Mesh:
    ball = trimesh.creation.icosphere(subdivisions=detail, radius=radius)
    mesh = Mesh(np.asarray(ball.vertices), np.asarray(ball.faces).astype(np.int32))
    colors = np.full((len(mesh.vertices), 3), (200, 40, 90), np.uint8)
    return Mesh(mesh.vertices, mesh.faces, vertex_normals(mesh), colors)


POSE = look_at(np.array([3.0, 1.0, 2.0]), np.zeros(3), np.array([0.0, 0.0, 1.0]))
CAMERA = Camera(120, 120, 150.0, 150.0, 60.0, 60.0, POSE)


@pytest.mark.parametrize("detail", [1, 4])
def test_of_a_convex_body_the_faces_seen_look_at_the_camera(detail):
    mesh = sphere(0.8, detail)
    face, weights = visible(mesh, CAMERA)
    hit = face >= 0
    points = np.einsum("pc,pck->pk", weights[hit], mesh.vertices[mesh.faces[face[hit]]])
    towards = ((CAMERA.pose[:3, 3] - points) * face_normals(mesh)[face[hit]]).sum(axis=1)
    assert (towards > 0).mean() > 0.99  # at the silhouette, a pixel may catch the far side
    assert hit[40:80, 40:80].all()


def test_the_silhouette_of_a_sphere_is_a_disc():
    face, _ = visible(sphere(0.8), CAMERA)
    radius = 150.0 * np.tan(np.arcsin(0.8 / np.linalg.norm(CAMERA.pose[:3, 3])))
    seen = np.sqrt((face >= 0).sum() / np.pi)
    assert radius < seen < radius + 0.75  # a pixel counts when any part of it is hit


def test_colours_are_shown_as_they_are_and_clay_is_grey():
    mesh = sphere(0.8)
    clay, colored = shade(mesh, CAMERA)
    assert colored[60, 60].tolist() == [200, 40, 90]
    assert clay[0, 0].tolist() == [255, 255, 255]
    assert np.ptp(clay[60, 60].astype(int)) < 20
    assert clay[35, 50].mean() > clay[85, 70].mean()  # lit from above, left


def test_what_lies_behind_the_camera_is_not_drawn():
    behind = look_at(np.array([3.0, 0.0, 0.0]), np.array([6.0, 0.0, 0.0]), np.array([0.0, 0, 1]))
    face, _ = visible(sphere(0.8), Camera(60, 60, 50.0, 50.0, 30.0, 30.0, behind))
    assert (face < 0).all()
