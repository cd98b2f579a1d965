from __future__ import annotations

import math

import pytest
import torch

from rayfield.core.types import Rendered
from rayfield.objectives.surface_photos import CERTAIN, photo_terms, shape_terms


def seen(color, opacity) -> Rendered:
    n = len(opacity)
    count = torch.zeros(n, dtype=torch.long)
    return Rendered(torch.tensor(color), torch.tensor(opacity), torch.zeros(n), count)


def test_the_right_picture_costs_nothing_on_any_background(generator):
    rgba = torch.tensor([[0.2, 0.4, 0.6, 1.0], [0.9, 0.9, 0.9, 0.0], [0.5, 0.5, 0.5, 0.25]])
    out = seen((rgba[:, :3] * rgba[:, 3:]).tolist(), rgba[:, 3].tolist())
    terms = photo_terms(out, rgba, alpha=True, mask=0.0, generator=generator)
    assert set(terms) == {"color"}
    assert float(terms["color"]) < 1e-7


def test_a_hole_in_a_white_subject_shows_although_its_colour_is_right(generator):
    rgba = torch.ones(1000, 4)
    out = seen([[0.5] * 3] * 1000, [0.5] * 1000)
    color = photo_terms(out, rgba, alpha=True, mask=0.0, generator=generator)["color"]
    assert abs(float(color) - 0.25) < 0.01  # mean |0.5 + 0.5 U - 1|


def test_photos_without_alpha_are_compared_as_they_are(generator):
    out = seen([[0.5, 0.0, 0.25]], [0.5])
    terms = photo_terms(
        out, torch.tensor([[0.5, 0.3, 0.0, 1.0]]), alpha=False, mask=1.0, generator=generator
    )
    assert set(terms) == {"color"}
    assert float(terms["color"]) == pytest.approx((0.3 + 0.25) / 3)


def test_mask_term_is_the_cross_entropy_and_stays_finite(generator):
    rgba = torch.tensor([[0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]])
    out = seen([[0.0] * 3] * 2, [0.25, 1.0])
    terms = photo_terms(out, rgba, alpha=True, mask=2.0, generator=generator)
    expected = 2.0 * 0.5 * (math.log(4) - math.log(CERTAIN))
    assert float(terms["mask"]) == pytest.approx(expected, rel=1e-3)  # float32 near 1


def test_what_is_left_of_a_lost_surface_draws_it_back(generator):
    """An opacity of exp(-f / width) is drawn back however far f is; one of 0 says nothing."""
    f = torch.tensor([0.1, 0.5, 5.0], requires_grad=True)
    opacity = torch.exp(-f / 0.02)
    count = torch.zeros(3, dtype=torch.long)
    out = Rendered(torch.zeros(3, 3), opacity, torch.zeros(3), count)
    covered = torch.tensor([[0.0, 0.0, 0.0, 1.0]] * 3)
    photo_terms(out, covered, alpha=True, mask=1.0, generator=generator)["mask"].backward()
    torch.testing.assert_close(f.grad[:2], torch.full((2,), 1 / 0.02 / 3), rtol=0.01, atol=0)
    assert f.grad[2] == 0


def test_shape_terms_in_closed_form():
    gradient = torch.tensor([[3.0, 0, 0], [0, 1.0, 0]])
    here, nearby = torch.tensor([[1.0, 0, 0], [0, 1, 0]]), torch.tensor([[0.0, 1, 0], [0, 1, 0]])
    terms = shape_terms(gradient, (here, nearby), slope=0.5, bending=0.1)
    assert float(terms["eikonal"]) == pytest.approx(0.5 * 0.5 * 4)
    assert float(terms["bending"]) == pytest.approx(0.1 * 2 / 2)
    none = torch.zeros(0, 3)
    assert float(shape_terms(gradient, (none, none), slope=1.0, bending=1.0)["bending"]) == 0
