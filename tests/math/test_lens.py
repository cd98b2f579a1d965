"""Truths about lenses: closed forms, round trips, and where they cannot be inverted."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rayfield.math.lens import (
    distort,
    fisheye_angle,
    fisheye_radius,
    padded,
    undistort,
    widest_angle,
)
from rayfield.math.rays import pixel_grid

LENSES = {
    "none": (),
    "phone": (0.0578421, -0.0805099, -0.000980296, 0.00015575),
    "barrel": (-0.28, 0.09, 0.001, -0.002, -0.012),
    "rational": (0.9, 0.3, 0.0005, 0.0003, 0.02, 1.2, 0.5, 0.06),
    "eighth power": (0.05, -0.02, 0.0, 0.0, 0.01, 0.0, 0.0, 0.0, 0.004),
}
FISHEYES = {
    "equidistant": (),
    "phone": (0.06, -0.012, 0.004, -0.0008),
    "action camera": (-0.0107, 0.0034, -0.0011),
    "one": (0.1,),
}
FOCAL = torch.tensor([44.0, 45.0], dtype=torch.float64)


def seen_by(width: int, height: int, dtype: torch.dtype) -> torch.Tensor:
    """The pixels of a picture on the plane z = 1, before any distortion is undone."""
    middle = torch.tensor([31.2, 16.4], dtype=dtype)
    return (pixel_grid(width, height, dtype=dtype) - middle) / FOCAL.to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("lens", LENSES.values(), ids=LENSES.keys())
def test_undistorting_then_distorting_is_exact_within_a_ten_thousandth_of_a_pixel(lens, dtype):
    seen = seen_by(61, 35, dtype)
    k = padded(lens).to(dtype)
    plane = undistort(seen, k)
    assert plane.dtype == dtype
    assert ((distort(plane, k) - seen) * FOCAL).abs().max() < 1e-4


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("k", FISHEYES.values(), ids=FISHEYES.keys())
def test_a_fisheyes_angles_lead_back_to_a_ten_thousandth_of_a_pixel(k, dtype):
    focal = 1000.0
    widest = 0.999 * min(widest_angle(k), 3.0)
    angles = torch.linspace(0, widest, 5000, dtype=torch.float64)
    radius = fisheye_radius(angles, k).to(dtype)
    found = fisheye_angle(radius, k)
    assert found.dtype == dtype
    error = fisheye_radius(found.double(), k) - radius.double()
    assert (error * focal).abs().max() < (1e-4 if dtype == torch.float64 else 1e-3)
    if dtype == torch.float64:
        assert (found - angles).abs().max() < 1e-9


def test_first_radial_coefficient_alone_adds_k1_r_cubed():
    angle = torch.linspace(0, 6, 9, dtype=torch.float64)
    r = 0.7
    points = r * torch.stack([angle.cos(), angle.sin()], dim=-1)
    assert torch.allclose(distort(points, padded((0.1,))), points * (1 + 0.1 * r**2))


def test_the_ninth_coefficient_is_that_of_the_eighth_power():
    points = torch.tensor([[0.6, 0.0], [0.0, 0.9]], dtype=torch.float64)
    found = distort(points, padded((*[0.0] * 8, 0.2)))
    assert found.norm(dim=1).tolist() == pytest.approx([r * (1 + 0.2 * r**8) for r in (0.6, 0.9)])


def test_tangential_coefficients_act_as_opencv_writes_them():
    k = padded((0.0, 0.0, 0.01, 0.02))
    x, y = 0.3, -0.2
    r2 = x * x + y * y
    expected = [
        x + 2 * 0.01 * x * y + 0.02 * (r2 + 2 * x * x),
        y + 0.01 * (r2 + 2 * y * y) + 2 * 0.02 * x * y,
    ]
    got = distort(torch.tensor([[x, y]], dtype=torch.float64), k)
    assert got.tolist()[0] == pytest.approx(expected, abs=1e-15)


def test_a_fisheyes_radius_is_its_polynomial_in_the_angle():
    k = (0.06, -0.012, 0.004, -0.0008)
    t = 0.8
    expected = t + k[0] * t**3 + k[1] * t**5 + k[2] * t**7 + k[3] * t**9
    got = fisheye_radius(torch.tensor([t], dtype=torch.float64), k)
    assert float(got) == pytest.approx(expected, abs=1e-15)


def test_undistorting_beyond_the_fold_is_nan_and_before_it_exact():
    # r (1 + k1 r^2) has its maximum 2/3 r* at r* = sqrt(-1 / (3 k1))
    k = padded((-0.5,))
    fold = 2 / 3 * math.sqrt(1 / 1.5)
    radii = torch.tensor([0.2, 0.97, 0.999, 1.001, 1.2, 5.0], dtype=torch.float64) * fold
    points = torch.stack([0.6 * radii, 0.8 * radii], dim=-1)
    plane = undistort(points, k)
    assert plane[3:].isnan().all()
    assert torch.allclose(distort(plane[:3], k), points[:3], atol=1e-9)
    assert (plane[:3].norm(dim=-1) < math.sqrt(1 / 1.5)).all()


def test_a_fisheye_beyond_its_fold_is_nan_and_before_it_exact():
    k = (-0.5,)
    widest = math.sqrt(1 / 1.5)
    assert widest_angle(k) == pytest.approx(widest, rel=1e-12)
    radii = torch.tensor([0.2, 0.97, 0.999, 1.001, 5.0], dtype=torch.float64) * 2 / 3 * widest
    angle = fisheye_angle(radii, k)
    assert angle[3:].isnan().all()
    assert (angle[:3] < widest).all()
    assert torch.allclose(fisheye_radius(angle[:3], k), radii[:3], atol=1e-12)


def test_no_fisheye_sees_farther_than_straight_behind_itself():
    assert widest_angle(()) == math.pi
    radii = torch.tensor([math.pi - 1e-3, math.pi + 1e-3], dtype=torch.float64)
    assert fisheye_angle(radii, ()).isnan().tolist() == [False, True]


def test_undistorting_never_lands_on_a_branch_beyond_a_fold():
    # falls after r = 0.8 and rises again: the far branch reaches the same radii
    k = padded((-0.6, 0.12))
    radii = torch.linspace(0, 3, 400, dtype=torch.float64)
    image = distort(torch.stack([radii, torch.zeros_like(radii)], dim=-1), k)[:, 0]
    fold = radii[int((image.diff() < 0).int().argmax())]
    x = torch.linspace(0.0, 1.5, 200, dtype=torch.float64)
    plane = undistort(torch.stack([x, torch.zeros_like(x)], dim=-1), k)[:, 0]
    found = plane[~plane.isnan()]
    assert len(found) > 10
    assert (found <= fold + 1e-2).all()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e300, 1e300), min_size=4, max_size=4))
def test_whatever_the_coefficients_an_angle_is_found_on_the_first_branch_or_none(k):
    lens = tuple(k)
    radii = torch.linspace(0, 4, 50, dtype=torch.float64)
    angle = fisheye_angle(radii, lens)
    found = angle[~angle.isnan()]
    assert (found >= 0).all()
    assert (found <= widest_angle(lens) * (1 + 1e-9)).all()
    assert (found.diff() >= -1e-9).all()


def test_missing_coefficients_are_zero():
    assert padded((0.1, 0.2)).tolist() == [0.1, 0.2, *[0.0] * 7]


def test_nothing_to_undistort_gives_nothing():
    assert undistort(torch.zeros(0, 2), padded(LENSES["phone"])).shape == (0, 2)
    assert fisheye_angle(torch.zeros(0), ()).shape == (0,)


@pytest.mark.parametrize(
    ("model", "parameters", "kind", "coefficients"),
    [
        ("OPENCV_FISHEYE", (0.06, -0.012, 0.004, -0.0008), "fisheye", (0.06, -0.012, 0.004, -8e-4)),
        ("FULL_OPENCV", LENSES["rational"], "perspective", LENSES["rational"]),
        ("OPENCV", LENSES["phone"], "perspective", LENSES["phone"]),
    ],
)
def test_lenses_are_colmaps(model, parameters, kind, coefficients):
    """Against another implementation, where it is installed."""
    pycolmap = pytest.importorskip("pycolmap")
    lens = pycolmap.Camera(model=model, width=64, height=36, params=[1.0, 1.0, 0, 0, *parameters])
    rng = np.random.default_rng(0)
    plane = rng.uniform(-0.6, 0.6, (200, 2))
    expected = np.array(
        [np.ravel(lens.img_from_cam(np.array([x, y, 1.0])[None])) for x, y in plane]
    )
    points = torch.from_numpy(plane)
    if kind == "perspective":
        got = distort(points, padded(coefficients))
    else:
        radius = points.norm(dim=1)
        scale = fisheye_radius(radius.atan(), coefficients) / radius
        got = points * scale[:, None]
    assert np.abs(got.numpy() - expected).max() < 1e-12
