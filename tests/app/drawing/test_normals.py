"""Normals of what was learned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rayfield.app.drawing.normals import normal_colors, normal_map
from rayfield.app.learned.cameras import resized


def test_normals_of_a_density_point_outwards_in_world_axes(ball, lens):
    """The scene's x is the world's y."""
    camera = resized(lens(0.0), 64, 48)
    view = ball.look(camera)
    normals = normal_map(ball, camera, view)
    middle = normals[24, 32]
    assert np.linalg.norm(middle) == pytest.approx(1)
    outwards = np.array([0, camera.pose[0, 3], camera.pose[2, 3]])
    assert middle @ outwards / np.linalg.norm(outwards) > 0.98
    assert not normals[view.opacity == 0].any()


def test_normals_are_colours_over_the_background(ball, lens):
    camera = replace(lens(0.0))
    view = ball.look(camera)
    picture = normal_colors(normal_map(ball, camera, view), view, white=True)
    assert picture[0, 0].tolist() == [255, 255, 255]
    assert picture[24, 32, 1] > 200  # +y is green
