from __future__ import annotations

import numpy as np
import torch

from rayfield.fields.hashgrid import HashGrid
from rayfield.fields.sdf_grid import SDFGrid
from rayfield.geometry.guide import make_guide
from rayfield.objectives.surface_fit import DETAIL, Fit, fit_terms

RADIUS = 0.35  # in sides of the cube


def case(noise: float = 0.0):
    """A field that is a sphere's distance exactly, points of that sphere, and their guide."""
    random = np.random.default_rng(0)
    normals = random.normal(size=(5000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    points = 0.5 + RADIUS * normals + noise * random.normal(size=normals.shape)
    grid = HashGrid(levels=6, features=4, entries=1 << 10, base=4, finest=128)
    field = SDFGrid(grid, 8, radius=RADIUS)
    with torch.no_grad():
        grid.table.zero_()
    given, unit = (torch.from_numpy(x[:500]).float() for x in (points, normals))
    return field, given, unit, Fit(make_guide(points, normals), 1.0, 0.1, 100)


def test_terms_nearly_vanish_for_the_exact_distance():
    field, points, normals, fit = case()
    generator = torch.Generator().manual_seed(0)
    found = fit_terms(field, points, normals, fit=fit, step=0, generator=generator)
    assert float(found["surface"].detach()) < 1e-6
    assert float(found["normals"].detach()) < 1e-6
    assert float(found["eikonal"].detach()) < 1e-6
    assert float(found["free"].detach()) < 0.05
    assert 0 < float(found["bending"].detach()) < 0.01  # a sphere is bent


def test_levels_come_with_the_steps_and_end_at_what_the_noise_allows():
    for noise in (0.0, 0.006):
        field, points, normals, fit = case(noise)
        finest = field.levels_within(DETAIL / max(fit.guide.noise, 1e-9))
        seen = []
        for step in (0, 50, 100, 500):
            generator = torch.Generator().manual_seed(0)
            fit_terms(field, points, normals, fit=fit, step=step, generator=generator)
            seen.append(int(field.active))
        assert seen == sorted(seen)
        assert seen[-1] == finest
        assert seen[0] < finest
        assert finest == 6 if noise == 0 else finest < 6


def test_noisy_points_count_less_where_their_normals_are_given():
    field, points, normals, fit = case(0.006)
    found = []
    for given in (True, False):
        weights = fit._replace(guide=fit.guide._replace(given=given))
        generator = torch.Generator().manual_seed(0)
        terms = fit_terms(field, points, normals, fit=weights, step=0, generator=generator)
        found.append(float(terms["surface"].detach()))
    assert 0 < found[0] < 0.5 * found[1]
