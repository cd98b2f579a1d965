"""The uniform Laplacian of a mesh, and smooth coordinates by solving with it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csc_array, diags_array
from scipy.sparse.linalg import splu


def adjacency(faces: Int[np.ndarray, "F 3"], vertices: int) -> csc_array:
    """1 where two vertices share an edge, sparse [V V]."""
    pairs = np.concatenate([faces[:, (0, 1)], faces[:, (1, 2)], faces[:, (2, 0)]]).astype(np.int64)
    a, b = np.concatenate([pairs, pairs[:, ::-1]]).T
    links = csc_array((np.ones(len(a)), (a, b)), shape=(vertices, vertices))
    links.sum_duplicates()  # not every version of scipy has done it
    links.data[:] = 1.0
    return links


def uniform_laplacian(faces: Int[np.ndarray, "F 3"], vertices: int) -> csc_array:
    """Degree minus adjacency: symmetric, and 0 for a constant."""
    links = adjacency(faces, vertices)
    return csc_array(diags_array(np.asarray(links.sum(axis=1)).ravel()) - links)


class Smoother:
    """Solves (I + strength L) x = u for a mesh's uniform Laplacian L, factored once."""

    def __init__(self, faces: Int[np.ndarray, "F 3"], vertices: int, strength: float) -> None:
        identity = diags_array(np.ones(vertices))
        self.matrix = csc_array(identity + strength * uniform_laplacian(faces, vertices))
        self._factor = splu(self.matrix, permc_spec="MMD_AT_PLUS_A")

    def solve(self, values: Float[np.ndarray, "V C"]) -> Float[np.ndarray, "V C"]:
        """x for right-hand sides u; as the matrix is symmetric, also gradients for gradients."""
        return self._factor.solve(values.astype(np.float64))

    def apply(self, values: Float[np.ndarray, "V C"]) -> Float[np.ndarray, "V C"]:
        """u for x: the inverse of `solve`."""
        return self.matrix @ values.astype(np.float64)
