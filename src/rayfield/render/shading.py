"""Pictures of meshes, drawn on the CPU with a depth buffer."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

from rayfield.core.types import Camera, Mesh
from rayfield.geometry.mesh import face_normals

CLAY = np.array([0.80, 0.78, 0.75])
AMBIENT = 0.35
OVERSAMPLING = 2
SAMPLES = 1.4  # along an edge, per pixel of its length
FINEST = 256  # samples along an edge at most
MAX_SAMPLES = 2**22  # held in memory at a time


class Shaded(NamedTuple):
    """A mesh as clay, lit from above the camera, and in its own colours; on white."""

    clay: UInt8[np.ndarray, "H W 3"]
    colored: UInt8[np.ndarray, "H W 3"]


def shade(mesh: Mesh, camera: Camera) -> Shaded:
    """Pictures of a closed mesh with vertex normals and colours.

    The camera's pose is in the mesh's frame; its distortion is ignored.
    """
    assert mesh.normals is not None
    assert mesh.colors is not None
    fine = scaled(camera, OVERSAMPLING)
    face, weights = visible(mesh, fine)
    hit = face >= 0
    corners = mesh.faces[face[hit]]
    normals = np.einsum("pc,pck->pk", weights[hit], mesh.normals[corners])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    light = camera.pose[:3, :3] @ np.array([-0.4, -0.65, -0.65])
    lit = AMBIENT + (1 - AMBIENT) * np.clip(normals @ (light / np.linalg.norm(light)), 0, 1)
    colors = np.einsum("pc,pck->pk", weights[hit], mesh.colors[corners] / 255.0)
    return Shaded(_picture(hit, CLAY * lit[:, None]), _picture(hit, colors))


def scaled(camera: Camera, factor: int | float) -> Camera:
    """The camera of the same picture with `factor` times the pixels along each side, rounded."""
    return replace(
        camera,
        width=round(camera.width * factor),
        height=round(camera.height * factor),
        fx=camera.fx * factor,
        fy=camera.fy * factor,
        cx=camera.cx * factor,
        cy=camera.cy * factor,
    )


def _picture(hit: np.ndarray, colors: np.ndarray) -> UInt8[np.ndarray, "H W 3"]:
    """Colours of the pixels hit, on white, averaged over squares of OVERSAMPLING^2."""
    n = OVERSAMPLING
    picture = np.ones((*hit.shape, 3))
    picture[hit] = colors
    small = picture.reshape(hit.shape[0] // n, n, hit.shape[1] // n, n, 3).mean(axis=(1, 3))
    return (small * 255 + 0.5).astype(np.uint8)


class _Buffer:
    """What is nearest in every pixel so far: its depth, face and barycentric coordinates."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.depth = np.full(width * height, np.inf)
        self.face = np.full(width * height, -1)
        self.weights = np.zeros((width * height, 3))

    def add(
        self, at: np.ndarray, depth: np.ndarray, face: np.ndarray, *, weights: np.ndarray
    ) -> None:
        """Points at pixel coordinates [N, 2], of faces [N], with weights [N, 3]."""
        x, y = np.floor(at).astype(int).T
        index = np.flatnonzero((x >= 0) & (x < self.width) & (y >= 0) & (y < self.height))
        cell = y[index] * self.width + x[index]
        index, cell = (v[depth[index] < self.depth[cell]] for v in (index, cell))
        order = np.argsort(-depth[index], kind="stable")  # of one cell, the nearest comes last
        index, cell = index[order], cell[order]
        self.depth[cell] = depth[index]
        self.face[cell] = face[index]
        self.weights[cell] = weights[index]


def visible(
    mesh: Mesh, camera: Camera
) -> tuple[Int[np.ndarray, "H W"], Float[np.ndarray, "H W 3"]]:
    """The face seen in every pixel (-1: none) and the barycentric coordinates of the point seen.

    Only faces that look at the camera are seen. Triangles are sampled finer than the pixels
    rather than scan-converted, so there is no loop over them.
    """
    local = (mesh.vertices - camera.pose[:3, 3]) @ camera.pose[:3, :3]
    depth = np.maximum(local[:, 2], 1e-9)
    pixels = local[:, :2] / depth[:, None] * [camera.fx, camera.fy] + [camera.cx, camera.cy]
    corners = pixels[mesh.faces]
    edges = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    shown = (corners.max(axis=1) >= 0) & (corners.min(axis=1) < [camera.width, camera.height])
    inside = shown.all(axis=1) & (local[:, 2] > 1e-6)[mesh.faces].all(axis=1)
    inside &= (
        np.einsum(
            "fk,fk->f", face_normals(mesh), camera.pose[:3, 3] - mesh.vertices[mesh.faces[:, 0]]
        )
        > 0
    )
    samples = np.ceil(np.clip(SAMPLES * edges, 1, FINEST)).astype(int)
    buffer = _Buffer(camera.width, camera.height)
    for count in np.unique(samples[inside]).tolist():
        grid = _barycentric(count)
        group = np.flatnonzero(inside & (samples == count))
        size = max(1, MAX_SAMPLES // len(grid))
        for first in range(0, len(group), size):
            part = group[first : first + size]
            at = np.einsum("gc,fck->fgk", grid, corners[part]).reshape(-1, 2)
            z = (depth[mesh.faces[part]] @ grid.T).reshape(-1)
            buffer.add(at, z, np.repeat(part, len(grid)), weights=np.tile(grid, (len(part), 1)))
    shape = (camera.height, camera.width)
    return buffer.face.reshape(shape), buffer.weights.reshape(*shape, 3)


def _barycentric(n: int) -> Float[np.ndarray, "G 3"]:
    """Points of a triangle, n to an edge."""
    a, b = np.meshgrid(np.arange(n), np.arange(n), indexing="ij")
    keep = a + b < n
    u, v = (a[keep] + 1 / 3) / n, (b[keep] + 1 / 3) / n
    return np.stack([1 - u - v, u, v], axis=1)
