"""LLFF's poses_bounds.npy: axes, sizes, bounds, and every way it can be wrong."""

from __future__ import annotations

import contextlib
import io
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from rayfield.core.check import DataError
from rayfield.data import llff
from rayfield.data.detect import read_capture
from rayfield.data.load import load_scene
from rayfield.math.rays import camera_rays

COUNT, WIDTH, HEIGHT = 5, 24, 16


def rows_of(cameras, *, near=2.0, far=9.0):
    """The 17 numbers of each camera: columns down, right, back, centre, (H, W, f)."""
    rows = []
    for camera in cameras:
        right, down, forward, centre = camera.pose[:3].T
        sizes = np.array([camera.height, camera.width, camera.fx])
        matrix = np.stack([down, right, -forward, centre, sizes], axis=1)
        rows.append([*matrix.reshape(-1), near, far])
    return np.array(rows)


def facing(count=COUNT):
    """Rows of cameras side by side that look along the world's +y, content from 2 away."""
    rows = []
    for i in range(count):
        right, down, back = [1.0, 0, 0], [0.0, 0, -1], [0.0, -1, 0]
        centre = [0.1 * i, 0.02 * i, 0.05 * (i % 2)]
        matrix = np.stack([down, right, back, centre, [HEIGHT, WIDTH, 30.0]], axis=1)
        rows.append([*matrix.reshape(-1), 2.0 + 0.1 * i, 9.0])
    return np.array(rows)


@pytest.fixture
def root(tmp_path):
    """A sound data set of forward-facing cameras."""
    np.save(tmp_path / llff.FILE, facing())
    (tmp_path / "images").mkdir()
    rng = np.random.default_rng(0)
    for i in range(COUNT):
        pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"img{i}.png")
    return tmp_path


def test_cameras_return_from_their_rows(ring):
    for camera in ring.values():
        (row,) = rows_of([camera])
        got = llff.camera_of(row, Path(llff.FILE), "x")
        assert np.allclose(got.pose, camera.pose, atol=1e-12)
        assert (got.width, got.height, got.fx) == (camera.width, camera.height, camera.fx)
        assert (got.cx, got.cy) == (camera.width / 2, camera.height / 2)


def test_rays_are_those_of_the_released_code(data_dir):
    """poses[:, [1, -0, 2]], then ((i - W/2)/f, -(j - H/2)/f, -1), at pixel centres."""
    path = data_dir / "llff_poses" / "fern.npy"
    rows = llff.read_poses_bounds(path)
    assert rows.shape == (20, 17)
    pixels = torch.tensor([[0.5, 0.5], [4000.5, 17.5], [2016.0, 1512.0]], dtype=torch.float64)
    for row in rows:
        matrix = row[:15].reshape(3, 5)
        height, width, focal = matrix[:, 4]
        c2w = np.stack([matrix[:, 1], -matrix[:, 0], matrix[:, 2]], axis=1)
        i, j = pixels.numpy().T
        local = np.stack([(i - width / 2) / focal, -(j - height / 2) / focal, -np.ones(3)], axis=1)
        wanted = local @ c2w.T
        wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
        origins, directions = camera_rays(llff.camera_of(row, path, "x"), pixels)
        np.testing.assert_allclose(directions.numpy(), wanted, atol=1e-9)
        np.testing.assert_allclose(origins[0].numpy(), matrix[:, 3])


def test_a_folder_of_poses_and_images_is_read_as_llff(root):
    capture = read_capture(root)
    assert capture.format == "llff"
    assert [frame.name for frame in capture.frames] == [f"images/img{i}.png" for i in range(COUNT)]
    assert capture.nearest == 2.0
    assert len(load_scene(root).split("test")) == 1


def test_rows_follow_the_sorted_names(root):
    (root / "images" / "img0.png").rename(root / "images" / "z.png")
    frames = {frame.name: frame for frame in read_capture(root).frames}
    assert frames["images/img1.png"].camera.pose[0, 3] == 0
    assert frames["images/z.png"].camera.pose[0, 3] == pytest.approx(0.4)


def test_reduced_images_rescale_the_intrinsics(root):
    for path in (root / "images").iterdir():
        Image.open(path).resize((WIDTH // 4, HEIGHT // 4)).save(path)
    (root / "images").rename(root / "images_4")
    capture = read_capture(root)
    camera = capture.frames[0].camera
    assert (camera.width, camera.height, camera.fx) == (6, 4, 7.5)
    assert "rescaled" in capture.notes[0]


def test_the_cup_agrees_with_its_colmap_model(data_dir):
    """Both describe the same cameras, each in a world of its own."""
    rows = llff.read_poses_bounds(data_dir / "colmap_cup" / llff.FILE)
    model = read_capture(data_dir / "colmap_cup")
    cameras = {frame.name: frame.camera for frame in model.frames}
    names = sorted(cameras)
    assert len(rows) == len(names)
    ours = [
        llff.camera_of(row, Path(llff.FILE), name) for row, name in zip(rows, names, strict=True)
    ]
    theirs = [cameras[name] for name in names]
    a, b = (np.stack([camera.pose for camera in found]) for found in (ours, theirs))
    gaps = [np.linalg.norm(x[:, None, :3, 3] - x[None, :, :3, 3], axis=-1) for x in (a, b)]
    scale = gaps[0].sum() / gaps[1].sum()
    np.testing.assert_allclose(gaps[0], scale * gaps[1], atol=1e-3 * gaps[0].max())
    turns = [np.einsum("mji,njk->mnik", x[:, :3, :3], x[:, :3, :3]) for x in (a, b)]
    np.testing.assert_allclose(*turns, atol=1e-3)


def pickled():
    stream = io.BytesIO()
    np.save(stream, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return stream.getvalue()


def changed(row, column, value):
    rows = facing()
    rows[row, column] = value
    return rows


BAD = {
    "no numpy file": (b"hello", "is not a NumPy array"),
    "a pickle": (pickled(), "is not a NumPy array"),
    "empty": (b"", "is not a NumPy array"),
    "wrong width": (np.zeros((COUNT, 16)), "not one row of 17"),
    "no rows": (np.zeros((0, 17)), "not one row of 17"),
    "text": (np.full((COUNT, 17), "a"), "no numbers"),
    "NaN": (changed(2, 3, np.nan), "NaN"),
    "near beyond far": (changed(1, 15, 20.0), "near 20, far 9"),
    "near of zero": (changed(1, 15, 0.0), "0 < near < far"),
    "no focal length": (changed(0, 14, 0.0), "are no camera"),
    "half a pixel": (changed(0, 9, 24.5), "are no camera"),
    "mirrored": (changed(0, 1, -1.0), "mirrored"),
    "too few rows": (facing(COUNT - 1), "poses of 4 images, but"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_refused_within_a_second_with_a_reason(case, root):
    content, says = BAD[case]
    path = root / llff.FILE
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content)
    started = time.perf_counter()
    with pytest.raises(DataError, match=says) as error:
        load_scene(root)
    assert time.perf_counter() - started < 1
    assert "\n" not in str(error.value)
    assert str(root) in str(error.value)


def test_a_header_that_claims_more_than_the_file_holds_is_refused(root):
    raw = (root / llff.FILE).read_bytes()
    (root / llff.FILE).write_bytes(raw[: len(raw) // 2])
    with pytest.raises(DataError, match="is not a NumPy array"):
        load_scene(root)
    (root / llff.FILE).write_bytes(raw.replace(b"(5, 17)", b"(555555555555, 17)"))
    with pytest.raises(DataError, match="is not a NumPy array"):
        load_scene(root)


def test_mutated_files_never_escape_as_another_error(root):
    rng = np.random.default_rng(1)
    raw = (root / llff.FILE).read_bytes()
    for _ in range(150):
        changed = bytearray(raw)
        for place in rng.integers(0, len(raw), rng.integers(1, 6)):
            changed[place % (160 if rng.random() < 0.6 else len(raw))] = rng.integers(256)
        (root / llff.FILE).write_bytes(bytes(changed))
        with contextlib.suppress(DataError):
            read_capture(root)


def test_missing_images_are_named(root):
    for path in (root / "images").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"poses of 5 images, but .* holds 0"):
        load_scene(root)
    (root / "images").rmdir()
    with pytest.raises(DataError, match="no folder of images"):
        load_scene(root)


def test_forward_facing_cameras_get_a_frustum(root):
    scene = load_scene(root)
    assert len(scene.traits.forward) == 15
    assert any("forward-facing" in note for note in scene.notes)
