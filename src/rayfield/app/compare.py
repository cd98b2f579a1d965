"""How far a mesh is from the true one."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.spatial import cKDTree

from rayfield.core.types import Mesh
from rayfield.geometry.mesh import face_normals

SAMPLES = 30_000


def sample_surface(mesh: Mesh, count: int, seed: int) -> Float[np.ndarray, "N 3"]:
    """Points spread evenly over the surface, at random."""
    rng = np.random.default_rng(seed)
    areas = np.linalg.norm(face_normals(mesh), axis=1)
    face = rng.choice(len(areas), count, p=areas / areas.sum())
    a, b = np.sqrt(rng.random(count)), rng.random(count)
    weights = np.stack([1 - a, a * (1 - b), a * b], axis=1)
    return np.einsum("pc,pck->pk", weights, mesh.vertices[mesh.faces[face]])


def distances(found: Mesh, true: Mesh) -> dict[str, float]:
    """Accuracy (found to true), completeness (true to found) and their mean, in the units of the
    meshes: `chamfer_l1_onet`, Mescheder et al. 2019 (unsquared distances)."""
    ours, theirs = sample_surface(found, SAMPLES, 0), sample_surface(true, SAMPLES, 1)
    accuracy = float(cKDTree(theirs).query(ours)[0].mean())
    completeness = float(cKDTree(ours).query(theirs)[0].mean())
    return {
        "accuracy": accuracy,
        "completeness": completeness,
        "chamfer_l1_onet": 0.5 * (accuracy + completeness),
    }
