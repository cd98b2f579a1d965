"""Pictures of small solids and cuts of their functions."""

from __future__ import annotations

import numpy as np
import torch

from rayfield.fields.piecewise_linear import network_of
from rayfield.geometry import solids
from rayfield.math.min_max import MinMax
from rayfield.studies.solid_pictures import VIEW, WIDTH, cut, picture


def test_a_cube_covers_its_shadow_with_one_shade_a_side():
    shown = picture(solids.cube(), 200)
    share = (shown < 250).any(axis=2).mean()
    toward = VIEW / np.linalg.norm(VIEW)
    assert abs(share - 1.6**2 * np.abs(toward).sum() / WIDTH**2) < 0.01
    _, counts = np.unique(shown.reshape(-1, 3), axis=0, return_counts=True)
    assert (counts > 1000).sum() == 4  # three sides and the paper


def test_nearer_faces_hide_farther_ones():
    small = solids.cube()
    inner = type(small)(small.vertices / 2, small.faces)
    both = type(small)(
        np.concatenate([small.vertices, inner.vertices]),
        np.concatenate([small.faces, inner.faces + 8]),
    )
    assert np.array_equal(picture(both, 60), picture(small, 60))


def test_a_cut_goes_along_x_in_rows_and_up_y():
    forms = torch.tensor([[1.0, 10.0, 100.0, 0.0]], dtype=torch.float64)
    values = cut(network_of(MinMax(forms, ((0,),))), 0.5, 3)
    assert np.allclose(values, [[39, 40, 41], [49, 50, 51], [59, 60, 61]])
