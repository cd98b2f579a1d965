"""How exactly a zero set is a mesh: what is measured, and that it can fail."""

from __future__ import annotations

import torch

from rayfield.geometry import solids
from rayfield.geometry.exactness import exactness

COUNT = 4000


def cube(points):
    return points.abs().amax(dim=1) - 0.8


def test_the_exact_function_passes_and_its_points_are_counted(generator):
    told = []
    found = exactness(cube, solids.cube(), COUNT, generator=generator, report=told.append)
    assert found.surface_points == COUNT + 8 + 36
    assert found.surface_error < 1e-15
    assert (found.volume_points, found.sign_errors) == (COUNT, 0)
    assert (found.far_points, found.far_errors) == (COUNT // 8, 0)
    assert found.slope_error == 0
    assert told == sorted(told)
    assert told[-1] == 1


def test_each_kind_of_fault_is_seen(generator):
    def measured(field):
        return exactness(field, solids.cube(), COUNT, generator=generator)

    assert measured(lambda p: cube(p) + 1e-6).surface_error > 9e-7
    assert measured(lambda p: 2 * cube(p)).slope_error == 1
    assert measured(lambda p: -cube(p)).sign_errors == COUNT

    def sheet(points):
        """Zero at x = 0 inside, though it has no volume: only 0 there, the sign is right."""
        return torch.where(points[:, 0].abs() < 0.01, 0.0 * points[:, 0], cube(points))

    assert measured(sheet).sign_errors > 0

    def beyond(points):
        return torch.minimum(cube(points), (points - 50.0).abs().amax(dim=1) - 45.0)

    assert measured(beyond).far_errors > 0
