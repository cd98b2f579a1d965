"""The bounded reader of COLMAP's binary files (the refusals are in tests/hostile)."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rayfield.data.colmap_binary import read_cameras, read_images, read_points
from rayfield.data.colmap_model import rotation

part = st.floats(-1, 1)


@given(st.tuples(part, part, part, part).filter(lambda q: np.linalg.norm(q) > 0.1))
def test_quaternions_rotate_as_hamilton_products(q):
    quaternion = np.array(q)
    w, v = quaternion[0], quaternion[1:]
    point = np.array([0.3, -1.2, 0.7])
    norm = quaternion @ quaternion
    # q p q* / |q|^2, written out
    turned = (2 * (v @ point) * v + (w * w - v @ v) * point + 2 * w * np.cross(v, point)) / norm
    assert np.allclose(rotation(quaternion) @ point, turned)


def test_a_model_is_read_as_written(capture_dir, ring):
    sparse = capture_dir("colmap") / "sparse" / "0"
    cameras = read_cameras(sparse / "cameras.bin")
    images = read_images(sparse / "images.bin")
    ids, points, colors, errors = read_points(sparse / "points3D.bin")
    assert cameras[7].model == "OPENCV"
    assert cameras[7].parameters == (30.0, 31.0, 12.5, 7.5, 0.05, -0.02, 0.001, -0.0005)
    assert [f"images/{image.name}" for image in images] == list(ring)
    assert images[4].observed.tolist() == [[3.0, 4.0]]
    assert images[4].observed_points.tolist() == [-1]
    assert ids.tolist() == [0, 1, 2, 3, 4]
    assert colors.tolist() == [[1, 2, 3]] * 5
    assert errors.tolist() == [0.5] * 5
    assert np.allclose(points, np.random.default_rng(1).normal((1, 2, 3), size=(5, 3)))
