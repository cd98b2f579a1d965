"""COLMAP's form: folders, rescaled pictures, agreement with what COLMAP itself observed."""

from __future__ import annotations

import shutil
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from rayfield.core.check import DataError
from rayfield.core.types import Camera
from rayfield.data import colmap, colmap_text
from rayfield.data.colmap_binary import read_cameras, read_images, read_points
from rayfield.data.colmap_model import (
    MODELS,
    ONE_FOCAL,
    ONE_FOCAL_FISHEYE,
    SUPPORTED,
    ColmapCamera,
    ColmapImage,
    camera_of,
    lens_of,
)
from rayfield.math.rays import camera_directions, pixel_grid, project

WIDE = (0.06, -0.012, 0.004, -0.0008)


def test_points_project_where_colmap_saw_them(data_dir):
    root = data_dir / "colmap_cup"
    capture = colmap.read(root)
    ids, positions, _, _ = read_points(root / "sparse" / "0" / "points3D.bin")
    row = {int(key): i for i, key in enumerate(ids)}
    seen = {image.name: image for image in read_images(root / "sparse" / "0" / "images.bin")}
    errors = []
    for frame in capture.frames:
        image = seen[frame.name.removeprefix("images/")]
        matched = image.observed_points >= 0
        points = positions[[row[int(key)] for key in image.observed_points[matched]]]
        pixels, depth = project(frame.camera, torch.from_numpy(points))
        assert (depth > 0).all()
        errors.append(np.linalg.norm(pixels.numpy() - image.observed[matched], axis=1))
    assert sum(len(e) for e in errors) > 20_000
    assert np.median(np.concatenate(errors)) < 1.5


def test_the_model_may_lie_directly_in_sparse(tmp_path, ring, pictures, writers):
    pictures(tmp_path, ring)
    writers["colmap"](tmp_path, ring, folder="sparse")
    assert len(colmap.read(tmp_path).frames) == 11


def test_of_several_models_the_largest_is_used_and_named(capture_dir, make_ring, writers):
    root = capture_dir("colmap")
    writers["colmap"](root, make_ring(4), folder="sparse/1")
    capture = colmap.read(root)
    assert len(capture.frames) == 11
    assert "2 models: sparse/0 with 11 images is used" in capture.notes


def test_smaller_pictures_rescale_the_intrinsics(capture_dir):
    root = capture_dir("colmap")
    for path in (root / "images").iterdir():
        Image.open(path).reduce(2).save(path)
    capture = colmap.read(root)
    camera = capture.frames[0].camera
    assert (camera.width, camera.height, camera.fx, camera.cy) == (12, 8, 15.0, 3.75)
    assert any("11 of 11 listed images are 12x8" in note for note in capture.notes)


def test_without_a_folder_images_the_first_reduced_one_is_taken(capture_dir):
    root = capture_dir("colmap")
    (root / "images").rename(root / "images_1")
    assert colmap.read(root).frames[0].name == "images_1/img0.png"


def test_pictures_without_pose_and_poses_without_picture_are_noted(capture_dir):
    root = capture_dir("colmap")
    (root / "images" / "img3.png").rename(root / "images" / "stray.png")
    notes = colmap.read(root).notes
    assert "1 of 11 listed images do not exist: img3.png" in notes
    assert "1 images have no pose (not used): stray.png" in notes


@pytest.mark.parametrize(
    ("model", "parameters", "expected"),
    [
        (0, (30.0, 12.0, 8.0), (30.0, 30.0, 12.0, 8.0)),
        (1, (30.0, 31.0, 12.0, 8.0), (30.0, 31.0, 12.0, 8.0)),
        (2, (30.0, 12.0, 8.0, 0.1), (30.0, 30.0, 12.0, 8.0, 0.1)),
        (3, (30.0, 12.0, 8.0, 0.1, 0.2), (30.0, 30.0, 12.0, 8.0, 0.1, 0.2)),
        (
            6,
            (30.0, 31.0, 12.0, 8.0, 0.1, 0.2, 0.01, 0.02, 0.3, 0.01, 0.02, 0.03),
            (30.0, 31.0, 12.0, 8.0, 0.1, 0.2, 0.01, 0.02, 0.3, 0.01, 0.02, 0.03),
        ),
        (5, (30.0, 31.0, 12.0, 8.0, *WIDE), (30.0, 31.0, 12.0, 8.0, *WIDE, "fisheye")),
        (8, (30.0, 12.0, 8.0, 0.1), (30.0, 30.0, 12.0, 8.0, 0.1, "fisheye")),
        (9, (30.0, 12.0, 8.0, 0.1, 0.2), (30.0, 30.0, 12.0, 8.0, 0.1, 0.2, "fisheye")),
        (14, (30.0, 12.0, 8.0), (30.0, 30.0, 12.0, 8.0, "fisheye")),
        (15, (30.0, 31.0, 12.0, 8.0), (30.0, 31.0, 12.0, 8.0, "fisheye")),
    ],
)
def test_supported_lens_models_become_opencv_coefficients(
    model, parameters, expected, capture_dir, write_lens
):
    root = capture_dir("colmap")
    write_lens(root, model, parameters)
    camera = colmap.read(root).frames[0].camera
    kind = () if camera.lens == "perspective" else (camera.lens,)
    assert (camera.fx, camera.fy, camera.cx, camera.cy, *camera.distortion, *kind) == expected


@pytest.mark.parametrize("model", [0, 1, 2, 3, 4, 5, 6, 8, 9, 14, 15])
def test_every_lens_model_becomes_one_of_colmaps_again(model):
    name, count = MODELS[model]
    focal = (30.0,) if name in (*ONE_FOCAL, *ONE_FOCAL_FISHEYE) else (30.0, 31.0)
    rest = tuple(0.01 * (i + 1) for i in range(count - len(focal) - 2))
    lens = ColmapCamera(name, 24, 16, (*focal, 12.5, 7.5, *rest))
    image = ColmapImage(
        "x", 1, np.array([1.0, 0, 0, 0]), np.zeros(3), np.empty((0, 2)), np.empty(0, np.int64)
    )
    camera = camera_of(lens, image, Path("m"))
    again = camera_of(lens_of(camera), image, Path("m"))
    pixels = pixel_grid(24, 16)
    assert torch.equal(camera_directions(camera, pixels), camera_directions(again, pixels))


def test_a_lens_that_colmap_has_not_is_told():
    camera = Camera(24, 16, 30.0, 30.0, 12.0, 8.0, np.eye(4), (*[0.0] * 8, 0.1))
    with pytest.raises(ValueError, match="r\\^8"):
        lens_of(camera)


@pytest.fixture
def write_lens():
    def write(root, model, parameters):
        head = struct.pack("<QiiQQ", 1, 7, model, 24, 16)
        lens = struct.pack(f"<{len(parameters)}d", *parameters)
        (root / "sparse" / "0" / "cameras.bin").write_bytes(head + lens)

    return write


def as_text(root, folder="sparse/0"):
    """Write the binary model of a folder as text beside it."""
    sparse = root / folder
    lenses = read_cameras(sparse / "cameras.bin")
    lines = [
        f"{key} {lens.model} {lens.width} {lens.height} {' '.join(map(repr, lens.parameters))}"
        for key, lens in lenses.items()
    ]
    (sparse / "cameras.txt").write_text("# cameras\n" + "\n".join(lines) + "\n")
    lines = []
    for number, image in enumerate(read_images(sparse / "images.bin"), start=1):
        pose = " ".join(repr(float(x)) for x in (*image.quaternion, *image.translation))
        seen = zip(image.observed.tolist(), image.observed_points.tolist(), strict=True)
        lines += [f"{number} {pose} {image.camera} {image.name}"]
        lines += [" ".join(f"{x!r} {y!r} {point}" for (x, y), point in seen)]
    (sparse / "images.txt").write_text("\n".join(lines))
    points = read_points(sparse / "points3D.bin")
    lines = [
        f"{key} {' '.join(map(repr, place))} {' '.join(map(str, color))} {error!r} 1 0"
        for key, place, color, error in zip(*(column.tolist() for column in points), strict=True)
    ]
    (sparse / "points3D.txt").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_text_model_is_the_binary_one(end, capture_dir):
    root = capture_dir("colmap")
    binary = colmap.read(root)
    as_text(root)
    for path in (root / "sparse" / "0").iterdir():
        if path.suffix == ".bin":
            path.unlink()
        else:
            path.write_text(path.read_text(), newline=end)
    text = colmap.read(root)
    assert [f.name for f in text.frames] == [f.name for f in binary.frames]
    for a, b in zip(text.frames, binary.frames, strict=True):
        assert np.array_equal(a.camera.pose, b.camera.pose)
        assert replace(a.camera, pose=b.camera.pose) == b.camera
    assert np.array_equal(text.points, binary.points)
    assert np.array_equal(text.sparse.colors, binary.sparse.colors)
    assert text.notes == binary.notes


def test_of_a_text_and_a_binary_model_the_binary_is_read_and_that_is_said(capture_dir):
    root = capture_dir("colmap")
    as_text(root)
    path = root / "sparse" / "0" / "images.txt"
    path.write_text("\n".join(path.read_text().split("\n")[:6]))  # three images
    capture = colmap.read(root)
    assert len(capture.frames) == 11
    assert "0 holds a binary and a text model: the binary one is read, not images.txt" in (
        capture.notes
    )


def test_the_real_text_model_is_the_binary_one(data_dir, tmp_path):
    (tmp_path / "sparse").mkdir()
    shutil.copytree(data_dir / "colmap_cup" / "sparse" / "0", tmp_path / "sparse" / "0")
    as_text(tmp_path)
    sparse = tmp_path / "sparse" / "0"
    assert colmap_text.read_cameras(sparse / "cameras.txt") == read_cameras(sparse / "cameras.bin")
    for a, b in zip(
        colmap_text.read_images(sparse / "images.txt"),
        read_images(sparse / "images.bin"),
        strict=True,
    ):
        assert (a.name, a.camera) == (b.name, b.camera)
        for one, other in zip(a[2:], b[2:], strict=True):
            assert np.array_equal(one, other)
    text, binary = (
        colmap_text.read_points(sparse / "points3D.txt"),
        read_points(sparse / "points3D.bin"),
    )
    for one, other in zip(text, binary, strict=True):
        assert np.array_equal(one, other)


def test_sightings_are_where_points_project(data_dir):
    capture = colmap.read(data_dir / "colmap_cup")
    seen = capture.sparse.sightings
    assert len(seen.frame) > 20_000
    errors = []
    for number, frame in enumerate(capture.frames):
        mine = seen.frame == number
        pixels, _ = project(frame.camera, torch.from_numpy(capture.points[seen.point[mine]]))
        errors.append(np.linalg.norm(pixels.numpy() - seen.pixel[mine], axis=1))
    assert np.median(np.concatenate(errors)) < 1.5
    assert capture.sparse.colors.shape == (9262, 3)


def test_files_of_rigs_change_nothing(capture_dir):
    """The poses in images.bin are those of the pictures, also where rigs were estimated."""
    root = capture_dir("colmap")
    before = colmap.read(root)
    for name in ("rigs.bin", "frames.bin"):
        (root / "sparse" / "0" / name).write_bytes(b"whatever")
    after = colmap.read(root)
    assert all(
        np.array_equal(a.camera.pose, b.camera.pose)
        for a, b in zip(before.frames, after.frames, strict=True)
    )


def test_a_list_of_test_images_beside_the_model_is_the_split(capture_dir):
    root = capture_dir("colmap")
    (root / "sparse" / "0" / "test.txt").write_text("img3.png\nimg5.png\r\n\nabsent.png\n")
    capture = colmap.read(root)
    held = [frame.name for frame in capture.frames if frame.split == "test"]
    assert held == ["images/img3.png", "images/img5.png"]
    assert "1 images held out have no pose: absent.png" in capture.notes


def test_the_model_may_lie_where_nerfstudio_keeps_it(capture_dir):
    root = capture_dir("colmap")
    (root / "colmap").mkdir()
    (root / "sparse").rename(root / "colmap" / "sparse")
    assert len(colmap.read(root).frames) == 11


@pytest.mark.parametrize("model", [m for m, _ in MODELS.values() if m not in SUPPORTED])
def test_a_lens_that_is_not_read_is_refused_by_name_with_those_that_are(model):
    """Never taken for a pinhole; of a panorama, what to do instead."""
    counts = dict(MODELS.values())
    lens = ColmapCamera(model, 12, 8, (15.0,) * counts[model])
    image = ColmapImage(
        "a.png", 1, np.array([1.0, 0, 0, 0]), np.zeros(3), np.zeros((0, 2)), np.zeros(0, int)
    )
    with pytest.raises(DataError, match=f"the camera model {model} is not supported") as caught:
        camera_of(lens, image, Path("cameras.bin"))
    if model == "EQUIRECTANGULAR":
        assert "cut perspective views" in caught.value.fix
    else:
        assert all(known in caught.value.fix for known in SUPPORTED)
