"""Continuous piecewise-linear functions as min-max of affine forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rayfield.math.min_max import MinMax, distinct, evaluate, lattice


def l_shape():
    """A continuous function on a triangulated square, zero exactly on the border of an L.

    The square [-2, 2]^2 is cut into 8 x 8 cells of two triangles; the L is [-1, 1]^2 without the
    quadrant of both coordinates positive. Corners are worth -1 inside, 0 on the border, 1 outside;
    a triangle with three corners on the border would be zero everywhere, and its middle is worth
    +-1. Returns the affine pieces, one for each (split) triangle, and the function.
    """
    grid = np.arange(9) / 2 - 2.0
    corners, forms, triangles = [], [], []
    for x in grid[:-1]:
        for y in grid[:-1]:
            a, b, c, d = (x, y), (x + 0.5, y), (x + 0.5, y + 0.5), (x, y + 0.5)
            triangles += [(a, b, c), (a, c, d)]

    def worth(p):
        x, y = p
        solid = max(abs(x), abs(y)) <= 1 and (x <= 0 or y <= 0)
        on_inner = (x == 0 and 0 <= y <= 1) or (y == 0 and 0 <= x <= 1)
        on_outer = solid and max(abs(x), abs(y)) == 1
        return 0.0 if on_inner or on_outer else -1.0 if solid else 1.0

    for triangle in triangles:
        values = [worth(p) for p in triangle]
        middle = tuple(np.mean(triangle, axis=0))
        parts = [(triangle, values)]
        if not any(values):
            parts = []
            for k in range(3):
                pair = (triangle[k], triangle[(k + 1) % 3])
                parts.append(((*pair, middle), [0.0, 0.0, worth(middle)]))
        for part, value in parts:
            matrix = np.column_stack([np.array(part), np.ones(3)])
            forms.append(np.linalg.solve(matrix, value))
            corners.append(part)
    forms, corners = torch.tensor(np.array(forms)), torch.tensor(np.array(corners))

    def function(points):
        """Brute force: the form of the triangle that a point is in."""
        ones = torch.ones(len(corners), 3, 1, dtype=torch.float64)
        inverse = torch.linalg.inv(torch.cat([corners, ones], dim=2))
        homogeneous = torch.cat([points, torch.ones(len(points), 1, dtype=torch.float64)], dim=1)
        weights = torch.einsum("nd,tdk->ntk", homogeneous, inverse)
        triangle = weights.amin(dim=2).argmax(dim=1)
        return (homogeneous * forms[triangle]).sum(dim=1)

    return forms, function


def some_points(n, generator):
    return (torch.rand(n, 2, generator=generator, dtype=torch.float64) - 0.5) * 4


def test_the_value_is_the_smallest_of_the_largest(generator):
    forms = torch.randn(6, 4, generator=generator, dtype=torch.float64)
    groups = ((0, 1), (2,), (1, 3, 5, 4))
    points = torch.randn(50, 3, generator=generator, dtype=torch.float64)
    found = evaluate(MinMax(forms, groups), points)
    for point, value in zip(points, found, strict=True):
        values = [float(form[:3] @ point + form[3]) for form in forms]
        assert float(value) == pytest.approx(min(max(values[i] for i in g) for g in groups))


def test_forms_that_repeat_are_dropped():
    forms, _ = l_shape()
    few = distinct(forms)
    assert len(forms) > 128
    assert len(few) < len(forms) / 4
    gaps = (forms[:, None] - few[None]).abs().amax(dim=2).amin(dim=1)
    assert float(gaps.max()) < 1e-9


def test_the_lattice_form_is_nowhere_below_and_equal_on_the_cells_it_was_given(generator):
    """Theorem: of any set of sample points (C12, turned upside down)."""
    forms, function = l_shape()
    few = distinct(forms)
    fresh = some_points(3000, generator)
    for count in (1, 5, 20):
        given = some_points(count, generator)
        found = lattice(few, function, given)
        assert torch.allclose(evaluate(found, given), function(given), rtol=0, atol=1e-12)
        assert float((function(fresh) - evaluate(found, fresh)).max()) < 1e-12
    assert float((evaluate(found, fresh) - function(fresh)).max()) > 0.01  # 20 points are too few


def test_the_lattice_form_is_exact_once_no_test_point_fails(generator):
    forms, function = l_shape()
    few = distinct(forms)
    found = lattice(few, function, some_points(20_000, generator))
    fresh = some_points(20_000, generator)
    assert float((evaluate(found, fresh) - function(fresh)).abs().max()) < 1e-12
    assert len(found.groups) < 40
    assert not any(set(a) < set(b) for a in found.groups for b in found.groups)


def test_touching_pieces_leave_a_sheet_and_overlapping_ones_do_not():
    """The trap (C13): two cubes glued at x = 1, as pieces and as one longer box."""
    forms = torch.tensor(
        [
            [-1.0, 0, 0, 0], [1, 0, 0, -1], [-1, 0, 0, 1], [1, 0, 0, -2],
            [0, -1, 0, 0], [0, 1, 0, -1], [0, 0, -1, 0], [0, 0, 1, -1],
        ],
        dtype=torch.float64,
    )  # fmt: skip
    sides = (4, 5, 6, 7)
    middle = torch.tensor([[1.0, 0.5, 0.5]], dtype=torch.float64)
    touching = MinMax(forms, ((0, 1, *sides), (2, 3, *sides)))
    assert float(evaluate(touching, middle)) == 0.0
    overlapping = MinMax(forms, (*touching.groups, (0, 3, *sides)))
    assert float(evaluate(overlapping, middle)) == -0.5
