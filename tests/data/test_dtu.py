"""IDR's and NeuS's cameras*.npz: cameras, masks, the ball, and every way they can be wrong."""

from __future__ import annotations

import contextlib
import pickle
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from rayfield.core.check import DataError
from rayfield.data import dtu
from rayfield.data.detect import holds_scene, read_capture
from rayfield.data.load import load_scene
from rayfield.data.photo import view_image, view_subject
from rayfield.data.pixels import PixelSampler
from rayfield.math.rays import camera_rays, project

COUNT, WIDTH, HEIGHT = 11, 24, 16
CENTRE, RADIUS = np.array([1.0, 2.0, 3.0]), 0.7


def projection_of(camera):
    """K [R | t] with whole numbers as pixel centres."""
    k = np.array([[camera.fx, 0, camera.cx - 0.5], [0, camera.fy, camera.cy - 0.5], [0, 0, 1.0]])
    return k @ np.linalg.inv(camera.pose)[:3]


def disc(camera, radius=4.1):
    row, column = np.mgrid[: camera.height, : camera.width] + 0.5
    return np.where(np.hypot(row - camera.cy, column - camera.cx) < radius, 255, 0).astype(np.uint8)


def arrays_of(cameras):
    scale = np.diag([RADIUS, RADIUS, RADIUS, 1.0])
    scale[:3, 3] = CENTRE
    found = {}
    for number, camera in enumerate(cameras.values()):
        found[f"world_mat_{number}"] = np.vstack([projection_of(camera), [0, 0, 0, 1]])
        found[f"scale_mat_{number}"] = scale
    return found


@pytest.fixture
def cameras(make_ring):
    return make_ring(COUNT, lens=())


@pytest.fixture
def root(tmp_path, cameras):
    """A sound data set: noise, and a disc as the subject."""
    rng = np.random.default_rng(0)
    for folder in ("image", "mask"):
        (tmp_path / folder).mkdir()
    for number, camera in enumerate(cameras.values()):
        pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "image" / f"{number:06d}.png")
        Image.fromarray(disc(camera)).convert("RGB").save(tmp_path / "mask" / f"{number:03d}.png")
    np.savez(tmp_path / "cameras_sphere.npz", **arrays_of(cameras))
    return tmp_path


def save(root, change):
    """Write the cameras anew after a change to their dict."""
    path = root / "cameras_sphere.npz"
    with np.load(path) as file:
        arrays = dict(file)
    change(arrays)
    np.savez(path, **arrays)


def test_cameras_return_from_their_projections(root, cameras):
    capture = read_capture(root)
    assert capture.format == "dtu"
    assert holds_scene(root)
    for frame, camera in zip(capture.frames, cameras.values(), strict=True):
        np.testing.assert_allclose(frame.camera.pose, camera.pose, atol=1e-9)
        got = frame.camera
        wanted = (camera.fx, camera.fy, camera.cx, camera.cy)
        np.testing.assert_allclose((got.fx, got.fy, got.cx, got.cy), wanted)


@pytest.mark.parametrize("factor", [1.0, -3.0, 1e-4])
def test_scale_and_sign_of_a_projection_mean_nothing(cameras, factor):
    """And points on the ray of pixel (i + 0.5, j + 0.5) project to (i, j), as IDR has it."""
    for camera in cameras.values():
        projection = projection_of(camera)
        lens, pose = dtu.decompose(factor * projection, Path("x"), "world_mat_0")
        np.testing.assert_allclose(pose, camera.pose, atol=1e-9)
        np.testing.assert_allclose(lens[2:], [camera.cx - 0.5, camera.cy - 0.5])
        origins, directions = camera_rays(camera, torch.tensor([[3.5, 7.5]]).double())
        point = (origins + 2.7 * directions)[0].numpy()
        image = projection @ np.append(point, 1)
        np.testing.assert_allclose(image[:2] / image[2], [3, 7], atol=1e-9)


def test_the_ball_becomes_the_unit_ball_and_masks_become_alpha(root):
    scene = load_scene(root)
    assert scene.traits.bounded
    assert scene.traits.alpha
    np.testing.assert_allclose(scene.world_from_scene[:3, 3], CENTRE)
    np.testing.assert_allclose(scene.world_from_scene[:3, :3], RADIUS * np.eye(3))
    frame = scene.split("train")[0]
    assert torch.equal(view_image(frame)[..., 3] > 0.5, torch.from_numpy(disc(frame.camera) > 0))
    batch = PixelSampler(scene).sample(64, generator=torch.Generator().manual_seed(0))
    assert set(batch.rgba[:, 3].tolist()) == {0.0, 1.0}
    assert len(scene.split("test")) == 2


def test_masks_may_be_left_out_or_only_keep_pixels_out(root):
    whole = load_scene(root, masks="off")
    assert not whole.traits.bounded
    assert not whole.traits.alpha
    np.testing.assert_allclose(whole.world_from_scene[:3, 3], CENTRE)
    assert np.linalg.norm(whole.world_from_scene[:3, 0]) == pytest.approx(2 * RADIUS)
    assert whole.traits.ball == 0.5
    assert len(PixelSampler(whole)) == 9 * WIDTH * HEIGHT
    skipping = load_scene(root, masks="skip")
    assert not skipping.traits.alpha
    kept = sum(int((disc(f.camera) > 0).sum()) for f in skipping.split("train"))
    assert len(PixelSampler(skipping)) == kept
    for scene in (whole, skipping):
        frame = scene.split("test")[0]
        assert torch.equal(view_subject(frame), torch.from_numpy(disc(frame.camera) > 0))
    prints = {load_scene(root, masks=use).fingerprint for use in ("cut", "skip", "off")}
    assert len(prints) == 3


def test_downscaled_masks_average_to_alpha(root):
    scene = load_scene(root, downscale=4)
    frame = scene.split("train")[0]
    wanted = disc(read_capture(root).frames[0].camera).reshape(4, 4, 6, 4).mean((1, 3)) / 255
    np.testing.assert_allclose(view_image(frame)[..., 3].numpy(), wanted, atol=1 / 255)


@pytest.mark.parametrize(
    ("pictures", "masks", "cameras_file"),
    [("rgb", "masks", "cameras.npz"), ("images", "mask", "cameras_large.npz")],
)
def test_other_names_of_folders_are_found(root, pictures, masks, cameras_file):
    (root / "image").rename(root / pictures)
    (root / "mask").rename(root / masks)
    (root / "cameras_sphere.npz").rename(root / cameras_file)
    for path in (root / pictures).iterdir():
        with Image.open(path) as stored:
            stored.convert("RGB").save(path.with_suffix(".jpg"))
        path.unlink()
    scene = load_scene(root)
    assert scene.traits.alpha
    assert scene.frames[0].name == f"{pictures}/000000.jpg"


def test_without_a_folder_of_masks_the_pictures_are_whole(root):
    for path in (root / "mask").iterdir():
        path.unlink()
    assert not load_scene(root).traits.alpha
    (root / "mask").rmdir()
    assert not load_scene(root).traits.alpha
    with pytest.raises(DataError, match="has no masks to cut"):
        load_scene(root, masks="cut")


def test_without_scale_mats_the_subject_is_found_by_its_silhouettes(root):
    save(root, lambda arrays: [arrays.pop(f"scale_mat_{i}") for i in range(COUNT)])
    scene = load_scene(root)
    assert scene.traits.bounded
    assert np.abs(scene.world_from_scene[:3, 3] - CENTRE).max() < 0.2
    assert "no scale_mat" in scene.notes[0]


def repaint(root, paint):
    """Change every mask by a function of its pixels."""
    for path in (root / "mask").iterdir():
        with Image.open(path) as stored:
            pixels = np.array(stored)
        Image.fromarray(paint(pixels)).save(path)


def test_odd_masks_are_told(root):
    repaint(root, lambda mask: 255 - mask)
    assert any("inverted" in note for note in load_scene(root).notes)
    repaint(root, lambda mask: 255 - mask)
    assert load_scene(root).notes == ("2 of 11 images held out for test (every 8th by name)",)
    blank = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    Image.fromarray(blank).save(root / "mask" / "001.png")
    assert any("1 of 9 images show nothing" in note for note in load_scene(root).notes)
    repaint(root, np.zeros_like)
    with pytest.raises(DataError, match="are black; white"):
        load_scene(root)


def test_a_subject_of_next_to_no_pixels_is_told(root):
    def corner(mask):
        small = np.zeros_like(mask)
        small[8, 12] = 255
        return small

    repaint(root, corner)
    assert any("0.26% of the pixels: if masks are inverted" in n for n in load_scene(root).notes)


def test_masks_that_cut_nothing_out_are_told(root):
    repaint(root, lambda mask: np.full_like(mask, 255))
    scene = load_scene(root)
    assert not scene.traits.bounded
    assert any("masks leave out less than 1 % of the pixels" in note for note in scene.notes)


@pytest.mark.parametrize("channel", [0, 1, 2])
@pytest.mark.parametrize("bright", [255, 1])
def test_masks_of_any_channel_and_of_zeros_and_ones_are_masks(root, channel, bright):
    """As programs write them that have blue first, or labels for pixels."""

    def colored(mask):
        found = np.zeros_like(mask)
        found[..., channel] = np.minimum(mask[..., 0], bright)
        return found

    wanted = [view_image(frame)[..., 3] for frame in load_scene(root).frames]
    repaint(root, colored)
    scene = load_scene(root)
    for frame, alpha in zip(scene.frames, wanted, strict=True):
        assert torch.equal(view_image(frame)[..., 3], alpha)


def test_colours_are_red_green_blue_and_white_is_one(root):
    """NeuS's reader has blue first, and divides by 256."""
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[:8] = (255, 128, 0)
    pixels[8:] = 255
    for path in (root / "image").iterdir():
        Image.fromarray(pixels).save(path)
    scene = load_scene(root, masks="off")
    rgb = view_image(scene.frames[0])[..., :3]
    torch.testing.assert_close(rgb[0, 0], torch.tensor([1.0, 128 / 255, 0.0]))
    assert (rgb[-1] == 1).all()
    seen = PixelSampler(scene).sample(200, generator=torch.Generator().manual_seed(0)).rgba
    assert set(map(tuple, seen[:, :3].mul(255).round().int().tolist())) == {
        (255, 128, 0), (255, 255, 255)
    }  # fmt: skip


def test_a_subject_beside_its_ball_is_refused(root):
    def beside(arrays):
        for number in range(COUNT):
            arrays[f"scale_mat_{number}"][:3, 3] += 20

    save(root, beside)
    with pytest.raises(DataError, match=r"100% of the subject's pixels look past the ball.*none"):
        load_scene(root)
    load_scene(root, masks="off")


def test_a_ball_too_small_or_around_cameras_is_told(root):
    def shrunk(arrays, factor):
        for number in range(COUNT):
            arrays[f"scale_mat_{number}"][:3, :3] *= factor

    save(root, lambda arrays: shrunk(arrays, 0.5))
    assert any("look past the ball" in note for note in load_scene(root).notes)
    save(root, lambda arrays: shrunk(arrays, 40.0))
    assert any("9 of 9 cameras are inside" in note for note in load_scene(root).notes)


def put(name, value):
    return lambda root: save(root, lambda arrays: arrays.update({name: value}))


def drop(name):
    return lambda root: save(root, lambda arrays: arrays.pop(name))


def other_size(root):
    path = root / "mask" / "003.png"
    Image.new("L", (12, 8)).save(path)


def fewer(folder):
    return lambda root: next((root / folder).iterdir()).unlink()


def unmasked(root):
    for number in range(COUNT):
        (root / "mask" / f"{number:03d}.png").rename(root / "mask" / f"{number:06d}.png")
    (root / "mask" / "000004.png").unlink()


def sheared():
    matrix = np.eye(4)
    matrix[:3, 3] = 5
    matrix[0, 1] = 0.5
    return matrix


def twice(root):
    with (
        zipfile.ZipFile(root / "cameras_sphere.npz", "a") as archive,
        pytest.warns(UserWarning, match="Duplicate"),
    ):
        archive.writestr("world_mat_0.npy", archive.read("world_mat_0.npy"))


def bomb(root):
    with zipfile.ZipFile(root / "cameras_sphere.npz", "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("other.npy", b"\0" * (dtu.MAX_BYTES + 1))


def truncated(root):
    path = root / "cameras_sphere.npz"
    path.write_bytes(path.read_bytes()[:500])


BAD = {
    "a gap": (drop("world_mat_3"), "world_mat_3 is missing, while there is world_mat_10"),
    "no scale": (drop("scale_mat_2"), "scale_mat_2 is missing"),
    "NaN": (put("world_mat_1", np.full((4, 4), np.nan)), "world_mat_1 holds NaN"),
    "infinite scale": (put("scale_mat_1", np.full((4, 4), np.inf)), "scale_mat_1 holds NaN"),
    "a shape": (put("world_mat_1", np.eye(3)), r"world_mat_1 has shape \[3, 3\]"),
    "text": (put("world_mat_1", np.full((4, 4), "a")), "values of type <U1 in world_mat_1"),
    "singular": (put("world_mat_1", np.zeros((4, 4))), "singular"),
    "skew": (put("world_mat_1", sheared()), "skewed pixels"),
    "scales differ": (put("scale_mat_1", np.eye(4)), "scale_mat_1 differs from scale_mat_0"),
    "no similarity": (put("scale_mat_0", np.diag([1.0, 2, 1, 1])), "not one scale"),
    "no inverse": (put("scale_mat_0", np.zeros((4, 4))), "not one scale"),
    "leading zeros": (put("world_mat_007", np.eye(4)), None),
    "objects": (put("world_mat_1", np.array([{"a": 1}], object)), "Python objects"),
    "too many images": (fewer("image"), "cameras of 11 images, but there are 10"),
    "too few masks": (fewer("mask"), "holds 10 masks for 11 images"),
    "one image unmasked": (unmasked, "has no mask for 1 of 11 images: image/000004.png"),
    "another size": (other_size, "is 12x8, but 000003.png is 24x16"),
    "a name twice": (twice, "holds two arrays of one name"),
    "a bomb": (bomb, "100 MB are the limit"),
    "truncated": (truncated, "is not a readable array file"),
    "a pickle": (
        lambda root: (root / "cameras_sphere.npz").write_bytes(pickle.dumps({"a": 1})),
        "is not a readable array file",
    ),
    "no images": (lambda root: (root / "image").rename(root / "x"), "no folder of images"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_quickly_with_a_reason(case, root):
    change, says = BAD[case]
    change(root)
    started = time.perf_counter()
    if says is None:  # harmless
        load_scene(root)
        return
    with pytest.raises(DataError, match=says) as error:
        load_scene(root)
    assert time.perf_counter() - started < 2
    assert "\n" not in str(error.value)
    assert str(root) in str(error.value)


def test_mutated_files_never_escape_as_another_error(root):
    rng = np.random.default_rng(1)
    path = root / "cameras_sphere.npz"
    raw = path.read_bytes()
    for _ in range(120):
        changed = bytearray(raw)
        for place in rng.integers(0, len(raw), rng.integers(1, 6)):
            changed[place] = rng.integers(256)
        path.write_bytes(bytes(changed))
        with contextlib.suppress(DataError):
            read_capture(root)


def test_the_skull_fills_the_silhouettes_that_carved_it(data_dir):
    """A 64^3 grid carved by all masks covers them again: the cameras are right."""
    scene = load_scene(data_dir / "dtu_scan65")
    assert (len(scene.split("train")), len(scene.split("test"))) == (42, 7)
    views = [(f.camera, view_image(f)[..., 3].numpy() > 0.5) for f in scene.frames]
    axis = (torch.arange(64, dtype=torch.float64) + 0.5) / 64 * 2.2 - 1.1
    cells = torch.cartesian_prod(axis, axis, axis)
    for camera, mask in views:
        column, row = project(camera, cells)[0].floor().long().T.numpy()
        seen = (column >= 0) & (column < 400) & (row >= 0) & (row < 300)
        keep = ~seen
        keep[seen] = mask[row[seen], column[seen]]
        cells = cells[torch.from_numpy(keep)]
    assert len(cells) > 10_000
    third = torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64) * (2.2 / 64 / 3)
    points = (cells[:, None] + torch.cartesian_prod(third, third, third)).reshape(-1, 3)
    for camera, mask in views[::24]:
        column, row = (project(camera, points)[0] / 4).floor().long().T.numpy()
        seen = (column >= 0) & (column < 100) & (row >= 0) & (row < 75)
        covered = np.zeros((75, 100), bool)
        covered[row[seen], column[seen]] = True
        small = mask.reshape(75, 4, 100, 4).mean(axis=(1, 3)) > 0.5
        assert (covered & small).sum() / (covered | small).sum() > 0.9
