"""Poses from files: exactly rigid or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayfield.core.check import DataError
from rayfield.data.poses import rigid

PATH = Path("transforms.json")


def random_pose(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    pose = np.eye(4)
    pose[:3, :3] = q * np.sign(np.linalg.det(q))
    pose[:3, 3] = rng.normal(size=3)
    return pose


@given(seed=st.integers(0, 1000), scale=st.floats(1e-6, 1e6), noise=st.floats(0, 2e-4))
def test_rigid_returns_the_nearest_rotation(seed, scale, noise):
    pose = random_pose(seed)
    crooked = pose.copy()
    crooked[:3, :3] += noise * np.random.default_rng(seed).uniform(-1, 1, (3, 3))
    crooked[:3, :3] *= scale
    mended, _ = rigid(crooked, PATH, "f")
    assert np.allclose(mended[:3, :3] @ mended[:3, :3].T, np.eye(3), atol=1e-12)
    assert np.linalg.det(mended[:3, :3]) > 0
    assert np.abs(mended - pose).max() <= 3 * noise + 1e-12


def test_exact_poses_pass_without_remark():
    pose = random_pose(1)
    mended, remarks = rigid(pose, PATH, "f")
    assert np.allclose(mended, pose, atol=1e-14)
    assert remarks == ()


@pytest.mark.parametrize("size", [2e-3, 0.1, 10.0])
def test_shear_beyond_a_thousandth_is_refused(size):
    pose = random_pose(2)
    pose[:3, :3] = pose[:3, :3] @ np.diag([1 + size, 1, 1 - min(size, 0.5)])
    with pytest.raises(DataError, match="not orthonormal"):
        rigid(pose, PATH, "f")
