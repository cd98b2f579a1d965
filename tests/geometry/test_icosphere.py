from __future__ import annotations

import numpy as np
import pytest

from rayfield.core.check import UsageError
from rayfield.geometry.icosphere import icosphere
from rayfield.geometry.mesh import area, edge_uses, euler_number, volume


@pytest.mark.parametrize("n", [0, 1, 3])
def test_it_is_a_closed_sphere_with_the_known_counts(n):
    mesh = icosphere(n, radius=2.0)
    assert len(mesh.vertices) == 10 * 4**n + 2
    assert len(mesh.faces) == 20 * 4**n
    assert (edge_uses(mesh)[1] == 2).all()
    assert euler_number(mesh) == 2
    np.testing.assert_allclose(np.linalg.norm(mesh.vertices, axis=1), 2.0)


def test_area_and_volume_tend_to_those_of_the_ball_from_below_with_order_two():
    lost = [1 - volume(icosphere(n)) / (4 / 3 * np.pi) for n in (2, 3, 4)]
    assert all(x > 0 for x in lost)
    np.testing.assert_allclose(np.divide(lost[:-1], lost[1:]), 4, rtol=0.05)
    assert 0 < 1 - area(icosphere(4)) / (4 * np.pi) < 0.003


@pytest.mark.parametrize("n", [-1, 8])
def test_other_counts_are_refused(n):
    with pytest.raises(UsageError, match="subdivisions"):
        icosphere(n)
