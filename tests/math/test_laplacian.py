from __future__ import annotations

import numpy as np

from rayfield.geometry.icosphere import icosphere
from rayfield.math.laplacian import Smoother, adjacency, uniform_laplacian

MESH = icosphere(1)
COUNT = len(MESH.vertices)


def test_laplacian_is_degree_minus_adjacency():
    dense = np.zeros((COUNT, COUNT))
    for face in MESH.faces:
        for a in face:
            for b in face:
                dense[a, b] = a != b
    np.testing.assert_array_equal(adjacency(MESH.faces, COUNT).toarray(), dense)
    expected = np.diag(dense.sum(1)) - dense
    np.testing.assert_array_equal(uniform_laplacian(MESH.faces, COUNT).toarray(), expected)
    assert np.linalg.eigvalsh(expected).min() > -1e-12


def test_solve_inverts_apply_and_is_symmetric():
    rng = np.random.default_rng(0)
    smoother = Smoother(MESH.faces, COUNT, 19.0)
    x, y = rng.normal(size=(2, COUNT, 3))
    np.testing.assert_allclose(smoother.solve(smoother.apply(x)), x, atol=1e-12)
    np.testing.assert_allclose((smoother.solve(x) * y).sum(), (x * smoother.solve(y)).sum())


def test_a_shift_stays_and_a_spike_spreads_over_its_neighbours():
    smoother = Smoother(MESH.faces, COUNT, 19.0)
    constant = np.full((COUNT, 3), 0.7)
    np.testing.assert_allclose(smoother.solve(constant), constant)
    spike = np.zeros((COUNT, 1))
    spike[0] = 1
    found = smoother.solve(spike)
    np.testing.assert_allclose(found.sum(), 1)
    assert found.max() < 0.1
    assert found.min() > 0
