"""From pictures to poses: lenses that zoom, cut-out subjects, the same bits again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pycolmap = pytest.importorskip("pycolmap")

from rayfield.app.process.job import Job, Settings  # noqa: E402
from rayfield.app.process.outcome import Outcome  # noqa: E402
from rayfield.app.process.photos import Picture  # noqa: E402
from rayfield.app.process.solve import solve  # noqa: E402

COUNT, WIDTH, HEIGHT = 6, 320, 240
SECTION = Path("data") / "sparse" / "0"


def solved(work: Path, *, threads: int = 1, **chosen) -> Outcome:
    """What comes of the pictures in work/data/images, in the order of their names."""
    images = sorted((work / "data" / "images").iterdir())
    job = Job(str(work), Settings(**chosen), threads)
    pictures = [Picture(path.name, WIDTH, HEIGHT) for path in images]
    return solve(job, pictures, (), progress=lambda task: lambda fraction, remark="": None)


@pytest.fixture(scope="module")
def steady(room, tmp_path_factory) -> tuple[Path, Outcome]:
    """Photos through one lens, solved in two threads."""
    work = tmp_path_factory.mktemp("steady")
    room.photos(work / "data" / "images", COUNT)
    return work, solved(work, threads=2)


def test_one_lens_stays_one(steady):
    work, found = steady
    assert found.registered == COUNT
    assert found.stages == ("exhaustive",)
    assert found.error < 0.3
    model = pycolmap.Reconstruction(work / SECTION)
    assert model.num_cameras() == 1
    assert model.cameras[1].mean_focal_length() == pytest.approx(300, rel=0.01)


def test_the_same_pictures_give_the_same_bits_in_any_number_of_threads(room, steady, tmp_path):
    room.photos(tmp_path / "data" / "images", COUNT)
    solved(tmp_path, threads=1)
    for name in ("cameras.bin", "images.bin", "points3D.bin"):
        assert (tmp_path / SECTION / name).read_bytes() == (steady[0] / SECTION / name).read_bytes()


def test_points_have_the_colours_of_the_pictures(steady):
    model = pycolmap.Reconstruction(steady[0] / SECTION)
    colours = np.array([point.color for point in model.points3D.values()])
    assert np.ptp(colours.mean(axis=1)) > 100  # the walls are dark and bright
    assert (np.ptp(colours, axis=1) <= 3).all()  # and grey


def test_photos_of_a_lens_that_zooms_get_a_focal_length_each(room, tmp_path):
    room.photos(tmp_path / "data" / "images", 7, focals=(290.0, 310.0))
    assert solved(tmp_path).registered == 7
    model = pycolmap.Reconstruction(tmp_path / SECTION)
    assert model.num_cameras() == 7
    focals = [
        model.cameras[image.camera_id].mean_focal_length()
        for image in sorted(model.images.values(), key=lambda image: image.name)
    ]
    short, long = np.mean(focals[::2]), np.mean(focals[1::2])
    assert long / short == pytest.approx(310 / 290, rel=0.02)


def test_what_is_transparent_is_not_matched(room, tmp_path):
    """A subject on a turntable: what is behind it stays, and would hold the cameras still."""
    images = tmp_path / "data" / "images"
    images.mkdir(parents=True)
    rng = np.random.default_rng(0)
    behind = np.repeat(rng.integers(0, 255, (HEIGHT // 4, WIDTH // 4, 1), np.uint8), 4, 0)
    behind = np.repeat(np.repeat(behind, 4, 1), 3, -1)
    inside = np.hypot(*np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]) < 0.9
    for i in range(COUNT):
        pixels = np.where(inside[..., None], room.picture(i, COUNT), behind)
        alpha = np.where(inside, 255, 0).astype(np.uint8)[..., None]
        Image.fromarray(np.dstack([pixels, alpha])).save(images / f"{i}.png")
    assert solved(tmp_path).registered == COUNT
    model = pycolmap.Reconstruction(tmp_path / SECTION)
    for image in model.images.values():
        for point in image.points2D:
            x, y = point.xy.astype(int)
            assert inside[y, x]
