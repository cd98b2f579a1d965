"""Batches: the right pixel with the right ray, never a test picture, never a masked pixel."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from rayfield.core.check import DataError
from rayfield.core.types import SceneTraits
from rayfield.data.load import load_scene
from rayfield.data.photo import view_image
from rayfield.data.pixels import FAR, PixelSampler, camera_rays, view_rays
from rayfield.math.rays import project

LENSES = {
    "pinhole": {"lens": ()},
    "distorted": {"lens": (0.05, -0.02, 0.001, -0.0005)},
    "fisheye": {"lens": (0.06, -0.012, 0.004, -0.0008), "kind": "fisheye", "focal": 7.0},
}


@pytest.mark.parametrize("lens", ["pinhole", "distorted", "fisheye"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_every_drawn_ray_shows_its_pixel(mode, lens, capture_dir, make_ring, generator):
    root = capture_dir("nerfstudio", mode=mode, cameras=make_ring(11, **LENSES[lens]))
    # a picture of another size: nothing may assume that all are alike
    odd = root / "images" / "img3.png"
    Image.open(odd).resize((12, 8)).save(odd)
    scene = load_scene(root)
    batch = PixelSampler(scene).sample(3000, generator=generator)
    assert torch.allclose(batch.rays.directions.norm(dim=-1), torch.ones(3000))
    for number, frame in enumerate(scene.split("train")):
        mine = batch.rays.image == number
        assert mine.sum() > 5
        rays = batch.rays.origins[mine] + 2 * batch.rays.directions[mine]
        pixels, _ = project(frame.camera, rays.double())
        assert (pixels - pixels.floor() - 0.5).abs().max() < 1e-3
        column, row = pixels.floor().long().T
        assert torch.equal(batch.rgba[mine], view_image(frame)[row, column])


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_batch_of_some_views_shows_as_many_pixels_of_each_in_turn(
    mode, capture_dir, make_ring, generator
):
    scene = load_scene(capture_dir("nerfstudio", mode=mode, cameras=make_ring(11)))
    sampler = PixelSampler(scene, views=3)
    seen = set()
    for _ in range(12):
        batch = sampler.sample(300, generator=generator)
        numbers, counts = torch.unique_consecutive(batch.rays.image, return_counts=True)
        assert len(set(numbers.tolist())) == 3
        assert counts.tolist() == [100, 100, 100]
        seen |= set(numbers.tolist())
        for number in numbers.tolist():
            frame = scene.split("train")[number]
            mine = batch.rays.image == number
            rays = batch.rays.origins[mine] + 2 * batch.rays.directions[mine]
            column, row = project(frame.camera, rays.double())[0].floor().long().T
            assert torch.equal(batch.rgba[mine], view_image(frame)[row, column])
    assert seen == set(range(len(scene.split("train"))))


def test_batches_agree_with_whole_views(capture_dir, generator):
    scene = load_scene(capture_dir("ngp"))
    frame = scene.split("train")[2]
    batch = PixelSampler(scene).sample(2000, generator=generator)
    mine = batch.rays.image == 2
    whole = view_rays(scene, frame)
    cosine = batch.rays.directions[mine].double() @ whole.directions.double().T
    assert cosine.max(dim=1).values.min() > 1 - 1e-6
    assert torch.allclose(batch.rays.origins[mine], whole.origins[0])


def test_test_pictures_are_never_drawn(capture_dir, generator):
    root = capture_dir("ngp")
    scene = load_scene(root)
    for frame in scene.split("test"):
        Image.new("RGB", (24, 16), (255, 0, 255)).save(frame.path)
    batch = PixelSampler(scene).sample(5000, generator=generator)
    magenta = torch.tensor([1.0, 0.0, 1.0, 1.0])
    assert not (batch.rgba == magenta).all(dim=-1).any()
    assert int(batch.rays.image.max()) + 1 == len(scene.split("train")) == 9


def test_pixels_are_drawn_uniformly(capture_dir, generator):
    sampler = PixelSampler(load_scene(capture_dir("ngp")))
    image = sampler.sample(20_000, generator=generator).rays.image
    counts = torch.bincount(image, minlength=9).double()
    expected = 20_000 / 9
    assert ((counts - expected) ** 2 / expected).sum() < 27  # chi-square, 8 degrees, p < 1e-3


def test_the_same_generator_draws_the_same_batch(capture_dir):
    sampler = PixelSampler(load_scene(capture_dir("ngp")))
    first, second = (
        sampler.sample(100, generator=torch.Generator().manual_seed(7)) for _ in range(2)
    )
    assert torch.equal(first.rgba, second.rgba)
    assert all(torch.equal(a, b) for a, b in zip(first.rays, second.rays, strict=True))


def masked(root, edit_json, ring, value):
    """Gives the first frame (sorted img1) a mask whose left half is black."""
    mask = np.full((16, 24), 255, np.uint8)
    mask[:, :12] = value
    Image.fromarray(mask).save(root / "mask.png")

    def change(document):
        for frame in document["frames"]:
            frame["mask_path"] = "mask.png"

    edit_json(root / "transforms.json", change)
    return load_scene(root)


def test_masked_pixels_are_never_drawn(capture_dir, edit_json, ring, generator):
    scene = masked(capture_dir("ngp"), edit_json, ring, 0)
    sampler = PixelSampler(scene)
    assert len(sampler) == 9 * 12 * 16
    batch = sampler.sample(2000, generator=generator)
    for number, frame in enumerate(scene.split("train")):
        mine = batch.rays.image == number
        points = batch.rays.origins[mine] + batch.rays.directions[mine]
        pixels, _ = project(frame.camera, points.double())
        assert (pixels[:, 0] > 12).all()


def test_masks_that_leave_nothing_are_refused(capture_dir, edit_json, ring):
    root = capture_dir("ngp")
    Image.new("L", (24, 16), 0).save(root / "mask.png")
    edit_json(
        root / "transforms.json", lambda d: [f.update(mask_path="mask.png") for f in d["frames"]]
    )
    with pytest.raises(DataError, match="masks are black"):
        PixelSampler(load_scene(root))


def test_a_split_without_pictures_is_refused(capture_dir):
    with pytest.raises(DataError, match="has no val images"):
        PixelSampler(load_scene(capture_dir("ngp")), split="val")


def test_bounded_rays_span_the_cube_and_missing_ones_are_empty(ring):
    camera = next(iter(ring.values()))
    pose = camera.pose.copy()
    pose[:3, 3] -= (1, 2, 3)
    rays = camera_rays(replace(camera, pose=pose), SceneTraits(True, True, 5, 0.01))
    hit = rays.far > 0
    assert 0 < hit.sum() < len(hit)
    assert (rays.near[~hit] == 0).all()
    for t in (rays.near, rays.far):
        ends = rays.origins[hit] + t[hit, None] * rays.directions[hit]
        assert torch.allclose(ends.abs().amax(dim=-1), torch.ones(int(hit.sum())), atol=1e-5)


def test_rays_from_inside_the_cube_start_at_near(ring):
    camera = replace(next(iter(ring.values())), pose=np.eye(4))
    rays = camera_rays(camera, SceneTraits(True, True, 5, 0.05))
    assert (rays.near == 0.05).all()
    assert (rays.far > 0.9).all()


def test_unbounded_rays_run_from_near_to_the_sky(ring):
    camera = next(iter(ring.values()))
    rays = camera_rays(camera, SceneTraits(False, False, 5, 0.07))
    assert torch.allclose(rays.near, torch.tensor(0.07))
    assert (rays.far == FAR).all()
    assert (rays.image == -1).all()
    assert len(rays.near) == 24 * 16


def test_a_picture_that_vanishes_is_named(capture_dir):
    scene = load_scene(capture_dir("ngp"))
    scene.frames[1].path.unlink()
    with pytest.raises(DataError, match=r"img1\.png: is not a file"):
        PixelSampler(scene)


def test_a_draw_of_4096_rays_takes_milliseconds(data_dir, generator):
    sampler = PixelSampler(load_scene(data_dir / "ngp_fox"))
    seconds = []
    for _ in range(100):
        start = time.perf_counter()
        sampler.sample(4096, generator=generator)
        seconds.append(time.perf_counter() - start)
    # about 0.5 ms; the shape checks of tests cost the rest. Work per ray in Python takes longer
    assert min(seconds) < 10e-3
