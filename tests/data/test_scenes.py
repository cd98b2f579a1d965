"""Many scenes of a class as one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from rayfield.core.check import DataError
from rayfield.data import photo, pixels
from rayfield.data.load import load_scene
from rayfield.data.scenes import (
    TOGETHER,
    Scenes,
    ScenesSampler,
    holds_scenes,
    in_frame,
    load_scenes,
)
from rayfield.data.synthetic import toy, write_scene, write_toys
from rayfield.math.rays import ray_box

VIEWS = {"train": 6, "test": 1}


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Scenes:
    root = tmp_path_factory.mktemp("toys")
    write_toys(root, scenes=2, views=VIEWS, size=20)
    write_scene(root / "toy_010", toy(7), views={"train": 4, "test": 1}, size=20, seed=3)
    (root / ".cache").mkdir()
    return load_scenes(root)


def test_subfolders_are_the_scenes_in_natural_order(toys):
    assert toys.names == ("toy_000", "toy_001", "toy_010")
    assert toys.photos == toys.traits.photos == (6, 6, 4)
    assert toys.traits.images == 16
    assert toys.traits.bounded
    assert toys.traits.alpha


def test_cut_out_scenes_share_one_frame_with_the_world_unchanged(toys):
    first = toys.scenes[0].world_from_scene
    assert all(np.array_equal(scene.world_from_scene, first) for scene in toys.scenes)
    for scene in toys.scenes:
        for frame in scene.frames:
            world = first @ frame.camera.pose
            assert np.linalg.norm(world[:3, 3]) == pytest.approx(4)
            rotation = frame.camera.pose[:3, :3]
            np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)


def test_every_subject_lies_in_the_common_cube(toys):
    """The rays of all opaque pixels meet it."""
    for scene in toys.scenes:
        for frame in scene.split("train"):
            rays, image = pixels.view_rays(scene, frame), photo.view_image(frame)
            near, far = ray_box(rays.origins, rays.directions)
            assert (far > near)[image[..., 3].reshape(-1) > 0.5].all()


def test_the_common_cube_is_the_smallest_about_the_cubes_of_all(toys):
    corners = []
    for scene in toys.scenes:
        own = load_scene(scene.root).world_from_scene
        corners += [own[:3, 3] - own[0, 0], own[:3, 3] + own[0, 0]]
    box = np.min(corners, axis=0), np.max(corners, axis=0)
    common = toys.scenes[0].world_from_scene
    np.testing.assert_allclose(common[:3, 3], (box[0] + box[1]) / 2)
    assert common[0, 0] == pytest.approx((box[1] - box[0]).max() / 2)


def test_a_scene_read_alone_is_brought_into_the_frame_of_its_class(toys):
    of_class = toys.scenes[1]
    alone = in_frame(load_scene(of_class.root), of_class.world_from_scene)
    for one, other in zip(alone.frames, of_class.frames, strict=True):
        np.testing.assert_allclose(one.camera.pose, other.camera.pose, atol=1e-12)


def test_a_batch_shares_its_rays_among_the_scenes(toys):
    sampler = ScenesSampler(toys)
    batch = sampler.sample(200, generator=torch.Generator().manual_seed(0))
    assert batch.rgba.shape == (200, 4)
    assert all(len(x) == 200 for x in batch.rays)
    bounds = np.cumsum((0, *toys.photos))
    counts = np.histogram(batch.rays.image.numpy(), bounds)[0]
    assert sorted(counts) == [66, 67, 67]


def test_rays_of_a_batch_carry_the_number_of_their_photo(toys):
    """Their origin is that photo's camera, and their colour one of its pixels."""
    frames = [frame for scene in toys.scenes for frame in scene.split("train")]
    batch = ScenesSampler(toys).sample(64, generator=torch.Generator().manual_seed(1))
    for origin, number, rgba in zip(
        batch.rays.origins, batch.rays.image.tolist(), batch.rgba, strict=True
    ):
        centre = frames[number].camera.pose[:3, 3]
        np.testing.assert_allclose(origin.numpy(), centre, atol=1e-6)
        picture = photo.view_image(frames[number]).reshape(-1, 4)
        assert (picture - rgba).abs().amax(-1).min() < 1e-6


def test_a_batch_looks_at_a_few_scenes_only(toys):
    many = Scenes(toys.root, toys.scenes * 5)
    sampler = ScenesSampler(many)
    batch = sampler.sample(100, generator=torch.Generator().manual_seed(0))
    scene = np.searchsorted(np.cumsum(many.photos), batch.rays.image.numpy(), side="right")
    assert len(np.unique(scene)) == TOGETHER


def test_sampling_is_the_seeds(toys):
    sampler = ScenesSampler(toys)
    first, second, third = (
        sampler.sample(50, generator=torch.Generator().manual_seed(s)) for s in (0, 0, 1)
    )
    assert torch.equal(first.rgba, second.rgba)
    assert torch.equal(first.rays.image, second.rays.image)
    assert not torch.equal(first.rays.image, third.rays.image)


def test_rays_of_a_view_name_the_first_photo_of_their_scene(toys):
    (frame,) = toys.scenes[2].split("test")
    rays = toys.view_rays(2, frame)
    assert (rays.image == 12).all()
    assert torch.equal(rays.directions, pixels.view_rays(toys.scenes[2], frame).directions)


def test_fingerprint_tells_classes_apart(toys):
    assert toys.fingerprint != Scenes(toys.root, toys.scenes[:2]).fingerprint


def opaque(root: Path) -> None:
    for path in root.rglob("*.png"):
        Image.open(path).convert("RGB").save(path)


def test_opaque_scenes_keep_their_own_frames(tmp_path):
    write_toys(tmp_path, scenes=2, views=VIEWS, size=20)
    opaque(tmp_path)
    found = load_scenes(tmp_path)
    assert not found.traits.bounded
    assert not found.traits.alpha
    first, second = (scene.world_from_scene for scene in found.scenes)
    assert not np.array_equal(first, second)


def test_a_mixture_of_cut_out_and_opaque_is_refused(tmp_path):
    write_toys(tmp_path, scenes=2, views=VIEWS, size=20)
    opaque(tmp_path / "toy_001")
    with pytest.raises(DataError, match="mixes cut-out subjects and whole scenes"):
        load_scenes(tmp_path)


def test_too_many_pixels_are_refused_with_a_downscale_that_fits(tmp_path, monkeypatch):
    write_toys(tmp_path, scenes=2, views=VIEWS, size=20)
    monkeypatch.setattr("rayfield.data.scenes.BYTES_LIMIT", 2 * 6 * 4 * 10 * 10)
    with pytest.raises(DataError, match="--downscale 2, or give fewer scenes"):
        load_scenes(tmp_path)
    assert load_scenes(tmp_path, downscale=2).photos == (6, 6)


def test_only_a_folder_of_data_sets_holds_scenes(tmp_path):
    write_toys(tmp_path / "class", scenes=1, views=VIEWS, size=20)
    assert holds_scenes(tmp_path / "class")
    (scene,) = (tmp_path / "class").iterdir()
    (scene / "transforms_train.json").write_text("{")
    assert holds_scenes(tmp_path / "class")
    for other in (scene, scene / "train", scene / "train" / "r_0.png", tmp_path / "missing"):
        assert not holds_scenes(other)


def test_a_folder_of_fewer_than_two_scenes_is_refused(tmp_path):
    with pytest.raises(DataError, match="holds 0 folders; learning across scenes"):
        load_scenes(tmp_path)
    write_toys(tmp_path, scenes=1, views=VIEWS, size=20)
    with pytest.raises(DataError, match="holds 1 folder;"):
        load_scenes(tmp_path)


def test_a_subfolder_that_is_no_data_set_is_named(tmp_path):
    write_toys(tmp_path, scenes=1, views=VIEWS, size=20)
    (tmp_path / "notes").mkdir()
    with pytest.raises(DataError, match="notes: is not a data set"):
        load_scenes(tmp_path)


def test_a_folder_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(DataError, match="is not a folder"):
        load_scenes(tmp_path / "missing")
