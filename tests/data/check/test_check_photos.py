"""Blurred, over-exposed and unreadable pictures, and looks at pictures."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from rayfield.data.check import look
from rayfield.data.check.look import look_at
from rayfield.data.check.photos import NEIGHBOURS, check_photos, check_seen, neighbours
from rayfield.data.check.reading import gather


def findings(root):
    frames = gather(root).capture.frames
    return check_photos(frames, *look_at(frames))


def test_sound_pictures_are_fine(write):
    assert findings(write()) == []


def test_a_blurred_picture_is_named(write):
    root = write()
    with Image.open(root / "images/05.png") as image:
        image.filter(ImageFilter.GaussianBlur(2)).save(root / "images/05.png")
    (found,) = findings(root)
    assert (found.level, found.kind, found.where) == ("warning", "blur", ("images/05.png",))


def test_a_picture_of_another_exposure_is_named_with_stops(write):
    root = write()
    with Image.open(root / "images/09.png") as image:
        image.point([int(v * 0.5) for v in range(256)] * 3).save(root / "images/09.png")
    (found,) = findings(root)
    assert (found.kind, found.where) == ("exposure", ("images/09.png",))
    assert "2.2 stops darker" in found.what


def test_another_content_of_the_same_exposure_is_not_told(write):
    root = write()
    with Image.open(root / "images/09.png") as image:
        pixels = np.array(image)
    pixels[:, :60] = 20  # half of it lies in the dark, the rest is as bright as ever
    Image.fromarray(pixels).save(root / "images/09.png")
    assert [f for f in findings(root) if f.kind == "exposure"] == []


def test_a_picture_cut_short_is_an_error_and_the_rest_is_looked_at(write):
    root = write()
    data = (root / "images/03.png").read_bytes()
    (root / "images/03.png").write_bytes(data[: len(data) // 2])
    (found,) = findings(root)
    assert (found.level, found.kind, found.where) == ("error", "images", ("images/03.png",))


def test_neighbours_are_the_nearest_others_also_where_cameras_are_equal(write):
    frames = gather(write()).capture.frames
    poses = np.stack([frame.camera.pose for frame in frames])
    places = poses[:, :3, 3] - poses[:, :3, 3].mean(axis=0)
    marks = np.concatenate([places / np.abs(places).max(), poses[:, :3, 2]], axis=1)
    gaps = ((marks[:, None] - marks) ** 2).sum(axis=-1)
    np.fill_diagonal(gaps, np.inf)
    np.testing.assert_array_equal(neighbours(frames), gaps.argsort(axis=1)[:, :NEIGHBOURS])
    same = (frames[0],) * 12
    assert (neighbours(same) != np.arange(12)[:, None]).all()
    assert neighbours(frames[:3]).shape == (3, 2)


def test_of_very_many_pictures_evenly_spread_ones_are_looked_at(write, monkeypatch):
    monkeypatch.setattr(look, "MOST", 10)
    frames = gather(write()).capture.frames
    looks, troubles = look_at(frames)
    assert list(looks) == [frame.name for frame in frames[::4]]
    (found,) = check_seen(frames, looks, troubles)
    assert (found.level, found.kind) == ("note", "images")
    assert found.what.startswith("8 of 32 images, evenly spread, were looked at")
    assert check_seen(frames[::4], looks, troubles) == []
    assert check_photos(frames, looks, troubles) == []
