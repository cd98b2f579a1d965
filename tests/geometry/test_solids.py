"""The small closed meshes."""

from __future__ import annotations

import numpy as np
import pytest

from rayfield.geometry import mesh as measures
from rayfield.geometry import solids
from rayfield.geometry.polyhedron import fault


@pytest.mark.parametrize(
    ("solid", "faces", "euler", "volume"),
    [
        (solids.cube(), 12, 2, 1.6**3),
        (solids.l_prism(), 20, 2, 0.75 * 1.6**3),
        (solids.frame(), 32, 0, (1.6**2 - 0.8**2) * 0.4),
        (solids.star(), 24, 2, 0.8**3 * (4 / 3 + 8 / 3)),
    ],
)
def test_solids_are_closed_and_have_their_volume(solid, faces, euler, volume):
    assert len(solid.faces) == faces
    assert measures.euler_number(solid) == euler
    assert measures.volume(solid) == pytest.approx(volume, rel=1e-12)
    assert fault(solid) == ""
    assert np.abs(solid.vertices).max() == 0.8
