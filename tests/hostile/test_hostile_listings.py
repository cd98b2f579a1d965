"""Listings of pictures that are absent, oddly named, or lack something in one frame only."""

from __future__ import annotations

import json
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rayfield.core.check import DataError
from rayfield.core.types import Camera
from rayfield.data.check.box import Subject
from rayfield.data.check.coverage import cover
from rayfield.data.check.look import Look
from rayfield.data.check.photos import neighbours
from rayfield.data.check.poses import check_poses
from rayfield.data.check.twins import look_alike
from rayfield.data.load import load_scene
from rayfield.data.scene import Capture, Frame
from rayfield.data.synthetic import look_at_origin


def dataset(folder: Path, names: list[str], *, present: int | None = None) -> Path:
    """Cameras in a ring around the origin, one for each name; the first `present` have pictures."""
    (folder / "images").mkdir(parents=True)
    frames = []
    for i, name in enumerate(names):
        angle = 0.9 * i
        c, s = np.cos(angle), np.sin(angle)
        rows = [[c, 0, s, 4 * s], [0, 1, 0, 0], [-s, 0, c, 4 * c], [0, 0, 0, 1]]
        frames.append({"file_path": f"images/{name}", "transform_matrix": np.array(rows).tolist()})
        if present is None or i < present:
            Image.new("RGB", (12, 8), (i, 50, 9)).save(folder / "images" / name)
    document = {"fl_x": 15.0, "w": 12, "h": 8, "frames": frames}
    (folder / "transforms.json").write_text(json.dumps(document))
    return folder


def test_odd_names_of_pictures_are_read(tmp_path):
    names = [
        "a b.png",
        "ありがとう.png",
        "two\nlines.png",
        "é" * 125 + ".png",
        "img10.png",
        "'q\".png",
    ]
    scene = load_scene(dataset(tmp_path / "d", names))
    assert {frame.name for frame in scene.frames} == {f"images/{name}" for name in names}


def test_thousands_of_absent_pictures_are_counted_in_one_line(tmp_path):
    names = [f"{i}.png" for i in range(5_000)]
    root = dataset(tmp_path / "d", names, present=0)
    started = time.perf_counter()
    with pytest.raises(DataError) as caught:
        load_scene(root)
    assert time.perf_counter() - started < 20  # a second on a machine that does nothing else
    assert "none of the 5000 listed images exists: images/0.png" in str(caught.value)
    assert len(str(caught.value)) < 500 + 2 * len(str(tmp_path))


def test_half_of_the_pictures_absent_is_a_note_with_their_number(tmp_path):
    scene = load_scene(dataset(tmp_path / "d", [f"{i}.png" for i in range(8)], present=4))
    assert len(scene.frames) == 4
    assert any("4 of 8" in note and "do not exist" in note for note in scene.notes), scene.notes


def test_names_in_other_capitals_are_told_as_absent(tmp_path):
    root = dataset(tmp_path / "d", [f"View{i}.png" for i in range(5)])
    (root / "images" / "View4.png").rename(root / "images" / "vIEW4.png")
    if (root / "images" / "View4.png").exists():
        pytest.skip("this file system knows no capitals")
    scene = load_scene(root)
    assert len(scene.frames) == 4
    assert any("View4.png" in note and "exist" in note for note in scene.notes), scene.notes


def test_the_frame_that_lacks_a_focal_length_is_named(tmp_path):
    root = dataset(tmp_path / "d", [f"{i}.png" for i in range(5)])
    document = json.loads((root / "transforms.json").read_text())
    del document["fl_x"]
    for i, frame in enumerate(document["frames"]):
        if i != 3:
            frame["fl_x"] = 15.0
    (root / "transforms.json").write_text(json.dumps(document))
    with pytest.raises(DataError, match=r"frame 'images/3.png': no focal length; give fl_x"):
        load_scene(root)


def test_a_check_of_very_many_photos_takes_memory_in_proportion_to_them():
    """What compares cameras or pictures with one another compares no pair of all of them."""
    count = 3_000
    rng = np.random.default_rng(0)
    places = np.array([0.0, -4.0, 1.0]) + rng.uniform(
        -0.05, 0.05, (count, 3)
    )  # hardly any parallax
    tiny = rng.integers(0, 256, (count, 16, 16, 3), np.uint8)
    frames, looks = [], {}
    for i, place in enumerate(places):
        camera = Camera(12, 8, 15.0, 15.0, 6.0, 4.0, look_at_origin(place))
        name = f"{i}.png"
        frames.append(Frame(name, camera, Path(name), "train" if i % 8 else "test"))
        looks[name] = Look(1.0, (9.0,) * 4, tiny[i], None, tiny[i], False)
    frames = tuple(frames)
    capture = Capture(Path("many"), "ngp", frames, None, ())
    subject = Subject(np.zeros(3), 1.0, True, np.eye(3))
    started = time.perf_counter()
    tracemalloc.start()
    near = neighbours(frames)
    told = check_poses(capture)
    coverage = cover(frames, subject)
    pairs = look_alike([f for f in frames if f.split == "train"], list(frames[::8]), looks)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert near.shape == (count, 5)
    assert [finding.level for finding in told] == ["warning"]
    assert "little parallax" in told[0].what
    assert coverage.share < 0.1
    assert pairs == []
    assert peak < 30_000 * count  # as much as the thumbnails of as many photos
    assert time.perf_counter() - started < 60
