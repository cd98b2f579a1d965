"""Data sets from any format to any other and back: cameras, rays, bounds, pictures, masks."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from rayfield.core.check import DataError
from rayfield.core.types import Camera
from rayfield.data.convert import TARGETS, convert
from rayfield.data.detect import read_capture
from rayfield.data.images import read_image
from rayfield.data.load import load_scene
from rayfield.data.masks import used
from rayfield.data.scene import Ball, Capture, Frame, Sightings, Sparse, hold_out_test
from rayfield.math.rays import camera_rays, pixel_grid, project

WIDTH, HEIGHT = 24, 16
CENTRE = np.array([1.0, 2.0, 3.0])
PAIRS = list(itertools.product(TARGETS, TARGETS))


def coloured(directions: np.ndarray) -> np.ndarray:
    """A smooth colour for each direction in the world, so that a picture tells its rays."""
    return (127.5 * (1 + directions) + 0.5).astype(np.uint8)


def picture(camera: Camera) -> np.ndarray:
    _, directions = camera_rays(camera, pixel_grid(camera.width, camera.height))
    return coloured(directions.numpy()).reshape(camera.height, camera.width, 3)


def disc(camera: Camera) -> np.ndarray:
    """Alpha: soft at its border, and only in the middle."""
    row, column = np.mgrid[: camera.height, : camera.width] + 0.5
    radius = np.hypot(row - camera.cy, column - camera.cx)
    return np.clip(255 * (5 - radius), 0, 255).astype(np.uint8)


def capture_of(root: Path, cameras: dict[str, Camera], *, mode: str = "RGB") -> Capture:
    """A capture of pictures of noise-free directions, with all that a capture can have."""
    frames = []
    for i, (name, camera) in enumerate(cameras.items()):
        pixels = picture(camera)
        if mode == "RGBA":
            pixels = np.dstack([pixels, disc(camera)])
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(root / name)
        frames.append(Frame(name, camera, root / name, "train", bounds=(2.0 + 0.1 * i, 9.0)))
    rng = np.random.default_rng(0)
    points = rng.normal(CENTRE, 0.4, size=(150, 3))
    colors = rng.integers(0, 256, (150, 3), dtype=np.uint8)
    sightings = _sightings(frames, points)
    sparse = Sparse(colors, rng.uniform(0.1, 2, 150), sightings)
    ball = Ball(CENTRE, 1.25)
    return Capture(root, "made", tuple(frames), points, (), ball=ball, sparse=sparse)


def _sightings(frames: list[Frame], points: np.ndarray) -> Sightings:
    rows = []
    for number, frame in enumerate(frames):
        pixels, _ = project(frame.camera, torch.from_numpy(points))
        inside = ((pixels >= 0) & (pixels < pixels.new_tensor([WIDTH, HEIGHT]))).all(1).numpy()
        seen = np.flatnonzero(inside)
        rows.append((np.full(len(seen), number), seen, pixels.numpy()[seen]))
    return Sightings(*(np.concatenate(column) for column in zip(*rows, strict=True)))


def written(capture: Capture, root: Path, form: str, **how) -> Capture:
    """The capture in a format, read back."""
    root.mkdir()
    convert(capture, root, form, **how)
    return read_capture(root)


def in_order(capture: Capture) -> list[Frame]:
    """Frames by where their cameras are: names may differ."""
    return sorted(capture.frames, key=lambda f: tuple(f.camera.pose[:3, 3].round(4)))


def assert_same_views(found: Capture, wanted: Capture, *, upto: float = 1e-6) -> None:
    assert len(found.frames) == len(wanted.frames)
    for a, b in zip(in_order(found), in_order(wanted), strict=True):
        assert (a.camera.width, a.camera.height) == (b.camera.width, b.camera.height)
        pixels = pixel_grid(b.camera.width, b.camera.height)
        (from_a, along_a), (from_b, along_b) = (camera_rays(x.camera, pixels) for x in (a, b))
        assert (from_a - from_b).abs().max() < upto
        assert (along_a - along_b).abs().max() < upto


def assert_same_bounds(found: Capture, wanted: Capture, *forms: str) -> None:
    """What bounds the scene comes back, of what all formats it went through can hold."""
    holds = frozenset.intersection(*(TARGETS[form].holds for form in forms))
    if "ball" in holds and wanted.ball is not None:
        assert np.abs(found.ball.centre - wanted.ball.centre).max() < 1e-6
        assert found.ball.radius == pytest.approx(wanted.ball.radius, abs=1e-6)
    if "points" in holds and wanted.points is not None:
        assert np.abs(found.points - wanted.points).max() < 1e-6
    if "colors" in holds and wanted.sparse and wanted.sparse.colors is not None:
        assert np.array_equal(found.sparse.colors, wanted.sparse.colors)
    if "depths" in holds and wanted.nearest is not None:
        for a, b in zip(in_order(found), in_order(wanted), strict=True):
            assert a.bounds == pytest.approx(b.bounds, abs=1e-6)


@pytest.fixture(scope="module")
def square():
    """Centred pinholes with square pixels: what every format can express."""
    poses = {}
    for i in range(9):
        angle = 2 * np.pi * i / 9
        around = 4 * np.array([np.cos(angle), np.sin(angle), 0.4 + 0.2 * np.sin(3 * angle)])
        forward = -around / np.linalg.norm(around)
        right = np.cross(forward, (0.0, 0.0, 1.0))
        right /= np.linalg.norm(right)
        pose = np.eye(4)
        pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
        pose[:3, 3] = CENTRE + around
        poses[f"images/img{i}.png"] = Camera(WIDTH, HEIGHT, 30.0, 30.0, WIDTH / 2, HEIGHT / 2, pose)
    return poses


@pytest.fixture(scope="module")
def in_every_form(tmp_path_factory, square):
    """The same capture in every format."""
    root = tmp_path_factory.mktemp("forms")
    (root / "made").mkdir()
    capture = capture_of(root / "made", square)
    return {form: written(capture, root / form, form) for form in TARGETS}, capture


@pytest.mark.parametrize("form", TARGETS)
def test_every_format_gives_back_what_it_was_given(form, in_every_form):
    forms, capture = in_every_form
    found = forms[form]
    assert_same_views(found, capture)
    assert_same_bounds(found, capture, form)
    assert not [note for note in found.notes if "rescaled" in note]
    for a, b in zip(in_order(found), in_order(capture), strict=True):
        assert np.array_equal(read_image(a.path), read_image(b.path))


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_every_pair_of_formats_goes_there_and_back(first, second, in_every_form, tmp_path):
    start = in_every_form[0][first]
    there = written(start, tmp_path / "there", second)
    back = written(there, tmp_path / "back", first)
    for found in (there, back):
        assert_same_views(found, start)
    assert_same_bounds(there, start, second)
    assert_same_bounds(back, start, first, second)
    pictures = {f.path.read_bytes() for f in back.frames}
    assert pictures == {f.path.read_bytes() for f in start.frames}


@pytest.mark.parametrize("form", TARGETS)
def test_the_scene_is_bounded_alike_after_a_conversion(form, in_every_form):
    """Of a capture without points and ball: what is derived from its cameras is the same."""
    forms, capture = in_every_form
    plain = replace(capture, points=None, sparse=None, ball=None)
    plain = replace(plain, frames=tuple(replace(f, bounds=None) for f in plain.frames))
    root = forms[form].root.parent / f"plain-{form}"
    scene = load_scene(written(plain, root, form).root)
    wanted = load_scene(written(plain, root.with_name(f"ref-{form}"), "colmap").root)
    if form == "neus":  # which names a ball: that of the same centre
        assert np.abs(scene.world_from_scene[:3, 3] - wanted.world_from_scene[:3, 3]).max() < 1e-6
    else:
        assert np.abs(scene.world_from_scene - wanted.world_from_scene).max() < 1e-6


@pytest.mark.parametrize("form", TARGETS)
def test_pictures_held_out_stay_so_where_the_format_can_tell(form, in_every_form, tmp_path):
    capture = in_every_form[1]
    splits = ["test", "val", *["train"] * 5, "test", "train"]
    frames = tuple(replace(f, split=s) for f, s in zip(capture.frames, splits, strict=True))
    capture = replace(capture, frames=frames)
    (tmp_path / "out").mkdir()
    done = convert(capture, tmp_path / "out", form)
    found = [frame.split for frame in in_order(read_capture(tmp_path / "out"))]
    if "splits" in TARGETS[form].holds:
        assert found == [frame.split for frame in in_order(capture)]
        assert not any("test or validation" in loss for loss in done.losses)
    else:
        assert set(found) == {"train"}
        assert "which 3 images are for test or validation" in done.losses


@pytest.mark.parametrize("form", TARGETS)
def test_pictures_that_nobody_held_out_are_held_out_alike(form, in_every_form):
    """Every 8th by name, whatever names a format gives."""
    forms, capture = in_every_form
    held, _ = hold_out_test(capture.frames)
    wanted = [f.split for f in in_order(replace(capture, frames=held))]
    found, _ = hold_out_test(forms[form].frames)
    assert [f.split for f in in_order(replace(capture, frames=found))] == wanted


def test_what_is_lost_is_told(in_every_form, tmp_path):
    capture = in_every_form[1]
    lost = {}
    for form in TARGETS:
        (tmp_path / form).mkdir()
        lost[form] = convert(capture, tmp_path / form, form).losses
    assert (
        lost["colmap"]
        == lost["colmap-text"]
        == (
            "the ball of the subject",
            "the depths of the nearest and farthest content",
        )
    )
    assert lost["nerfstudio"] == ("which images show which points",)
    assert lost["blender"] == lost["ngp"] == ("the 150 sparse points",)
    assert lost["llff"] == ("the 150 sparse points", "the ball of the subject")
    assert lost["neus"] == (
        "the 150 sparse points",
        "the depths of the nearest and farthest content",
        "the names of the images (numbered in the order of their names)",
    )


# --- lenses ------------------------------------------------------------------------------------

LENSES = {
    "phone": {"distortion": (0.05, -0.02, 0.001, -0.0005)},
    "strong": {"distortion": (-0.25, 0.06, 0.0, 0.0, -0.01)},
    "rational": {"distortion": (0.9, 0.3, 0.0005, 0.0003, 0.02, 1.2, 0.5, 0.06)},
    "eighth": {"distortion": (0.05, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.02)},
    "fisheye": {
        "distortion": (0.06, -0.012, 0.004, -0.0008),
        "lens": "fisheye",
        "fx": 16.0,
        "fy": 16.5,
    },
    "equidistant": {"lens": "fisheye", "fx": 10.0, "fy": 10.0},
    "off centre": {"cx": 10.5, "cy": 9.0},
    "oblong": {"fy": 33.0},
}
EXACT = {
    "phone": {"ngp", "nerfstudio", "colmap", "colmap-text"},
    "strong": {"nerfstudio", "colmap", "colmap-text"},
    "rational": {"colmap", "colmap-text"},
    "eighth": {"nerfstudio"},
    "fisheye": {"ngp", "nerfstudio", "colmap", "colmap-text"},
    "equidistant": {"ngp", "nerfstudio", "colmap", "colmap-text"},
    "off centre": {"ngp", "nerfstudio", "colmap", "colmap-text", "neus"},
    "oblong": {"ngp", "nerfstudio", "colmap", "colmap-text", "neus"},
}


@pytest.fixture(scope="module")
def through_lenses(tmp_path_factory, square):
    """Captures through each lens."""
    root = tmp_path_factory.mktemp("lenses")
    captures = {}
    for name, change in LENSES.items():
        (root / name).mkdir()
        cameras = {n: replace(c, **change) for n, c in list(square.items())[:4]}
        captures[name] = capture_of(root / name, cameras)
    return captures


@pytest.mark.parametrize("lens", LENSES)
@pytest.mark.parametrize("form", TARGETS)
def test_a_lens_stays_or_is_undone_and_pixels_show_what_they_showed(
    form, lens, through_lenses, tmp_path
):
    capture = through_lenses[lens]
    (tmp_path / "out").mkdir()
    done = convert(capture, tmp_path / "out", form)
    found = read_capture(tmp_path / "out")
    if form in EXACT[lens]:
        assert not any("resampled" in change for change in done.changes)
        assert_same_views(found, capture)
        return
    assert any("4 of 4 images resampled (PNG)" in change for change in done.changes)
    assert all(frame.camera.pinhole for frame in found.frames)
    if form == "blender":
        assert len({(f.camera.width, f.camera.height, f.camera.fx) for f in found.frames}) == 1
    for frame in found.frames:
        shown = read_image(frame.path).astype(int)
        error = np.abs(shown - picture(frame.camera).astype(int))
        assert error.max() <= 4, "a pixel shows another direction"
        assert error.mean() < 0.6


def test_different_lenses_stay_each_its_own(in_every_form, tmp_path, square):
    (tmp_path / "made").mkdir()
    kinds = [LENSES["phone"], LENSES["fisheye"], {"fx": 33.0}, {}]
    cameras = {
        name: replace(camera, **change)
        for (name, camera), change in zip(list(square.items())[:4], kinds, strict=True)
    }
    capture = capture_of(tmp_path / "made", cameras)
    for form in ("ngp", "nerfstudio", "colmap", "colmap-text"):
        assert_same_views(written(capture, tmp_path / form, form), capture)


def test_pictures_of_other_sizes_become_one_size_only_for_blender(tmp_path, square):
    (tmp_path / "made").mkdir()
    names = list(square)
    other = replace(square[names[1]], width=18, height=20, cx=9.0, cy=10.0)
    cameras = {names[0]: square[names[0]], names[1]: other, names[2]: square[names[2]]}
    capture = capture_of(tmp_path / "made", cameras)
    for form in TARGETS:
        found = written(capture, tmp_path / form, form)
        sizes = {(f.camera.width, f.camera.height) for f in found.frames}
        assert sizes == ({(18, 16)} if form == "blender" else {(24, 16), (18, 20)})
        for frame in found.frames:
            error = np.abs(read_image(frame.path).astype(int) - picture(frame.camera).astype(int))
            assert error.max() <= 3


def test_a_lens_that_cannot_be_undone_is_told(tmp_path, square):
    (tmp_path / "made").mkdir()
    cameras = {n: replace(c, cx=-3.0) for n, c in list(square.items())[:3]}
    capture = capture_of(tmp_path / "made", cameras)
    (tmp_path / "out").mkdir()
    with pytest.raises(DataError, match="the optical axis meets the picture outside"):
        convert(capture, tmp_path / "out", "llff")
    (tmp_path / "again").mkdir()
    convert(capture, tmp_path / "again", "ngp")


def test_a_lens_that_folds_is_refused(tmp_path, square):
    (tmp_path / "made").mkdir()
    capture = capture_of(tmp_path / "made", square)
    frames = tuple(replace(f, camera=replace(f.camera, distortion=(-9.0,))) for f in capture.frames)
    with pytest.raises(DataError, match="folds the picture over"):
        convert(replace(capture, frames=frames), tmp_path, "ngp")


# --- alpha and masks ---------------------------------------------------------------------------


@pytest.mark.parametrize("form", TARGETS)
def test_alpha_stays(form, tmp_path, square):
    (tmp_path / "made").mkdir()
    capture = replace(capture_of(tmp_path / "made", square, mode="RGBA"), ball=None)
    found = written(capture, tmp_path / "out", form)
    scene = load_scene(tmp_path / "out")
    assert scene.traits.bounded
    for frame, original in zip(in_order(found), in_order(capture), strict=True):
        assert np.array_equal(read_image(frame.path), read_image(original.path))
    if form == "neus":
        ball = found.ball
        corners = capture.points  # the disc covers more than they do
        assert np.linalg.norm(ball.centre - CENTRE) < 0.3
        assert ball.radius < 2.5
        assert (np.linalg.norm(corners - ball.centre, axis=1) < 2.5).all()
        masks = sorted((tmp_path / "out" / "mask").iterdir())
        alpha = read_image(in_order(capture)[0].path)[..., 3]
        assert any(np.array_equal(read_image(mask)[..., 0], alpha) for mask in masks)


@pytest.fixture
def masked(tmp_path, square):
    """A capture with a mask for each picture, grey at its border."""
    (tmp_path / "made").mkdir()
    capture = capture_of(tmp_path / "made", square)
    frames = []
    for frame in capture.frames:
        mask = tmp_path / "made" / "masks" / f"{Path(frame.name).name}.png"
        mask.parent.mkdir(exist_ok=True)
        Image.fromarray(disc(frame.camera)).save(mask)
        frames.append(replace(frame, mask=mask))
    return replace(capture, frames=tuple(frames))


@pytest.mark.parametrize("form", TARGETS)
def test_masks_that_leave_pixels_out_go_along_where_they_can(form, masked, tmp_path):
    (tmp_path / "out").mkdir()
    done = convert(masked, tmp_path / "out", form)
    scene = load_scene(tmp_path / "out")
    if "masks" not in TARGETS[form].holds:
        assert "9 masks that leave pixels out of training" in done.losses
        assert all(frame.mask is None for frame in scene.frames)
        return
    assert all(frame.skipped is not None for frame in scene.frames)
    wanted = disc(masked.frames[0].camera)
    for frame in scene.frames:
        assert np.array_equal(read_image(frame.skipped)[..., 0], wanted)


@pytest.mark.parametrize("form", TARGETS)
def test_masks_that_cut_out_become_alpha_or_stay_masks(form, masked, tmp_path):
    (tmp_path / "out").mkdir()
    convert(masked, tmp_path / "out", form, masks="cut")
    scene = load_scene(tmp_path / "out")
    assert scene.traits.bounded
    wanted = disc(masked.frames[0].camera)
    for frame in scene.frames:
        pixels = read_image(frame.path, cutout=frame.cutout)
        assert np.array_equal(pixels[..., 3], wanted)
    back = written(read_capture(tmp_path / "out"), tmp_path / "back", "neus")
    assert_same_views(back, masked)
    for mask in (tmp_path / "back" / "mask").iterdir():
        assert np.array_equal(read_image(mask)[..., 0], wanted)


def test_masks_are_left_behind_if_asked(masked, tmp_path):
    (tmp_path / "out").mkdir()
    convert(masked, tmp_path / "out", "nerfstudio", masks="off")
    assert all(frame.mask is None for frame in load_scene(tmp_path / "out").frames)


def test_masks_are_resampled_with_their_pictures(masked, tmp_path):
    frames = tuple(
        replace(f, camera=replace(f.camera, distortion=(-0.25, 0.06))) for f in masked.frames
    )
    found = written(replace(masked, frames=frames), tmp_path / "out", "llff")
    scene = load_scene(found.root)
    for frame in scene.frames:
        mask = read_image(frame.skipped)[..., 0] >= 128
        assert mask.shape == (frame.camera.height, frame.camera.width)
        wanted = disc(frame.camera) >= 128
        assert (mask != wanted).mean() < 0.08  # an outline moves by less than a pixel


# --- names and files ---------------------------------------------------------------------------


def test_names_in_folders_with_spaces_and_of_one_stem_stay_apart(tmp_path, square):
    names = ["images/a/0.png", "images/b/0.png", "images/b c/0 1.png", "images/ü/ñ.png"]
    cameras = dict(zip(names, square.values(), strict=False))
    (tmp_path / "made").mkdir()
    capture = capture_of(tmp_path / "made", cameras)
    for form in TARGETS:
        found = written(capture, tmp_path / form, form)
        assert_same_views(found, capture)
        for frame, original in zip(in_order(found), in_order(capture), strict=True):
            assert frame.path.read_bytes() == original.path.read_bytes()
    for form, name in (("colmap-text", "images/b_c/0_1.png"), ("ngp", "images/b c/0 1.png")):
        assert name in {frame.name for frame in read_capture(tmp_path / form).frames}


def test_a_jpeg_and_a_png_of_one_name_stay_apart_as_png(tmp_path, square):
    (tmp_path / "made").mkdir()
    names = ["images/0.png", "images/0.jpg", "images/1.jpg"]
    capture = capture_of(tmp_path / "made", dict(zip(names, square.values(), strict=False)))
    found = written(capture, tmp_path / "out", "blender")
    assert len({frame.name for frame in found.frames}) == 3
    assert_same_views(found, capture)
    for frame, original in zip(in_order(found), in_order(capture), strict=True):
        assert np.array_equal(read_image(frame.path), read_image(original.path))


def test_pictures_that_exif_turns_are_written_upright(tmp_path, square):
    (tmp_path / "made").mkdir()
    capture = capture_of(tmp_path / "made", dict(list(square.items())[:3]))
    frames = []
    for frame in capture.frames:
        exif = Image.Exif()
        exif[0x0112] = 6
        path = frame.path.with_suffix(".jpg")
        upright = Image.open(frame.path)
        upright.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif, quality=100)
        frames.append(replace(frame, name=frame.name.replace(".png", ".jpg"), path=path))
    (tmp_path / "out").mkdir()
    done = convert(replace(capture, frames=tuple(frames)), tmp_path / "out", "nerfstudio")
    assert "3 of 3 images turned as EXIF asks" in done.changes
    for frame in read_capture(tmp_path / "out").frames:
        shown = read_image(frame.path).astype(int)
        assert np.abs(shown - picture(frame.camera).astype(int)).max() < 12


def test_half_turns_are_made_only_if_asked(tmp_path, square):
    (tmp_path / "made").mkdir()
    capture = capture_of(tmp_path / "made", dict(list(square.items())[:3]))
    exif = Image.Exif()
    exif[0x0112] = 3
    for frame in capture.frames:
        pixels = read_image(frame.path)[::-1, ::-1]
        Image.fromarray(np.ascontiguousarray(pixels)).save(frame.path, exif=exif)
    for name, upright in (("as stored", False), ("upright", True)):
        (tmp_path / name).mkdir()
        convert(capture, tmp_path / name, "ngp", upright=upright)
        scene = load_scene(tmp_path / name)
        said = any("EXIF orientation that sizes do not tell" in note for note in scene.notes)
        assert said is not upright
        for frame in read_capture(tmp_path / name).frames:
            right = np.array_equal(read_image(frame.path), picture(frame.camera))
            assert right is upright


def test_links_share_the_files_and_copies_do_not(in_every_form, tmp_path):
    capture = in_every_form[1]
    for link, count in ((False, "copied"), (True, "linked")):
        (tmp_path / count).mkdir()
        done = convert(capture, tmp_path / count, "colmap", link=link)
        assert done.pictures == {count: 9}
        same = [
            frame.path.samefile(original.path)
            for frame, original in zip(
                in_order(read_capture(tmp_path / count)), in_order(capture), strict=True
            )
        ]
        assert set(same) == {link}


def test_progress_ends_at_one(in_every_form, tmp_path):
    seen = []
    convert(in_every_form[1], tmp_path, "colmap", progress=seen.append)
    assert seen[-1] == 1.0
    assert seen == sorted(seen)


# --- real data ---------------------------------------------------------------------------------


def test_scan_65_keeps_its_views_and_masks(data_dir, tmp_path):
    capture = read_capture(data_dir / "dtu_scan65")
    frames, _ = used(capture, None)
    few = replace(capture, frames=frames[::12], masks=None)
    found = written(few, tmp_path / "out", "nerfstudio")
    assert_same_views(found, few)
    assert np.abs(found.ball.centre - capture.ball.centre).max() < 1e-6
    for frame, original in zip(in_order(found), in_order(few), strict=True):
        assert np.array_equal(read_image(frame.path)[..., 3], read_image(original.mask)[..., 0])
    back = written(found, tmp_path / "back", "neus")
    assert_same_views(back, few)
    assert back.ball.radius == pytest.approx(capture.ball.radius, rel=1e-9)


def test_the_fox_is_the_same_through_colmap(data_dir, tmp_path):
    capture = read_capture(data_dir / "ngp_fox")
    few = replace(capture, frames=capture.frames[::10])
    assert_same_views(written(few, tmp_path / "out", "colmap"), few)
