"""How colour comes to depend on direction as a surface sharpens."""

from __future__ import annotations

import pytest

from rayfield.render.width import Width


def test_colour_depends_on_direction_by_the_logarithm_of_the_width():
    plan = Width(0.03, matte=(0.02, 0.005))
    shown = {0.03: 0.0, 0.02: 0.0, 0.01: 0.5, 0.005: 1.0, 0.001: 1.0}
    for width, expected in shown.items():
        assert plan.shine(width) == pytest.approx(expected)
    assert Width(0.03).shine(0.03) == 1.0
